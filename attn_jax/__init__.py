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

from attn_jax.layers.multi_head import init_multi_head_attention, merge_heads, multi_head_attention, project_heads
from attn_jax.layers.multi_head_by_vmap import multi_head_by_vmap
from attn_jax.mixers import MIXERS, Mixer, MixerConfig
from attn_jax.models import Model, ModelConfig, classic
from attn_jax.ops.attention.cache import KVCache, append_cache, init_cache, update_cache
from attn_jax.ops.attention.decode import cached_attention, decode_attention
from attn_jax.ops.attention.dense import attention_reference, attention_weights
from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.explain import Explanation, explain_attention
from attn_jax.ops.attention.intervals import BlockMap
from attn_jax.ops.attention.masks import Causal, Dense, Lengths, Mask, MaskFn, PrefixLM, Segments, SlidingWindow
from attn_jax.ops.attention.merge import merge_attention
from attn_jax.ops.attention.retrieval import Retrieval, attend, single_head_attention
from attn_jax.ops.attention.scores import ALiBi, RelativeBias, ScoreMod, ScoreModification, SoftCap, compose
from attn_jax.ops.attention.similarities import (
    additive,
    bilinear,
    cosine,
    dot_product,
    init_additive,
    init_bilinear,
    scaled_dot_product,
)
from attn_jax.ops.attention.sinks import add_sinks
from attn_jax.ops.norms import layer_norm, rms_norm
from attn_jax.ops.positions import (
    alibi_slopes,
    learned,
    randomised_positions,
    relative_buckets,
    rotary,
    sinusoidal,
)
from attn_jax.ops.recurrence.cells import gru_step, lstm_step, rnn_step, scan_cell
from attn_jax.tasks import TASKS, Floor, Task, TaskConfig, TaskSpec
from attn_jax.types import IO, Batch
from attn_jax.version import __version__

__all__ = [
    "IO",
    "MIXERS",
    "TASKS",
    "ALiBi",
    "Batch",
    "BlockMap",
    "Causal",
    "Dense",
    "Explanation",
    "Floor",
    "KVCache",
    "Lengths",
    "Mask",
    "MaskFn",
    "Mixer",
    "MixerConfig",
    "Model",
    "ModelConfig",
    "PrefixLM",
    "RelativeBias",
    "Retrieval",
    "ScoreMod",
    "ScoreModification",
    "Segments",
    "SlidingWindow",
    "SoftCap",
    "Task",
    "TaskConfig",
    "TaskSpec",
    "__version__",
    "add_sinks",
    "additive",
    "alibi_slopes",
    "append_cache",
    "attend",
    "attention_reference",
    "attention_weights",
    "bilinear",
    "cached_attention",
    "classic",
    "compose",
    "cosine",
    "decode_attention",
    "dot_product",
    "dot_product_attention",
    "explain_attention",
    "gru_step",
    "init_additive",
    "init_bilinear",
    "init_cache",
    "init_multi_head_attention",
    "layer_norm",
    "learned",
    "lstm_step",
    "merge_attention",
    "merge_heads",
    "multi_head_attention",
    "multi_head_by_vmap",
    "project_heads",
    "randomised_positions",
    "relative_buckets",
    "rms_norm",
    "rnn_step",
    "rotary",
    "scaled_dot_product",
    "scan_cell",
    "single_head_attention",
    "sinusoidal",
    "update_cache",
]
