"""Sequence mixers by name. A new one is a file beside these and a row in MIXERS."""

from attn_jax.mixers.attention import Attention
from attn_jax.mixers.base import Mixer, MixerConfig
from attn_jax.mixers.gru import GRU
from attn_jax.mixers.lstm import LSTM
from attn_jax.mixers.recurrent import RecurrentConfig
from attn_jax.mixers.rnn import RNN

MIXERS: dict[str, MixerConfig] = {
    "attention": Attention(),
    "rnn": RNN(),
    "lstm": LSTM(),
    "gru": GRU(),
}

__all__ = ["GRU", "LSTM", "MIXERS", "RNN", "Attention", "Mixer", "MixerConfig", "RecurrentConfig"]
