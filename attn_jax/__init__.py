"""attn_jax lets attention and recurrence meet on equal terms.

Attention as pure JAX functions, and a lab that compares transformers with recurrent networks and says with honest
statistics who converges, how fast, how far, and why.

    Pure functions: arrays in, arrays out; parameters are nested dicts.
    One place for each thing; a new file before a new flag.
    A contract and a table: every row passes the same checks, and so can yours.
    The oracle first, then the form you call, then the fast form.
    One meaning on every backend; what cannot be done raises, nothing falls back.
    Measured before claimed, with the interval beside the number.
    As much care for the rival as for the favourite.
    What is not known is said.
"""

from attn_jax.layers.multi_head import init_multi_head_attention, multi_head_attention, multi_head_by_vmap
from attn_jax.mixers import MIXERS, Mixer, MixerConfig
from attn_jax.models import Model, ModelConfig, classic
from attn_jax.ops.attention import dot_product_attention
from attn_jax.ops.cells import gru_step, lstm_step, rnn_step, scan_cell
from attn_jax.ops.dense import attention_reference, attention_weights
from attn_jax.ops.masks import Causal, Lengths, Mask
from attn_jax.ops.norms import layer_norm, rms_norm
from attn_jax.ops.positions import learned, sinusoidal
from attn_jax.tasks import TASKS, Floor, Task, TaskConfig, TaskSpec
from attn_jax.types import IO, Batch
from attn_jax.version import __version__

__all__ = [
    "IO",
    "MIXERS",
    "TASKS",
    "Batch",
    "Causal",
    "Floor",
    "Lengths",
    "Mask",
    "Mixer",
    "MixerConfig",
    "Model",
    "ModelConfig",
    "Task",
    "TaskConfig",
    "TaskSpec",
    "__version__",
    "attention_reference",
    "attention_weights",
    "classic",
    "dot_product_attention",
    "gru_step",
    "init_multi_head_attention",
    "layer_norm",
    "learned",
    "lstm_step",
    "multi_head_attention",
    "multi_head_by_vmap",
    "rms_norm",
    "rnn_step",
    "scan_cell",
    "sinusoidal",
]
