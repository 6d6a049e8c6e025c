"""Our attention under flax's calling convention: the `attention_fn` of its linen and nnx modules.

linen passes what the signature of an attention_fn names and drops the rest without a word; hence every name of flax's
own two functions stands in this one, the ones that cannot be honoured included: those raise.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from attn_jax.ops.arguments import array, flag, random_key, share
from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.masks import Dense, Mask, MaskFn
from attn_jax.types import Array, Key


def attention_fn(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    bias: ArrayLike | None = None,
    mask: ArrayLike | Mask | Callable[..., Array] | None = None,
    broadcast_dropout: bool = True,
    dropout_rng: Key | None = None,
    dropout_rate: float = 0.0,
    deterministic: bool = False,
    dtype: DTypeLike | None = None,
    precision: jax.lax.PrecisionLike = None,
    module: Any = None,
    force_fp32_for_softmax: bool = False,
    einsum_dot_general: Callable[..., Array] | None = None,
    qk_attn_weights_einsum: Callable[..., Array] | None = None,
    attn_weights_value_einsum: Callable[..., Array] | None = None,
    promote_dtype: Callable[..., Any] | None = None,
    is_causal: bool = False,
    *,
    attention: Callable[..., Any] = dot_product_attention,
) -> Array:
    """`dot_product_attention` as `nn.MultiHeadDotProductAttention` and `nnx.MultiHeadAttention` call it.

    The formula is flax's, `softmax(query . key / sqrt(H) + bias, where mask) value`, with two differences: a row that
    may attend nothing is 0 (flax: the mean of all values), and the softmax is in float32 at least, asked for or not.
    Dtypes, of what is sown too, are flax's.

    Args:
      query: [..., T, N, H].
      key: [..., S, K, H] with N % K == 0.
      value: [..., S, K, Hv].
      bias: broadcastable to [..., N, T, S], added to the scores.
      mask: broadcastable to [..., N, T, S], True or not 0 = may attend, as flax's mask makers write it; or a `Mask`
        or a function (b, h, q, k) -> bool, which flax's modules hand through.
      broadcast_dropout: True, flax's default: one pattern [T, S] is dropped in all batch rows and heads; False: every
        head and batch row drops weights of its own. The bits are ours, not flax's.
      dropout_rng: a key, typed or raw, wanted where dropout is active.
      dropout_rate: the probability that a weight is dropped.
      deterministic: True switches dropout off.
      dtype: what query, key and value are brought to, and the output's dtype; None means their common one, float32 for
        integers.
      precision: of both matrix products.
      module: flax's, passed with `sow_weights=True`: the weights [..., N, T, S] before dropout are sown into it as
        `attention_weights`. They are what `attention` makes of the identity matrix, S / Hv times its work.
      force_fp32_for_softmax: the output, and the weights that are sown, are float32 where they would be bfloat16 or
        float16; the softmax always is.
      einsum_dot_general, qk_attn_weights_einsum, attn_weights_value_einsum: wanted None: blocks have no such products.
      promote_dtype: nnx's function ((query, key, value), dtype=dtype) -> the three in one dtype.
      is_causal: query t sees keys s <= t.
      attention: (query, key, value, **options) -> [..., T, N, Hv]. Bind its own options with functools.partial: a
        mask bound there holds together with the one above, any other option may be given in one place only.

    Returns:
      [..., T, N, Hv].

    Raises:
      ValueError: dropout is active without a key, an einsum is given, or an option is both given and bound.

    Example:
      >>> import flax.linen as nn
      >>> from attn_jax.ops.attention.masks import SlidingWindow
      >>> windowed = partial(attention_fn, attention=partial(dot_product_attention, mask=SlidingWindow(2)))
      >>> layer = nn.MultiHeadDotProductAttention(num_heads=2, attention_fn=windowed)
      >>> layer.init_with_output(jax.random.key(0), jnp.ones((1, 5, 4)))[0].shape
      (1, 5, 4)
    """
    _refuse_products(
        einsum_dot_general=einsum_dot_general,
        qk_attn_weights_einsum=qk_attn_weights_einsum,
        attn_weights_value_einsum=attn_weights_value_einsum,
    )
    given = array("query", query), array("key", key), array("value", value)
    q, k, v = (promote_dtype or _promote)(given, dtype=dtype)
    attend = _bind(
        attention, bias=bias, mask=_as_bool(mask), precision=precision, is_causal=flag("is_causal", is_causal) or None
    )
    weights_dtype = jnp.float32 if force_fp32_for_softmax else q.dtype
    if force_fp32_for_softmax:  # the output has the query's dtype
        q = q.astype(jnp.promote_types(q.dtype, jnp.float32))
    if module is not None:
        _sow_weights(module, attend, q, k, weights_dtype)
    if not flag("deterministic", deterministic) and share("dropout_rate", dropout_rate) > 0:
        same = {"broadcast_dropout": True} if flag("broadcast_dropout", broadcast_dropout) else {}
        attend = _bind(attend, **dropout_options(dropout_rate, _dropout_key(dropout_rng)), **same)
    return attend(q, k, v)


def dropout_options(rate: float, rng: Key) -> dict[str, Any]:
    """What an attention is given in order to drop weights; the streams of flax may give raw keys, which are wrapped."""
    typed = jnp.issubdtype(rng.dtype, jax.dtypes.prng_key)
    return {"dropout_rate": rate, "dropout_key": rng if typed else jax.random.wrap_key_data(rng)}


def _dropout_key(rng: Key | None) -> Key:
    """The key of active dropout."""
    if rng is None:
        raise ValueError("dropout_rng: got None, wanted a key: dropout_rate > 0 and not deterministic")
    return random_key("dropout_rng", rng)


def _refuse_products(**given: object) -> None:
    """Raises where flax hands over a product of its own, which no path of ours would call."""
    for name, product in given.items():
        if product is not None:
            raise ValueError(f"{name}: got {product!r}, wanted None: scores and values are multiplied inside attention")


def _promote(arrays: tuple[Array, ...], *, dtype: DTypeLike | None) -> Any:  # as many arrays
    """All arrays in `dtype`, or in the one they have in common, a floating one."""
    if dtype is None:
        common = jnp.result_type(*arrays)
        dtype = common if jnp.issubdtype(common, jnp.inexact) else jnp.promote_types(common, jnp.float32)
    return [x.astype(dtype) for x in arrays]


def _as_bool(mask: Any) -> Any:
    """flax's masks are 0 and 1 of any dtype; a `Mask` or a function stays what it is."""
    return mask if mask is None or isinstance(mask, Mask) or callable(mask) else array("mask", mask).astype(bool)


