"""Attention by cuDNN's fused kernel, through `jax.nn.dot_product_attention(implementation="cudnn")`: NVIDIA GPUs only.

What the kernel takes: causality from the top left, with a window to the left, lengths of queries and keys, and one bias
of T x S, as which a mask that came as an array is passed. All else raises. Padding is cleaned before and rows that see
nothing are set after the kernel, whose own answers there are others than the contract's.
"""

from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from jax.core import Tracer

from attn_jax.ops.attention.fused import (
    batch_rows,
    least,
    on_platform,
    parts,
    refuse_shared,
    row_lengths,
    where_seen,
    without_gradient,
    without_padding,
)
from attn_jax.ops.attention.inputs import Inputs
from attn_jax.ops.attention.intervals import static_integer
from attn_jax.ops.attention.masks import Causal, Dense, Lengths, SlidingWindow
from attn_jax.ops.layout import to_rank
from attn_jax.types import Array

_AS_ARRAY = "as an array cuDNN takes any mask, at the cost of T x S numbers: Dense(mask.materialize(T, S))"


class _Hidden(NamedTuple):
    """All that hides pairs, in the kernel's terms: row t sees keys t - left <= s <= t + right within the lengths."""

    left: int | None
    right: int | None
    rows: Array | None  # int32 [B]
    keys: Array | None  # int32 [B]
    visible: Array | None  # bool [B | 1, N | 1, T, S]


def cudnn_attention(x: Inputs) -> tuple[Array, Array]:
    """(out, lse) by cuDNN's kernel, or a ValueError that names what it cannot do."""
    reason = why_not(x)
    if reason is not None:
        raise ValueError(reason)
    return _attention(x)


def why_not(x: Inputs) -> str | None:
    """Why cuDNN cannot compute this, as a message that names the argument, or None; the platform is not looked at.

    JAX is asked last: it knows which head sizes the GPU and the cuDNN of this machine take, and whether there is one.
    """
    try:
        _refuse(x)
        _hidden(x)
    except ValueError as error:
        return str(error)
    try:
        jax.eval_shape(partial(_attention, x))
    except (NotImplementedError, RuntimeError, ValueError) as error:
        return f"implementation: got 'cudnn', which JAX {jax.__version__} refuses here: {error}"
    return None


def _attention(x: Inputs) -> tuple[Array, Array]:
    """The call of the kernel, with batch rows on one axis."""
    hidden = _hidden(x)
    query, key, value = batch_rows(x)
    bias = _bias(x, hidden)
    out, lse = jax.nn.dot_product_attention(
        on_platform(without_padding(query, hidden.rows), "cuda", "cudnn"),
        without_padding(key, hidden.keys),
        without_padding(value, hidden.keys),
        bias,
        scale=float(cast(Any, x.scale)),
        is_causal=hidden.right is not None,
        query_seq_lengths=hidden.rows,
        key_value_seq_lengths=hidden.keys,
        local_window_size=None if hidden.left is None else (hidden.left, 0),
        implementation="cudnn",
        return_residual=True,
    )
    lse = without_gradient(lse.astype(x.accumulator), "cudnn")
    out, lse = where_seen(_seen(x, hidden), out.astype(x.accumulator), lse)
    return out.reshape(*x.lead, *out.shape[1:]), lse.reshape(*x.lead, *lse.shape[1:])


def _refuse(x: Inputs) -> None:
    """Raises a ValueError for arguments, other than masks, that the kernel has no form of."""
    refuse_shared(x, "cudnn", ("bfloat16", "float16"))
    wanted = "wanted what the cudnn kernel computes"
    H, Hv = (a.shape[-1] for a in batch_rows(x)[1:])
    if H % 8 or H > 256:
        raise ValueError(f"query: got head size H = {H}, {wanted}: a multiple of 8, at most 128 (256 from Hopper on)")
    if Hv != H:
        raise ValueError(f"value: got head size Hv = {Hv}, {wanted}: query's, {H}")
    if isinstance(x.scale, Tracer):
        raise ValueError(f"scale: got a traced number, {wanted}: a Python number")
    if x.soft_cap is not None:
        raise ValueError(f"logits_soft_cap: got {x.soft_cap}, {wanted}: None")
    if x.bias is not None and x.bias.dtype != x.query.dtype:
        raise ValueError(f"bias: got {x.bias.dtype}, {wanted}: query's {x.query.dtype}, in which cuDNN reads it")


