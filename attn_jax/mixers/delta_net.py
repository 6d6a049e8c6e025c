"""Mixers whose memory follows the delta rule: DeltaNet, Gated DeltaNet, DeltaProduct.

The short convolutions that the papers put on queries, keys and values are left out: what mixes here is the rule alone.
"""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

import jax
import jax.numpy as jnp

from attn_jax.layers.initializers import glorot_uniform
from attn_jax.layers.multi_head import project_heads
from attn_jax.mixers.base import Mixer, zero_padding
from attn_jax.mixers.parts.matrix_memory import MatrixMemoryConfig, bind_matrix, init_heads, init_memory, per_head
from attn_jax.ops.recurrence.delta_rule import delta_product
from attn_jax.types import Array, Key, Params, State

Beta: TypeAlias = Literal["unit", "double"]

_EPS = 1e-6  # beside the squared norm of a key, which is 0 at padding


@dataclass(frozen=True)
class DeltaNet(MatrixMemoryConfig):
    """The delta rule on unit keys (Yang et al. 2024, arXiv 2406.06484), heads normed.

    Args:
      d_model: the width D, a multiple of num_heads; None = the model fills it.
      num_heads: N, heads of size H = P = D // N.
      form: "recurrent", "chunked" or "parallel", as `delta_rule` takes it; None = the fastest.
      beta: the range of the writing rate, "unit" [0, 1] or "double" [0, 2], where what is held can change sign
        (Grazzi et al. 2024, arXiv 2411.12537).
    """

    source = "Yang et al. 2024, arXiv 2406.06484"
    beta: Beta = "unit"

    def __post_init__(self):
        super().__post_init__()
        if self.beta not in get_args(Beta):
            raise ValueError(f"beta: got {self.beta!r}, wanted one of {list(get_args(Beta))}")

    @property
    def writes(self) -> int:
        """Writes a place."""
        return 1

    @property
    def forgets(self) -> bool:
        """Whether the memory decays, and the readout is gated."""
        return False

    @property
    def countable(self) -> "DeltaNet":
        """In chunks, on any platform and at any length: what training runs."""
        return replace(self, form="chunked")

    def make(self) -> Mixer:
        """Binds this configuration to the functions below."""
        return bind_matrix(self, init, init_memory, mix, inspect)


@dataclass(frozen=True)
class GatedDeltaNet(DeltaNet):
    """DeltaNet whose memory decays by head, with a gated readout (Yang et al. 2024, arXiv 2412.06464).

    The decay is exp(-a softplus(x w + b)), a in [1, 16] and softplus(b) in [.001, .1] at the start, as in Mamba 2.
    """

    source = "Yang et al. 2024, arXiv 2412.06464"

    @property
    def forgets(self) -> bool:
        """It does."""
        return True


@dataclass(frozen=True)
class DeltaProduct(DeltaNet):
    """Several writes of the delta rule a place (Siems et al. 2025, arXiv 2502.10297): transitions of higher rank.

    Args:
      d_model, num_heads, form: as of DeltaNet.
      beta: "double" where products of reflections are meant, which any rotation is.
      num_steps: writes a place; 1 is DeltaNet.
      gated: decay and gate of GatedDeltaNet.
    """

    source = "Siems et al. 2025, arXiv 2502.10297"
    beta: Beta = "double"
    num_steps: int = 2
    gated: bool = False

    def __post_init__(self):
        super().__post_init__()
        if self.num_steps < 1:
            raise ValueError(f"num_steps: got {self.num_steps}, wanted at least 1")

    @property
    def writes(self) -> int:
        """Writes a place."""
        return self.num_steps

    @property
    def forgets(self) -> bool:
        """Whether the memory decays, and the readout is gated."""
        return self.gated


def init(config: DeltaNet, key: Key) -> Params:
    """The projections, the keys and values of each write side by side, and the maps to rates and decays."""
    N, M, D = config.num_heads, config.writes, config.width
    key_heads, key_beta, key_decay, key_a, key_step, key_more = jax.random.split(key, 6)
    params = init_heads(config, key_heads, gate=config.forgets)
    more = [init_heads(config, k, gate=False) for k in jax.random.split(key_more, M - 1)] if M > 1 else []
    for name in ("w_k", "w_v"):  # [D, M N, H], the writes of a place one after the other
        params[name] = jnp.concatenate([params[name], *(other[name] for other in more)], 1)
    params["w_beta"] = glorot_uniform(key_beta, D, M * N)
    params["b_beta"] = jnp.zeros(M * N)
    if config.forgets:
        start = jnp.exp(jax.random.uniform(key_step, (N,), minval=jnp.log(1e-3), maxval=jnp.log(0.1)))
        params["w_decay"] = glorot_uniform(key_decay, D, N)
        params["b_decay"] = start + jnp.log(-jnp.expm1(-start))  # softplus of it is start
        params["b_log_rate"] = jnp.log(jax.random.uniform(key_a, (N,), minval=1.0, maxval=16.0))
    return params


def mix(config: DeltaNet, params: Params, x: Array, memory: State, valid: Array | None) -> tuple[Array, State]:
    """[B, T, N, P] and the memory after x, whose padding is zero."""
    q, k, v = project_heads(params, x)
    q, k, v = _unit(jax.nn.silu(q)), _unit(jax.nn.silu(k)), jax.nn.silu(v)
    k, v = (y.reshape(*y.shape[:2], config.writes, config.num_heads, y.shape[-1]) for y in (k, v))
    beta, log_decay = _rates(config, params, x, valid)
    return delta_product(q, k, v, beta, log_decay=log_decay, initial=memory, form=config.form)


def inspect(config: DeltaNet, params: Params, x: Array, valid: Array | None = None) -> dict[str, Array]:
    """The writing rates [B, T, M, N], and what is kept at each place [B, T, N]; 0 and 1 at padding."""
    beta, log_decay = _rates(config, params, zero_padding(x, valid), valid)
    return {"beta": beta} | ({} if log_decay is None else {"decay": jnp.exp(log_decay)})


def _rates(config: DeltaNet, params: Params, x: Array, valid: Array | None) -> tuple[Array, Array | None]:
    """beta [B, T, M, N] and log decay [B, T, N] or None, both 0 at padding."""
    beta = jax.nn.sigmoid(per_head(params, "beta", x)) * (2 if config.beta == "double" else 1)
    beta = zero_padding(beta.reshape(*x.shape[:2], config.writes, config.num_heads), valid)
    if not config.forgets:
        return beta, None
    log_decay = -jnp.exp(params["b_log_rate"]) * jax.nn.softplus(per_head(params, "decay", x))
    return beta, zero_padding(log_decay, valid)


def _unit(x: Array) -> Array:
    """x at norm 1, [..., H], in x's dtype."""
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    return (wide * jax.lax.rsqrt(jnp.sum(jnp.square(wide), -1, keepdims=True) + _EPS)).astype(x.dtype)
