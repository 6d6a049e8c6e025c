"""What every form of attention receives: arguments checked once, with masks by rule brought into one."""

import math
from functools import reduce
from operator import and_
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from attn_jax.ops.masks import Causal, Lengths, Mask, check_per_batch
from attn_jax.types import Array

LAYOUT = "did you pass [B, N, T, H]? wanted query [..., T, N, H], key [..., S, K, H], value [..., S, K, Hv]"


class Inputs(NamedTuple):
    """Checked arguments of attention. Scores have the shape [..., N, T, S]; bias and allowed have that rank."""

    query: Array  # [..., T, N, H]
    key: Array  # [..., S, K, H]
    value: Array | None  # [..., S, K, Hv]; None where only weights are asked for
    bias: Array | None  # [... | 1, N | 1, T | 1, S | 1]
    allowed: Array | None  # bool, the same: the mask that came as an array
    rule: Mask | None  # the mask that came as a Mask, is_causal and the lengths
    q_offset: ArrayLike  # the position of query 0: a scalar or [B]
    scale: ArrayLike
    soft_cap: ArrayLike | None
    precision: jax.lax.PrecisionLike

    @property
    def lead(self) -> tuple[int, ...]:
        """The leading dimensions; B is their product."""
        return self.query.shape[:-3]

    @property
    def batch_size(self) -> int:
        """B, the number of batch rows."""
        return math.prod(self.lead)

    @property
    def heads(self) -> int:
        """N."""
        return self.query.shape[-2]

    @property
    def kv_heads(self) -> int:
        """K."""
        return self.key.shape[-2]

    @property
    def groups(self) -> int:
        """G = N // K."""
        return self.heads // self.kv_heads

    @property
    def accumulator(self) -> jnp.dtype:
        """float32, or float64 where an input is."""
        arrays = [x for x in (self.query, self.key, self.value) if x is not None]
        return jnp.result_type(jnp.float32, *arrays)


def check_inputs(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike | None,
    bias: ArrayLike | None,
    mask: ArrayLike | Mask | None,
    *,
    scale: ArrayLike | None,
    is_causal: bool,
    query_seq_lengths: ArrayLike | None,
    key_value_seq_lengths: ArrayLike | None,
    q_offset: ArrayLike,
    logits_soft_cap: ArrayLike | None,
    precision: jax.lax.PrecisionLike,
    **unsupported: object,
) -> Inputs:
    """The arguments of attention in the form that every path reads, or an error that names the argument."""
    refuse_unsupported(unsupported)
    query, key = _floating("query", query), _floating("key", key)
    value = None if value is None else _floating("value", value)
    _check_shapes(query, key, value)
    lead = query.shape[:-3]
    scores = (*lead, query.shape[-2], query.shape[-3], key.shape[-3])
    check_per_batch("q_offset", q_offset, math.prod(lead))
    allowed, rule = _split_mask(mask, scores)
    causal = Causal() if is_causal else None
    lengths = _lengths(query_seq_lengths, key_value_seq_lengths, q_offset, lead)
    rules = [r for r in (rule, causal, lengths) if r is not None]
    return Inputs(
        query=query,
        key=key,
        value=value,
        bias=None if bias is None else _to_rank("bias", _floating("bias", bias), scores),
        allowed=allowed,
        rule=reduce(and_, rules) if rules else None,
        q_offset=q_offset,
        scale=query.shape[-1] ** -0.5 if scale is None else _scalar("scale", scale),
        soft_cap=None if logits_soft_cap is None else _positive("logits_soft_cap", logits_soft_cap),
        precision=precision,
    )


# Arguments of the final signature that no path computes yet: name -> (the value that asks for nothing, what to do).
_UNSUPPORTED: dict[str, tuple[object, str]] = {
    "local_window_size": (None, "pass the window as `Causal(right) & ~Causal(-left - 1)` in mask"),
    "segment_ids": (None, "pass `ids_q[..., None, :, None] == ids_k[..., None, None, :]` as mask"),
    "sinks": (None, "multiply the output by `sigmoid(lse - sinks)`, with return_lse=True"),
    "score_mod": (None, "pass what it adds to the scores as bias, or what it masks as mask"),
    "dropout_rate": (0.0, "leave it 0; no path drops weights yet"),
    "dropout_key": (None, "leave it out; no path drops weights yet"),
    "block_sizes": (None, "leave it out: the dense path has no blocks"),
}


def refuse_unsupported(arguments: dict[str, object]) -> None:
    """Raises a NotImplementedError for an argument that asks for what no path computes yet."""
    for name, got in arguments.items():
        neutral, instead = _UNSUPPORTED[name]
        asks = got is not None if neutral is None else isinstance(got, Tracer) or got != neutral
        if asks:
            raise NotImplementedError(f"{name}: got {_brief(got)}, this version wants {neutral}: {instead}")


