"""Similarities of one query with every key of a database, each a function `similarity(query, keys) -> [S]`.

Those with parameters get them by `functools.partial`, and are then as good as any: `attend` takes them all, and yours.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from attn_jax.ops.arguments import array, floats, random_key, takes, whole
from attn_jax.types import Array, Key, Params

Similarity: TypeAlias = Callable[[Array, Array], Array]  # (query [H], keys [S, H]) -> [S]

_vector = partial(floats, rank=1, letters="one query [H]; for many, jax.vmap over them")
_matrix = partial(floats, rank=2, letters="[S, H]")
_of_vectors = takes(query=_vector, keys=_matrix)
_size = partial(whole, least=1)


@_of_vectors
def dot_product(query: Array, keys: Array) -> Array:
    """The dot product of the query with every key: `query . key_s`.

    Args:
      query: [H].
      keys: [S, H].

    Returns:
      [S].

    Raises:
      ValueError: query and keys differ in H.

    Example:
      >>> dot_product(jnp.array([1.0, 2.0]), jnp.array([[1.0, 0.0], [1.0, 1.0]])).tolist()
      [1.0, 3.0]

    Reference: Luong, Pham & Manning 2015, arXiv:1508.04025, section 3.1 ("dot").
    """
    _check_same_size(query, keys)
    return keys @ query


@_of_vectors
def scaled_dot_product(query: Array, keys: Array) -> Array:
    """The dot product over the root of its length: `query . key_s / sqrt(H)`.

    Of independent entries of variance 1 it has variance 1 whatever H is, so that the softmax does not saturate.

    Args:
      query: [H].
      keys: [S, H].

    Returns:
      [S].

    Raises:
      ValueError: query and keys differ in H.

    Example:
      >>> scaled_dot_product(jnp.ones(4), jnp.ones((3, 4))).tolist()
      [2.0, 2.0, 2.0]

    Reference: Vaswani et al. 2017, arXiv:1706.03762, equation 1 and its footnote 4.
    """
    return dot_product(query, keys) * query.shape[-1] ** -0.5


@takes(query=_vector, keys=_matrix, weights=floats)
def bilinear(query: Array, keys: Array, *, weights: Array) -> Array:
    """The dot product after a learned map, between spaces of any two sizes: `query^T W key_s`.

    Args:
      query: [Hq].
      keys: [S, Hk].
      weights: W [Hq, Hk], of `init_bilinear`: `functools.partial(bilinear, weights=W)` is a similarity.

    Returns:
      [S].

    Raises:
      ValueError: weights have another shape.

    Example:
      >>> bilinear(jnp.array([1.0, 2.0]), jnp.array([[3.0], [4.0]]), weights=jnp.array([[1.0], [10.0]])).tolist()
      [63.0, 84.0]

    Reference: Luong, Pham & Manning 2015, arXiv:1508.04025, section 3.1 ("general").
    """
    _check_parameter("weights", weights, (query.shape[-1], keys.shape[-1]), "[Hq, Hk]")
    return keys @ (query @ weights)


@takes(query=_vector, keys=_matrix, w_q=floats, w_k=floats, v=floats)
def additive(query: Array, keys: Array, *, w_q: Array, w_k: Array, v: Array) -> Array:
    """A small network with one hidden layer: `v . tanh(query W_q + key_s W_k)`.

    Args:
      query: [Hq].
      keys: [S, Hk].
      w_q: [Hq, A].
      w_k: [Hk, A].
      v: [A]; all three of `init_additive`: `functools.partial(additive, **params)` is a similarity.

    Returns:
      [S].

    Raises:
      ValueError: v, w_q or w_k has another shape; the message names it.

    Example:
      >>> one = jnp.ones((1, 1))
      >>> additive(jnp.array([2.0]), jnp.array([[-2.0], [98.0]]), w_q=one, w_k=one, v=jnp.array([3.0])).tolist()
      [0.0, 3.0]

    Reference: Bahdanau, Cho & Bengio 2014, arXiv:1409.0473, appendix A.1.2.
    """
    hidden = v.shape[-1] if v.ndim else 1
    _check_parameter("v", v, (hidden,), "[A]")
    _check_parameter("w_q", w_q, (query.shape[-1], hidden), "[Hq, A]")
    _check_parameter("w_k", w_k, (keys.shape[-1], hidden), "[Hk, A]")
    return jnp.tanh((query @ w_q)[None] + keys @ w_k) @ v


@takes(query=_vector, keys=_matrix, strength=array)
def cosine(query: Array, keys: Array, *, strength: ArrayLike = 1.0) -> Array:
    """The cosine of the angle between the query and every key: `strength * query . key_s / (|query| |key_s|)`.

    A vector of zeros has no direction: its similarity is 0, and so is its gradient.

    Args:
      query: [H].
      keys: [S, H].
      strength: a scalar that sharpens the softmax, as cosines lie within [-1, 1].

    Returns:
      [S].

    Raises:
      ValueError: query and keys differ in H.

    Example:
      >>> cosine(jnp.array([2.0, 0.0]), jnp.array([[5.0, 0.0], [0.0, 3.0], [-1.0, 0.0], [0.0, 0.0]])).tolist()
      [1.0, 0.0, -1.0, 0.0]

    Reference: Graves, Wayne & Danihelka 2014, arXiv:1410.5401, equations 5 and 6.
    """
    _check_same_size(query, keys)
    return jnp.multiply(strength, directions(keys) @ directions(query))


@takes(key=random_key, query_size=_size, key_size=_size)
def init_bilinear(key: Key, query_size: int, key_size: int) -> Params:
    """Parameters of `bilinear`, Glorot uniform: U(-a, a) with a = sqrt(6 / (Hq + Hk)).

    Args:
      key: a key.
      query_size: Hq.
      key_size: Hk.

    Returns:
      {"weights": [Hq, Hk]}, float32.

    Raises:
      ValueError: a size is not a positive integer.

    Example:
      >>> init_bilinear(jax.random.key(0), 2, 3)["weights"].shape
      (2, 3)

    Reference: Glorot & Bengio 2010, equation 16.
    """
    return {"weights": _glorot(key, (query_size, key_size))}


@takes(key=random_key, query_size=_size, key_size=_size, hidden_size=_size)
def init_additive(key: Key, query_size: int, key_size: int, hidden_size: int) -> Params:
    """Parameters of `additive`, each matrix Glorot uniform by its own fans; v is a matrix [A, 1].

    Args:
      key: a key.
      query_size: Hq.
      key_size: Hk.
      hidden_size: A.

    Returns:
      {"w_q": [Hq, A], "w_k": [Hk, A], "v": [A]}, float32.

    Raises:
      ValueError: a size is not a positive integer.

    Example:
      >>> {name: w.shape for name, w in init_additive(jax.random.key(0), 2, 3, 5).items()}
      {'w_q': (2, 5), 'w_k': (3, 5), 'v': (5,)}

    Reference: Glorot & Bengio 2010, equation 16.
    """
    for_q, for_k, for_v = jax.random.split(key, 3)
    w_q, w_k = _glorot(for_q, (query_size, hidden_size)), _glorot(for_k, (key_size, hidden_size))
    return {"w_q": w_q, "w_k": w_k, "v": _glorot(for_v, (hidden_size, 1))[:, 0]}


def directions(x: Array) -> Array:
    """Vectors [..., H] of length 1, and zeros for zeros.

    Divided by the largest entry first: squares neither overflow nor vanish. That entry is a constant to the derivative,
    as a direction does not depend on it.
    """
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(x), axis=-1, keepdims=True, initial=0))
    nothing = largest < jnp.finfo(x.dtype).tiny
    x = jnp.where(nothing, 0, x / jnp.where(nothing, 1, largest))
    return x * jax.lax.rsqrt(jnp.where(nothing, 1, jnp.sum(x * x, axis=-1, keepdims=True)))


def _glorot(key: Key, shape: tuple[int, int]) -> Array:
    """U(-a, a), a = sqrt(6 / (fan in + fan out))."""
    limit = (6 / sum(shape)) ** 0.5
    return jax.random.uniform(key, shape, jnp.float32, minval=-limit, maxval=limit)


def _check_same_size(query: Array, keys: Array) -> None:
    """Raises a ValueError unless query and keys are of one size H >= 1."""
    if query.shape[-1] != keys.shape[-1] or keys.shape[-1] == 0:
        raise ValueError(f"keys: got H = {keys.shape[-1]}, query {query.shape[-1]}: wanted one H >= 1")


def _check_parameter(name: str, got: Array, shape: tuple[int, ...], letters: str) -> None:
    """Raises a ValueError that names a parameter of another shape."""
    if got.shape != shape:
        raise ValueError(f"{name}: got shape {got.shape}, wanted {letters} = {shape}")