def _bind(attention: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """`attention` with the options that are not None, none of which may replace one that is bound already."""
    bound = attention.keywords if isinstance(attention, partial) else {}
    given = {name: option for name, option in options.items() if option is not None}
    for name in given.keys() & bound.keys():
        if name == "mask":
            given[name] = _both(bound[name], given[name])
        elif bound[name] is not None:
            raise ValueError(f"{name}: got one from the module and one bound to attention, wanted it in one place")
    return partial(attention, **given)


def _both(first: Any, second: Any) -> Any:
    """The mask that allows what both allow."""
    if first is None:
        return second
    return _as_rule(first) & _as_rule(second)


def _as_rule(mask: Any) -> Mask:
    """A mask of any kind as a `Mask`."""
    if isinstance(mask, Mask):
        return mask
    return MaskFn(cast(Callable[..., Array], mask)) if callable(mask) else Dense(jnp.asarray(mask))


def _sow_weights(module: Any, attend: Callable[..., Any], query: Array, key: Array, dtype: DTypeLike) -> None:
    """Sows the weights [..., N, T, S]: what comes out where the values are the identity."""
    from flax import nnx

    S = key.shape[-3]
    identity = jnp.broadcast_to(jnp.eye(S, dtype=key.dtype)[:, None], (*key.shape[:-1], S))
    weights = jnp.moveaxis(attend(query, key, identity), -2, -3).astype(dtype)
    module.sow(nnx.Intermediate if isinstance(module, nnx.Module) else "intermediates", "attention_weights", weights)
