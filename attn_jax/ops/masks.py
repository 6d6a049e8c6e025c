"""Masks as functions of places: which query may attend which key, combined with `&`, `|` and `~`.

A mask is a pytree, so that lengths and offsets may be traced, and is called with index arrays that broadcast:
b (the flat index of the leading dimensions), h (query head), q (query position) and k (key position). It answers
elementwise, and small: a mask that depends on q and k alone never grows a batch axis. A new mask is a class here.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from attn_jax.types import Array


@dataclass(frozen=True)
class Mask(ABC):
    """The base of every mask: bool, True = may attend.

    Subclass it as a frozen dataclass registered with `jax.tree_util.register_dataclass` and write `__call__`.

    Example:
      >>> (Causal() & ~Causal(offset=-2)).materialize(3, 3).astype(int).tolist()
      [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    """

    @abstractmethod
    def __call__(self, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """Whether query q of head h in batch row b may attend key k: bool, of a shape that broadcasts with theirs."""

    def __and__(self, other: "Mask") -> "Mask":
        return And(self, _as_mask(other, "&"))

    def __or__(self, other: "Mask") -> "Mask":
        return Or(self, _as_mask(other, "|"))

    def __invert__(self) -> "Mask":
        return Not(self)

    def check_batch(self, batch_size: int) -> None:
        """Raises a ValueError where a part of this mask holds one number a batch row and not `batch_size` of them."""
        for field in fields(self):
            part = getattr(self, field.name)
            if isinstance(part, Mask):
                part.check_batch(batch_size)

    def materialize(self, T: int, S: int, *, b: ArrayLike = 0, h: ArrayLike = 0) -> Array:
        """The mask as an array, for one batch row and head: `out[t, s] = mask(b, h, t, s)`.

        Args:
          T, S: the numbers of queries and keys.
          b, h: int, or index arrays [..., 1, 1]: then the result is [..., T, S].

        Returns:
          bool [T, S].

        Example:
          >>> Lengths(k=2).materialize(2, 3).astype(int).tolist()
          [[1, 1, 0], [1, 1, 0]]
        """
        shape = jnp.broadcast_shapes(jnp.shape(b), jnp.shape(h), (T, S))
        ones = (1,) * (len(shape) - 2)
        q, k = jnp.arange(T).reshape(*ones, T, 1), jnp.arange(S).reshape(*ones, 1, S)
        return jnp.broadcast_to(self(b, h, q, k), shape)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class And(Mask):
    """Both: what `first & second` builds."""

    first: Mask
    second: Mask

    def __call__(self, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """`first and second`."""
        return self.first(b, h, q, k) & self.second(b, h, q, k)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Or(Mask):
    """Either: what `first | second` builds."""

    first: Mask
    second: Mask

    def __call__(self, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """`first or second`."""
        return self.first(b, h, q, k) | self.second(b, h, q, k)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Not(Mask):
    """The complement: what `~mask` builds."""

    mask: Mask

    def __call__(self, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """`not mask`."""
        return ~self.mask(b, h, q, k)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Causal(Mask):
    """No look ahead: `k <= q + offset`, counted from the top left, so that query 0 sees key 0.

    Args:
      offset: int, a traced scalar, or int [B]: how many further keys every query sees.

    Example:
      >>> Causal().materialize(2, 3).astype(int).tolist()
      [[1, 0, 0], [1, 1, 0]]
      >>> Causal(offset=1).materialize(2, 3).astype(int).tolist()
      [[1, 1, 0], [1, 1, 1]]

    Reference: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.3.
    """

    offset: ArrayLike = 0

    def __call__(self, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """`k <= q + offset`."""
        return jnp.less_equal(k, q + per_batch(self.offset, b))

    def check_batch(self, batch_size: int) -> None:
        """Offset: a scalar or [B]."""
        check_per_batch("Causal.offset", self.offset, batch_size)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Lengths(Mask):
    """Padding on the right: `q < self.q and k < self.k`, where None bounds nothing.

    Args:
      q: int, a traced scalar, or int [B]: how many queries are real.
      k: the same for keys.

    Example:
      >>> Lengths(q=1, k=2).materialize(2, 3).astype(int).tolist()
      [[1, 1, 0], [0, 0, 0]]
    """

    q: ArrayLike | None = None
    k: ArrayLike | None = None

    def __call__(self, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """`q < self.q and k < self.k`."""
        inside = jnp.asarray(True)
        if self.q is not None:
            inside = inside & jnp.less(q, per_batch(self.q, b))
        if self.k is not None:
            inside = inside & jnp.less(k, per_batch(self.k, b))
        return inside

    def check_batch(self, batch_size: int) -> None:
        """Each of q and k: None, a scalar or [B]."""
        for name, length in (("Lengths.q", self.q), ("Lengths.k", self.k)):
            if length is not None:
                check_per_batch(name, length, batch_size)


def per_batch(number: ArrayLike, b: ArrayLike) -> ArrayLike:
    """A number of batch row b: `number` itself where it is a scalar, else `number[b]`."""
    return number if jnp.ndim(number) == 0 else jnp.asarray(number)[b]


def check_per_batch(name: str, number: ArrayLike, batch_size: int) -> None:
    """Raises a ValueError unless `number` is integer, and a scalar or [B]: indexing would clamp and say nothing."""
    shape, dtype = jnp.shape(number), jnp.result_type(number)
    if shape not in ((), (batch_size,)) or not jnp.issubdtype(dtype, jnp.integer):
        raise ValueError(f"{name}: got {dtype}{list(shape)}, wanted an integer scalar or integers [B] = [{batch_size}]")


def _as_mask(other: object, operator: str) -> Mask:
    """`other`, refused unless it is a mask."""
    if not isinstance(other, Mask):
        raise ValueError(
            f"mask {operator} other: got {type(other).__name__} as other, wanted a Mask; "
            "for an array, combine it with mask.materialize(T, S)"
        )
    return other