def _hidden(x: Inputs) -> _Hidden:
    """The mask of `x` in the kernel's terms, or a ValueError that names the part it cannot do."""
    T, S = x.lengths
    left, right, rows, keys, visible = None, None, None, None, None
    for part in parts(x.mask, x.q_offset):
        match part.mask:
            case Causal() | SlidingWindow() as mask:
                before, after = _reach(mask, part.shift)
                left, right = _nearer(left, before), _nearer(right, after)
            case Lengths():
                limits = row_lengths(part.mask, part.shift, x.batch_size, (T, S))
                rows, keys = least(rows, limits[0]), least(keys, limits[1])
            case Dense():
                array = _array(x, part.mask)
                visible = array if visible is None else visible & array
            case other:
                raise ValueError(
                    f"mask: got {type(other).__name__}, wanted Causal, SlidingWindow, Lengths or Dense, joined by &; "
                    f"{_AS_ARRAY}"
                )
    left = None if left is None or left >= T - 1 else left
    right = None if right is None or right >= S - 1 else right
    if right not in (None, 0) or (left is not None and (right is None or left < 0)):
        raise ValueError(
            f"mask: got keys s - t in [{'-inf' if left is None else -left}, {'inf' if right is None else right}] "
            "(is_causal, local_window_size, q_offset and Causal's offset together), wanted the cudnn kernel's, "
            f"[-left, 0] or [-inf, 0] with left >= 0; {_AS_ARRAY}"
        )
    return _Hidden(left, right, rows, keys, visible)


def _reach(mask: Causal | SlidingWindow, shift: int | None) -> tuple[int | None, int | None]:
    """How far before and after row t a mask of positions t + shift lets it see, None for no limit."""
    if shift is None:
        raise ValueError(f"q_offset: got one that is traced or [B], wanted an int for cudnn; {_AS_ARRAY}")
    if isinstance(mask, SlidingWindow):
        return None if mask.left is None else mask.left - shift, None if mask.right is None else mask.right + shift
    offset = static_integer(mask.offset)
    if offset is None:
        raise ValueError(f"mask: got Causal with an offset that is traced or [B], wanted an int for cudnn; {_AS_ARRAY}")
    return None, offset + shift


def _nearer(first: int | None, second: int | None) -> int | None:
    """The tighter of two limits, None for none."""
    return min((x for x in (first, second) if x is not None), default=None)


def _array(x: Inputs, mask: Dense) -> Array:
    """A mask that is an array, as bool [B | 1, N | 1, T, S]."""
    T, S = x.lengths
    return _four(x, to_rank("mask", jnp.asarray(mask.array), (*x.lead, x.heads, T, S)))


def _four(x: Inputs, array: Array) -> Array:
    """An array of the scores' rank as [B | 1, N | 1, T, S]: the kernel wants T and S whole."""
    lead = array.shape[:-3]
    B = x.batch_size if any(size > 1 for size in lead) else 1
    whole = jnp.broadcast_to(array, (*(x.lead if B > 1 else lead), array.shape[-3], *x.lengths))
    return whole.reshape(B, *whole.shape[-3:])


def _shown(x: Inputs, hidden: _Hidden) -> Array | None:
    """The pairs that neither an array nor a bias of -inf hides, bool [B | 1, N | 1, T, S]; None where there is none."""
    shown = None if x.bias is None else _four(x, x.bias) != -jnp.inf
    if shown is None or hidden.visible is None:
        return hidden.visible if shown is None else shown
    return shown & hidden.visible


def _bias(x: Inputs, hidden: _Hidden) -> Array | None:
    """Bias and mask in one array: a number that no score reaches, but finite, where a pair is hidden."""
    shown = _shown(x, hidden)
    if shown is None:
        return None
    lowest = -(2.0**41) if x.query.dtype == jnp.bfloat16 else -(2.0**15)  # those of jax.nn
    bias = jnp.zeros((), x.query.dtype) if x.bias is None else _four(x, x.bias)
    return jnp.where(shown, bias, jnp.asarray(lowest, x.query.dtype))


def _seen(x: Inputs, hidden: _Hidden) -> Array | None:
    """Which rows see any key, bool [B | 1, T, N | 1], or None where all do."""
    T, S = x.lengths
    shown = _shown(x, hidden)
    if shown is None and hidden.rows is None and hidden.keys is None and (hidden.left is None or T <= S):
        return None
    first = jnp.maximum(jnp.arange(T) - (T if hidden.left is None else hidden.left), 0)
    end = jnp.full(1, S) if hidden.keys is None else hidden.keys  # causality hides no row's first key
    if shown is None:
        seen = (first < end[:, None])[:, None]
    else:
        s, last = jnp.arange(S), jnp.full(T, S) if hidden.right is None else jnp.arange(T)
        inside = (first[:, None] <= s) & (s <= last[:, None])
        seen = (shown & inside & (s < end[:, None, None, None])).any(-1)
    if hidden.rows is not None:
        seen = seen & (jnp.arange(T) < hidden.rows[:, None])[:, None]
    return jnp.swapaxes(seen, 1, 2)
