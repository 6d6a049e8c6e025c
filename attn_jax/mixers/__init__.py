"""Sequence mixers by name. A new one is a file beside these and a row in MIXERS."""

from attn_jax.mixers.attention import Attention
from attn_jax.mixers.base import CutApply, Mixer, MixerConfig, Places, cut
from attn_jax.mixers.delta_net import DeltaNet, DeltaProduct, GatedDeltaNet
from attn_jax.mixers.gated_linear_attention import GatedLinearAttention
from attn_jax.mixers.gru import GRU
from attn_jax.mixers.hyena import Hyena
from attn_jax.mixers.linear_attention import LinearAttention
from attn_jax.mixers.lru import LRU
from attn_jax.mixers.lstm import LSTM
from attn_jax.mixers.mamba import Mamba
from attn_jax.mixers.min_gru import MinGRU
from attn_jax.mixers.min_lstm import MinLSTM
from attn_jax.mixers.mlstm import MLSTM
from attn_jax.mixers.parts.recurrent import RecurrentConfig
from attn_jax.mixers.retention import Retention
from attn_jax.mixers.rnn import RNN
from attn_jax.mixers.s4d import S4D
from attn_jax.mixers.short_conv import ShortConv
from attn_jax.mixers.slstm import SLSTM
from attn_jax.mixers.stack_rnn import StackRNN
from attn_jax.mixers.tape_rnn import TapeRNN
from attn_jax.names import Registry

MIXERS: dict[str, MixerConfig] = Registry(
    {
        "attention": Attention(),
        # classic
        "rnn": RNN(),
        "lstm": LSTM(),
        "gru": GRU(),
        # gates that do not read the state
        "min_gru": MinGRU(),
        "min_lstm": MinLSTM(),
        # state spaces
        "lru": LRU(),
        "s4d": S4D(),
        "mamba": Mamba(),
        "mamba_signed": Mamba(transition="signed"),
        # a matrix as state
        "linear_attention": LinearAttention(),
        "retention": Retention(),
        "gated_linear_attention": GatedLinearAttention(),
        "delta_net": DeltaNet(),
        "gated_delta_net": GatedDeltaNet(),
        "delta_product": DeltaProduct(),
        # exponential gates
        "mlstm": MLSTM(),
        "slstm": SLSTM(),
        # a memory beside the state
        "stack_rnn": StackRNN(),
        "tape_rnn": TapeRNN(),
        # convolutions
        "short_conv": ShortConv(),
        "hyena": Hyena(),
    }
)

__all__ = [
    "GRU",
    "LRU",
    "LSTM",
    "MIXERS",
    "MLSTM",
    "RNN",
    "S4D",
    "SLSTM",
    "Attention",
    "CutApply",
    "DeltaNet",
    "DeltaProduct",
    "GatedDeltaNet",
    "GatedLinearAttention",
    "Hyena",
    "LinearAttention",
    "Mamba",
    "MinGRU",
    "MinLSTM",
    "Mixer",
    "MixerConfig",
    "Places",
    "RecurrentConfig",
    "Retention",
    "ShortConv",
    "StackRNN",
    "TapeRNN",
    "cut",
]
