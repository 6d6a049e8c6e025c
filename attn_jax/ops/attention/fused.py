"""What the paths of fused kernels share: the parts of a mask, the platform, and results without a derivative.

A fused kernel knows some masks and no others, so its path takes the one mask of `Inputs` apart again. A kernel runs on
one platform, which is known when a program is lowered and not before: `on_platform` refuses every other one there, so
that the kernel's name runs or raises, and a program can still be exported for a platform that this machine lacks.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.typing import ArrayLike

from attn_jax.ops.attention.inputs import Inputs
from attn_jax.ops.attention.intervals import static_integer
from attn_jax.ops.attention.masks import And, Lengths, Mask, Shifted
from attn_jax.types import Array


class Part(NamedTuple):
    """One of the masks that all must allow a pair; row t is its query t + shift (None: not known at trace time)."""

    mask: Mask
    shift: int | None


def parts(mask: Mask | None, q_offset: ArrayLike) -> list[Part]:
    """The masks that `mask` is the `And` of."""
    if mask is None:
        return []
    if isinstance(mask, And):
        return parts(mask.first, q_offset) + parts(mask.second, q_offset)
    if isinstance(mask, Shifted):
        first, offset = static_integer(q_offset), static_integer(mask.offset)
        known = None if first is None or offset is None else first - offset
        return [Part(mask.mask, 0 if mask.offset is q_offset else known)]
    return [Part(mask, static_integer(q_offset))]


def row_lengths(mask: Lengths, shift: int | None, batch_size: int, sizes: tuple[int, int]) -> tuple:
    """How many rows and keys a mask of lengths leaves, int32 [B] each or None; rows is a ValueError where unknown."""
    if mask.q is not None and shift is None:
        raise ValueError("q_offset: got one that is traced or [B], wanted an int where Lengths(q) is part of the mask")
    limits = []
    for length, first, size in ((mask.q, shift or 0, sizes[0]), (mask.k, 0, sizes[1])):
        limit = None if length is None else jnp.clip(jnp.asarray(length) - first, 0, size)
        limits.append(None if limit is None else jnp.broadcast_to(limit, (batch_size,)).astype(jnp.int32))
    return tuple(limits)


def least(first: Array | None, second: Array | None) -> Array | None:
    """The smaller of two limits, None for no limit."""
    limits = [x for x in (first, second) if x is not None]
    return jnp.minimum(*limits) if len(limits) == 2 else (limits[0] if limits else None)


def without_padding(x: Array, length: Array | None) -> Array:
    """`x` [B, T, N, H] with 0 from `length` [B] on: NaN in padding reaches neither a result nor a gradient."""
    if length is None:
        return x
    return jnp.where((jnp.arange(x.shape[1]) < length[:, None])[..., None, None], x, 0)


def where_seen(seen: Array | None, out: Array, lse: Array) -> tuple[Array, Array]:
    """Rows that see nothing as the contract has them, out 0 and lse -inf; `seen` is [B, T, N], of ones or whole."""
    if seen is None:
        return out, lse
    return jnp.where(seen[..., None], out, 0), jnp.where(seen, lse, -jnp.inf)


def batch_rows(x: Inputs) -> tuple[Array, Array, Array]:
    """Query, key and value with their leading dimensions as one, [B, T | S, N | K, H | Hv]."""
    assert x.value is not None, "only attention_weights has no values, and it has one path"
    query, key, value = (a.reshape(x.batch_size, *a.shape[-3:]) for a in (x.query, x.key, x.value))
    return query, key, value


def refuse_shared(x: Inputs, name: str, dtypes: tuple[str, ...]) -> None:
    """Raises a ValueError for what neither kernel computes."""
    wanted = f"wanted what the {name} kernel computes"
    if x.empty or (x.value is not None and x.value.size == 0):
        raise ValueError(f"query, key: got shapes {x.query.shape}, {x.key.shape}, {wanted}: no axis of size 0")
    for argument, array in zip(("query", "key", "value"), batch_rows(x), strict=True):
        if array.dtype != x.query.dtype or array.dtype.name not in dtypes:
            raise ValueError(f"{argument}: got {array.dtype}, {wanted}: one of {', '.join(dtypes)}, the same for all")
    if x.scales is not None:
        raise ValueError(f"scale: got shape {x.scales.shape}, {wanted}: a scalar")
    if x.score_mod is not None:
        raise ValueError(f"score_mod: got {type(x.score_mod).__name__}, {wanted}: None")
    if x.dropout_words is not None:
        raise ValueError(f"dropout_rate: got {x.dropout_rate}, {wanted}: 0, since its random bits are others")
    if x.block_sizes is not None:
        raise ValueError(f"block_sizes: got {x.block_sizes}, {wanted}: None")
    if x.precision is not None:
        raise ValueError(f"precision: got {x.precision!r}, {wanted}: None")


def on_platform(x: Array, platform: str, name: str) -> Array:
    """`x`, in a program that can be lowered for `platform` ("cuda", "tpu") only, on account of kernel `name`."""
    return _on_platform.bind(x, platform=platform, name=name)


def without_gradient(lse: Array, name: str) -> Array:
    """`lse`, an error where a gradient flows through it: the kernels' derivatives leave it out and say nothing."""
    return _forward_only(lse, name)


def _lower(ctx, x, *, platform: str, name: str):
    """The identity, or a ValueError."""
    platforms = tuple(ctx.platforms or ctx.module_context.platforms)
    if platforms != (platform,):
        raise ValueError(
            f"implementation: got {name!r} in a program for {', '.join(platforms)}, wanted one for {platform} alone: "
            "run it there, or export it with jax.export and platforms=[...]"
        )
    return [x]


_on_platform = Primitive("attn_jax_on_platform")
_on_platform.def_impl(jax.jit(on_platform, static_argnames=("platform", "name")))
_on_platform.def_abstract_eval(lambda x, **_: x)
mlir.register_lowering(_on_platform, _lower)
ad.deflinear2(_on_platform, lambda cotangent, x, **_: [cotangent])
batching.defvectorized(_on_platform)


def _identity_forward(lse, name: str) -> tuple[Array, None]:
    """The rule's forward half: nothing is kept."""
    return lse.value, None


def _refuse_backward(name: str, kept: None, cotangent: Array) -> tuple[Array]:
    """The rule's backward half, called where some gradient comes in."""
    raise ValueError(
        f"implementation: got {name!r} and a gradient through lse (return_lse, sinks or merge_attention), wanted none: "
        f"the {name} kernel differentiates its output alone; take 'blockwise' or 'dense'"
    )


def _same(lse: Array, name: str) -> Array:
    """The identity."""
    return lse


_forward_only = jax.custom_vjp(_same, nondiff_argnums=(1,))
_forward_only.defvjp(_identity_forward, _refuse_backward, symbolic_zeros=True)
