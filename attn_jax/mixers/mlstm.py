"""The mLSTM as a mixer: a matrix of memory a head, exponential input gates, no recurrence through the output."""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

import jax
import jax.numpy as jnp

from attn_jax.layers.initializers import glorot_uniform
from attn_jax.layers.multi_head import project_heads
from attn_jax.mixers.base import Mixer, zero_padding
from attn_jax.mixers.parts.matrix_memory import MatrixMemoryConfig, bind_matrix, init_heads, init_memory, per_head
from attn_jax.mixers.parts.options import check_choice
from attn_jax.ops.norms import accumulator
from attn_jax.ops.recurrence.mlstm import mlstm, stabilise
from attn_jax.types import Array, Key, Params, State

ForgetGate: TypeAlias = Literal["sigmoid", "exponential"]

_FORGET_BIAS = 3.0, 6.0  # spread over the heads at the start, as in the authors' code: memories of 20 to 400 places


@dataclass(frozen=True)
class MLSTM(MatrixMemoryConfig):
    """The parallel memory of xLSTM (Beck et al. 2024, arXiv 2405.04517), without its block's short convolution.

    Args:
      d_model: the width D, a multiple of num_heads; None = the model fills it.
      num_heads: N, heads of size H = P = D // N.
      form: "recurrent", "chunked" or "parallel", as `mlstm` takes it; None = the fastest.
      forget_gate: "sigmoid", or "exponential", which starts at 1 and can also amplify.
      head_norm: heads normed, as in the paper's block; False leaves the cell's equations alone.
    """

    source = "Beck et al. 2024, arXiv 2405.04517"
    forget_gate: ForgetGate = "sigmoid"
    head_norm: bool = True

    def __post_init__(self):
        super().__post_init__()
        check_choice("forget_gate", self.forget_gate, get_args(ForgetGate))

    @property
    def countable(self) -> "MLSTM":
        """All weights at once: chunks have an order, which is our choice and no property of the mLSTM."""
        return replace(self, form="parallel")

    def make(self) -> Mixer:
        """Binds this configuration to the functions below."""
        return bind_matrix(self, init, init_state, mix, inspect, spare=["b_output"])


def init(config: MLSTM, key: Key) -> Params:
    """The projections, and the maps to the input and forget gates of each head and the output gate of each channel."""
    N, H, D = config.num_heads, config.head_dim, config.width
    key_heads, key_gates, key_out = jax.random.split(key, 3)
    params = init_heads(config, key_heads, gate=False)
    if not config.head_norm:
        del params["g_out"]
    w_input, w_forget = jnp.split(glorot_uniform(key_gates, D, N, parts=2), 2, 1)
    b_forget = jnp.linspace(*_FORGET_BIAS, N) if config.forget_gate == "sigmoid" else jnp.zeros(N)
    gates = {"w_input": w_input, "b_input": jnp.zeros(N), "w_forget": w_forget, "b_forget": b_forget}
    return params | gates | {"w_output": glorot_uniform(key_out, D, D).reshape(D, N, H), "b_output": jnp.zeros((N, H))}


def init_state(config: MLSTM, params: Params, batch_size: int, max_length: int, *, dtype=jnp.float32) -> State:
    """The empty memory [B, N, H, P + 1], its last column the sum of the keys, and the stabiliser 0 [B, N]."""
    memory = init_memory(config, params, batch_size, max_length, dtype=dtype)
    return jnp.pad(memory, [(0, 0)] * 3 + [(0, 1)]), jnp.zeros((batch_size, config.num_heads), dtype)


def mix(config: MLSTM, params: Params, x: Array, memory: State, valid: Array | None) -> tuple[Array, State]:
    """[B, T, N, P] and the state after x, whose padding is zero."""
    q, k, v = project_heads(params, x)
    gates = log_gates(config, params, x, valid)
    heads, memory = mlstm(q, k * config.head_dim**-0.5, v, *gates, initial=memory, form=config.form)
    return heads * jax.nn.sigmoid(per_head(params, "output", x)).astype(x.dtype), memory


def inspect(config: MLSTM, params: Params, x: Array, valid: Array | None = None) -> dict[str, Array]:
    """Under the stabiliser m, [B, T, N] each: the weight of what a place writes, what it keeps, and m.

    At padding 0, 1, and m held.
    """
    log_input, log_forget = log_gates(config, params, zero_padding(x, valid), valid)
    start = jnp.zeros((x.shape[0], config.num_heads), accumulator(x.dtype))
    write, log_decay, m = stabilise(log_input, log_forget, start)
    return {"write": write, "keep": jnp.exp(log_decay), "stabiliser": m}


def log_gates(config: MLSTM, params: Params, x: Array, valid: Array | None) -> tuple[Array, Array]:
    """Logarithms of the input and forget gates [B, T, N]: at padding nothing is written, and all is kept."""
    log_input, log_forget = per_head(params, "input", x), per_head(params, "forget", x)
    if config.forget_gate == "sigmoid":
        log_forget = jax.nn.log_sigmoid(log_forget)
    if valid is not None:
        log_input = jnp.where(valid[..., None], log_input, -jnp.inf)
    return log_input, zero_padding(log_forget, valid)