def _brief(got: object) -> str:
    """A value, or the dtype and shape of an array, for a message."""
    return f"{got.dtype}{list(got.shape)}" if isinstance(got, (jax.Array, np.ndarray)) else repr(got)


def _floating(name: str, x: ArrayLike) -> Array:
    """`x` as an array of floats, or a ValueError."""
    x = jnp.asarray(x)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"{name}: got dtype {x.dtype}, wanted a floating dtype such as float32 or bfloat16")
    return x


def _check_shapes(query: Array, key: Array, value: Array | None) -> None:
    """The layout of contract point 1; its message holds both shapes of a mismatch."""
    named = {"query": query, "key": key} | ({} if value is None else {"value": value})
    for name, x in named.items():
        if x.ndim < 3 or x.ndim != query.ndim:
            raise ValueError(
                f"{name}: got rank {x.ndim} {x.shape}, query {query.shape}: wanted one rank >= 3; {LAYOUT}"
            )
        if x.shape[:-3] != query.shape[:-3]:
            raise ValueError(
                f"{name}: got leading dimensions {x.shape[:-3]}, wanted query's {query.shape[:-3]}; {LAYOUT}"
            )
    if key.shape[-1] != query.shape[-1] or query.shape[-1] == 0:
        raise ValueError(
            f"key: got head size H = {key.shape[-1]}, query {query.shape[-1]}: wanted one H >= 1; {LAYOUT}"
        )
    if key.shape[-2] == 0 or query.shape[-2] % key.shape[-2]:
        raise ValueError(f"key: got K = {key.shape[-2]} heads, wanted a divisor of N = {query.shape[-2]}; {LAYOUT}")
    if value is not None and value.shape[-3:-1] != key.shape[-3:-1]:
        raise ValueError(f"value: got [S, K] = {value.shape[-3:-1]}, wanted key's {key.shape[-3:-1]}; {LAYOUT}")


def _to_rank(name: str, x: Array, scores: tuple[int, ...]) -> Array:
    """`x` with leading ones up to the rank of the scores, or a ValueError where it does not broadcast to them."""
    fits = x.ndim <= len(scores) and all(a in (1, b) for a, b in zip(x.shape[::-1], scores[::-1], strict=False))
    if not fits:
        raise ValueError(
            f"{name}: got shape {x.shape}, wanted one that broadcasts to [..., N, T, S] = {scores}; {LAYOUT}"
        )
    return x.reshape((1,) * (len(scores) - x.ndim) + x.shape)


def _split_mask(mask: ArrayLike | Mask | None, scores: tuple[int, ...]) -> tuple[Array | None, Mask | None]:
    """A mask as (array, rule): one of them, or none."""
    if mask is None:
        return None, None
    if isinstance(mask, Mask):
        mask.check_batch(math.prod(scores[:-3]))
        return None, mask
    if callable(mask):
        raise ValueError(f"mask: got the function {mask!r}, wanted a bool array or a Mask such as Causal()")
    allowed = jnp.asarray(mask)
    if allowed.dtype != bool:
        raise ValueError(
            f"mask: got dtype {allowed.dtype}, wanted bool (True = may attend); what is added goes into bias"
        )
    return _to_rank("mask", allowed, scores), None


def _lengths(
    query_lengths: ArrayLike | None, key_lengths: ArrayLike | None, q_offset: ArrayLike, lead: tuple[int, ...]
) -> Mask | None:
    """Both arguments as one mask. query_seq_lengths counts rows, a mask sees positions: hence q_offset is added."""
    if query_lengths is None and key_lengths is None:
        return None
    flat = {}
    for name, x in (("query_seq_lengths", query_lengths), ("key_value_seq_lengths", key_lengths)):
        if x is not None:
            x = jnp.asarray(x)
            x = x.astype(jnp.promote_types(x.dtype, jnp.int32))  # a narrow integer would wrap
            flat[name] = x.reshape(-1) if lead and x.shape == lead else x
            check_per_batch(name, flat[name], math.prod(lead))
    rows = flat.get("query_seq_lengths")
    return Lengths(None if rows is None else rows + jnp.asarray(q_offset), flat.get("key_value_seq_lengths"))


def _scalar(name: str, x: ArrayLike) -> ArrayLike:
    """`x`, refused unless it is one number."""
    if jnp.ndim(x):
        raise ValueError(f"{name}: got shape {jnp.shape(x)}, wanted a scalar")
    return x


def _positive(name: str, x: ArrayLike) -> ArrayLike:
    """`x`, refused unless it is one positive number; a traced one is trusted."""
    _scalar(name, x)
    if not isinstance(x, Tracer) and not np.all(np.greater(x, 0)):
        raise ValueError(f"{name}: got {x}, wanted a number > 0, or None for no cap")
    return x
