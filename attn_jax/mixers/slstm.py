"""The sLSTM as a mixer: an LSTM with exponential gates, whose heads see their own past outputs only."""

from dataclasses import dataclass
from functools import partial
from typing import get_args

import jax
import jax.numpy as jnp
from jax import lax
from jax.ad_checkpoint import checkpoint_name

from attn_jax.layers.initializers import glorot_uniform, orthogonal
from attn_jax.mixers.base import Mixer, MixerConfig, zero_padding
from attn_jax.mixers.mlstm import ForgetGate
from attn_jax.mixers.parts.binding import bind, fresh_state
from attn_jax.mixers.parts.options import check_at_least, check_choice
from attn_jax.ops.norms import accumulator, rms_norm
from attn_jax.ops.recurrence.cells import scan_cell, watched
from attn_jax.types import Array, Key, Params, State

_FORGET_BIAS = 3.0, 6.0  # spread over the channels of a head: memories of 20 to 400 places


@dataclass(frozen=True)
class SLSTM(MixerConfig):
    """The sequential memory of xLSTM (Beck et al. 2024, arXiv 2405.04517), without its block's short convolution.

    Args:
      d_model: the width D, a multiple of num_heads; None = the model fills it.
      num_heads: N, heads of size H = D // N; a head's gates see x and that head's last output.
      forget_gate: "sigmoid", or "exponential", which starts at 1 and can also amplify.
      head_norm: heads normed, as in the paper's block; False leaves the cell's equations alone.
    """

    source = "Beck et al. 2024, arXiv 2405.04517"
    num_heads: int = 4
    forget_gate: ForgetGate = "sigmoid"
    head_norm: bool = True

    def __post_init__(self):
        check_at_least(1, num_heads=self.num_heads)
        check_choice("forget_gate", self.forget_gate, get_args(ForgetGate))

    @property
    def divisor(self) -> int:
        """Heads divide the width."""
        return self.num_heads

    def make(self) -> Mixer:
        """Binds this configuration to the functions below."""
        if self.width % self.num_heads:
            raise ValueError(f"num_heads: got {self.num_heads}, wanted a divisor of d_model={self.width}")
        return bind(self, init, init_state, extend, inspect, spare=["b"])


def init(config: SLSTM, key: Key) -> Params:
    """{"cell": w_x, w_h, b of the gates z, i, f, o of each head, "g_out": the gain of the heads' norm where there is}.

    Glorot input weights, orthogonal recurrent ones, biases zero but the sigmoid forget gate's.
    """
    N, H = config.num_heads, config.width // config.num_heads
    key_x, key_h = jax.random.split(key)
    w_x = glorot_uniform(key_x, config.width, config.width, parts=4).reshape(config.width, N, 4 * H)
    w_h = jnp.swapaxes(orthogonal(key_h, H, parts=4 * N).reshape(H, N, 4 * H), 0, 1)
    forget = jnp.linspace(*_FORGET_BIAS, H) if config.forget_gate == "sigmoid" else jnp.zeros(H)
    b = jnp.zeros((N, 4, H)).at[:, 2].set(forget).reshape(N, 4 * H)
    params = {"cell": {"w_x": w_x, "w_h": w_h, "b": b}}
    return params | {"g_out": jnp.ones(H)} if config.head_norm else params


def init_state(config: SLSTM, params: Params, batch_size: int, max_length: int, *, dtype=jnp.float32) -> State:
    """Zeros (h, c, n, m), [B, N, H] each: output, memory, the sum of its weights, and the stabiliser."""
    del params, max_length
    shape = batch_size, config.num_heads, config.width // config.num_heads
    return tuple(jnp.zeros(shape, dtype) for _ in range(4))


def extend(config: SLSTM, params: Params, x: Array, state: State, valid: Array | None = None) -> tuple[Array, State]:
    """Goes on from a state by [B, T, D]."""
    hidden, state = _run(config, params, x, state, valid)
    heads = hidden if "g_out" not in params else rms_norm(hidden, params["g_out"])
    return heads.astype(x.dtype).reshape(x.shape), state


def inspect(config: SLSTM, params: Params, x: Array, valid: Array | None = None) -> dict[str, Array]:
    """The outputs of the cells [B, T, N, H], before the heads' norm, and how far their gates are open there.

    What is kept and written is relative to the larger of the two, under the stabiliser.
    """
    state = fresh_state(partial(init_state, config), params, x)
    exponential = config.forget_gate == "exponential"
    step = watched(partial(slstm_step, exponential=exponential), partial(slstm_gates, exponential=exponential))
    (hidden, gates), _ = scan_cell(step, params["cell"], zero_padding(x, valid), state, valid)
    return {"hidden": hidden.astype(x.dtype)} | gates


def _run(config: SLSTM, params: Params, x: Array, state: State, valid: Array | None) -> tuple[Array, State]:
    """The cells' outputs [B, T, N, H] and the state after the last valid place."""
    step = partial(slstm_step, exponential=config.forget_gate == "exponential")
    return scan_cell(step, params["cell"], zero_padding(x, valid), state, valid)


# As in ops/recurrence/cells.py: going backward only the gates are kept, and the rest of the step is computed again.
@partial(
    jax.checkpoint,
    prevent_cse=False,
    policy=jax.checkpoint_policies.save_only_these_names("gates"),
    static_argnums=(3,),
)
def _step(params: Params, state: State, x: Array, exponential: bool) -> tuple[State, Array]:
    h, c, n, m = state
    z, i, f, o = jnp.split(checkpoint_name(_sums(params, h, x), "gates"), 4, -1)
    keep, write, new_m = _stabilised(i, f, n, m, exponential)
    c = (keep * c + write * jnp.tanh(z)).astype(c.dtype)
    n = (keep * n + write).astype(n.dtype)
    h = (jax.nn.sigmoid(o) * c / n).astype(h.dtype)
    return (h, c, n, new_m), h


def _sums(params: Params, h: Array, x: Array) -> Array:
    """x w_x + h w_h + b, [B, N, 4H]."""
    wide = accumulator(x.dtype)
    pre = jnp.tensordot(x, params["w_x"].astype(x.dtype), 1, preferred_element_type=wide) + params["b"]
    # rounded to the compute dtype, multiplied in the wide one: XLA's CPU has no batched bf16 product with wide sums
    blocks = params["w_h"].astype(x.dtype).astype(wide)
    return pre + jnp.einsum("bnh,nhk->bnk", h.astype(x.dtype).astype(wide), blocks)


def _stabilised(i: Array, f: Array, n: Array, m: Array, exponential: bool) -> tuple[Array, Array, Array]:
    """What is kept and what is written, relative to the larger of the two, and the stabiliser after it."""
    kept = (f if exponential else jax.nn.log_sigmoid(f)) + m
    # empty, nothing is kept to scale: n is 1 then, and never less after, because one of the two exponentials is 1
    new_m = lax.stop_gradient(jnp.where(n == 0, i, jnp.maximum(kept, i))).astype(m.dtype)
    return jnp.exp(jnp.where(n == 0, 0, kept - new_m)), jnp.exp(i - new_m), new_m


def slstm_gates(params: Params, state: State, x: Array, *, exponential: bool = False) -> dict[str, Array]:
    """How far the gates of `slstm_step` are open, [B, N, H] each: exp(log f(f) + m - m'), exp(i - m'), sigmoid(o)."""
    h, _, n, m = state
    _, i, f, o = jnp.split(_sums(params, h, x), 4, -1)
    keep, write, _ = _stabilised(i, f, n, m, exponential)
    return {"keep": keep, "write": write, "read": jax.nn.sigmoid(o)}


def slstm_step(params: Params, state: State, x: Array, *, exponential: bool = False) -> tuple[State, Array]:
    """One step of the LSTM with exponential gates, memory mixing within heads.

    z, i, f, o = x w_x + h w_h + b;    m' = max(log f(f) + m, i)
    c' = exp(log f(f) + m - m') c + exp(i - m') tanh(z);    n' = exp(log f(f) + m - m') n + exp(i - m')
    h' = sigmoid(o) c' / n'

    f(f) is sigmoid(f) or exp(f). From the empty memory, n = 0, m' = i. The stabiliser m cancels in h, and no derivative
    passes through it.

    Args:
      params: w_x [D, N, 4H], w_h [N, H, 4H], b [N, 4H]; gates in the order z, i, f, o.
      state: (h, c, n, m), [B, N, H] each.
      x: [B, D].
      exponential: f(f) is exp(f).

    Returns:
      ((h', c', n', m'), h') in the state's dtype.

    >>> params = {"w_x": jnp.zeros((1, 1, 4)), "w_h": jnp.zeros((1, 1, 4)), "b": jnp.zeros((1, 4))}
    >>> state = jnp.zeros((1, 1, 1)), jnp.full((1, 1, 1), 3.0), jnp.ones((1, 1, 1)), jnp.zeros((1, 1, 1))
    >>> slstm_step(params, state, jnp.ones((1, 1)), exponential=True)[1].tolist()
    [[[0.75]]]

    Reference: Beck et al. 2024, arXiv 2405.04517, equations 8 to 17.
    """
    return _step(params, state, x, exponential)
