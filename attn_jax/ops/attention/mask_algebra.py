"""What a mask is, and how masks combine with `&`, `|` and `~`; ops/attention/masks.py holds the masks themselves.

A mask is a pytree, so that lengths and offsets may be traced, and is called with index arrays that broadcast:
b (the flat index of the leading dimensions), h (query head), q (query position) and k (key position). It answers
elementwise, and small: a mask that depends on q and k alone never grows a batch axis.

Where its numbers are known while tracing, a mask also tells the intervals of keys that each query may see: attention
then skips blocks of which nothing is visible. Numbers passed as arguments into `jax.jit` are traced, those that the
function closes over are known.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from attn_jax.ops.arguments import array, lists_as_arrays
from attn_jax.ops.attention.int32 import LEAST, MOST, minus, narrow
from attn_jax.ops.attention.intervals import (
    BlockMap,
    Intervals,
    block_map,
    complement,
    intersect,
    static_integer,
    unite,
    unknown,
)
from attn_jax.pytrees import refuse_subclass, register_pytree
from attn_jax.types import Array

MaskFunction: TypeAlias = Callable[[ArrayLike, ArrayLike, ArrayLike, ArrayLike], ArrayLike]


@dataclass(frozen=True)
class Mask(ABC):
    """The base of every mask: bool, True = may attend.

    Subclass it as a frozen dataclass and write `__call__`; write `intervals` too where blocks are to be skipped, and
    `check_shapes` where a field has a shape. A subclass is a pytree as it stands: its fields are leaves, which may be
    traced, or static with `field(metadata={"static": True})`. (`jax.tree_util.register_dataclass` would let JAX take
    one class for another; on a mask it raises that the class is registered already.)

    Example:
      >>> from attn_jax.ops.attention.masks import Causal
      >>> (Causal() & ~Causal(offset=-2)).materialize(3, 3).astype(int).tolist()
      [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
      >>> (Causal() & (lambda b, h, q, k: k != 1)).materialize(3, 3).astype(int).tolist()
      [[1, 0, 0], [1, 0, 0], [1, 0, 1]]
    """

    __array_ufunc__ = None  # NumPy then leaves `array & mask` to us, who refuse it, instead of going elementwise

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        refuse_subclass(cls)
        register_pytree(cls)
        if "__call__" in vars(cls) and "intervals" not in vars(cls):  # its base's are of other pairs
            cls.intervals = Mask.intervals

    def __post_init__(self):
        lists_as_arrays(self)

    @abstractmethod
    def __call__(self, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """Whether query q of head h in batch row b may attend key k: bool, of a shape that broadcasts with theirs."""

    def __and__(self, other: "Mask | MaskFunction") -> "Mask":
        return And(self, _as_mask(other, "&"))

    def __rand__(self, other: "Mask | MaskFunction") -> "Mask":
        return And(_as_mask(other, "&"), self)

    def __or__(self, other: "Mask | MaskFunction") -> "Mask":
        return Or(self, _as_mask(other, "|"))

    def __ror__(self, other: "Mask | MaskFunction") -> "Mask":
        return Or(_as_mask(other, "|"), self)

    def __invert__(self) -> "Mask":
        return Not(self)

    def __bool__(self) -> bool:
        raise ValueError("the truth of a mask: got `and`, `or`, `not` or `if`, wanted the operators &, | and ~")

    def intervals(self, queries: np.ndarray, S: int) -> Intervals:
        """The keys in [0, S) that queries at these positions, int64 [T], may see; by default nothing is known."""
        return unknown(queries, S)

    def check_shapes(self, scores: tuple[int, ...]) -> None:
        """Raises a ValueError where a part of this mask does not fit scores of the shape [..., N, T, S]."""
        for part in (getattr(self, part.name) for part in fields(self)):
            if isinstance(part, Mask):
                part.check_shapes(scores)

    def materialize(self, T: int, S: int, *, b: ArrayLike = 0, h: ArrayLike = 0) -> Array:
        """The mask as an array, for one batch row and head: `out[t, s] = mask(b, h, t, s)`.

        Args:
          T, S: the numbers of queries and keys.
          b, h: int, or index arrays [..., 1, 1]: then the result is [..., T, S].

        Returns:
          bool [T, S].

        Example:
          >>> from attn_jax.ops.attention.masks import Lengths
          >>> Lengths(k=2).materialize(2, 3).astype(int).tolist()
          [[1, 1, 0], [1, 1, 0]]
        """
        shape = jnp.broadcast_shapes(jnp.shape(b), jnp.shape(h), (T, S))
        ones = (1,) * (len(shape) - 2)
        q, k = jnp.arange(T).reshape(*ones, T, 1), jnp.arange(S).reshape(*ones, 1, S)
        return jnp.broadcast_to(self(b, h, q, k), shape)

    def block_map(self, T: int, S: int, block_q: int, block_k: int, *, q_offset: ArrayLike | None = 0) -> BlockMap:
        """Which blocks of T x S scores are dead, live and full: `ops.attention.intervals.block_map` of this mask.

        Example:
          >>> from attn_jax.ops.attention.masks import SlidingWindow
          >>> SlidingWindow(1).block_map(6, 6, 2, 2).live.astype(int).tolist()
          [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
        """
        return block_map(self, T, S, block_q, block_k, q_offset=q_offset)


@dataclass(frozen=True)
class And(Mask):
    """Both: what `first & second` builds."""

    first: Mask
    second: Mask

    def __call__(self, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """`first and second`."""
        return self.first(b, h, q, k) & self.second(b, h, q, k)

    def intervals(self, queries: np.ndarray, S: int) -> Intervals:
        """The intersection: what either hides is hidden, even where nothing is known of the other."""
        return intersect(self.first.intervals(queries, S), self.second.intervals(queries, S), S)


@dataclass(frozen=True)
class Or(Mask):
    """Either: what `first | second` builds."""

    first: Mask
    second: Mask

    def __call__(self, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """`first or second`."""
        return self.first(b, h, q, k) | self.second(b, h, q, k)

    def intervals(self, queries: np.ndarray, S: int) -> Intervals:
        """The union."""
        return unite(self.first.intervals(queries, S), self.second.intervals(queries, S), S)


@dataclass(frozen=True)
class Not(Mask):
    """The complement: what `~mask` builds."""

    mask: Mask

    def __call__(self, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """`not mask`."""
        return ~self.mask(b, h, q, k)

    def intervals(self, queries: np.ndarray, S: int) -> Intervals:
        """The complement of an exact mask; of another nothing is known."""
        return complement(self.mask.intervals(queries, S), len(queries), S)


@dataclass(frozen=True)
class Shifted(Mask):
    """A mask that counts queries from `offset` on: `mask(b, h, q - offset, k)`.

    With the offset of query 0 it turns a mask of rows t, such as the lengths of queries, into one of positions.

    Args:
      mask: the mask of rows.
      offset: int, a traced scalar, or int [B]: the position of row 0.

    Example:
      >>> from attn_jax.ops.attention.masks import Lengths
      >>> Shifted(Lengths(q=1), 1).materialize(3, 2).astype(int).tolist()
      [[1, 1], [1, 1], [0, 0]]
    """

    mask: Mask
    offset: ArrayLike

    def __call__(self, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """`mask` at `q - offset`."""
        return self.mask(b, h, minus(q, per_batch(self.offset, b)), k)

    def intervals(self, queries: np.ndarray, S: int) -> Intervals:
        """Those of `mask`, where the offset is known."""
        offset = static_integer(self.offset)
        return unknown(queries, S) if offset is None else self.mask.intervals(np.clip(queries - offset, LEAST, MOST), S)

    def check_shapes(self, scores: tuple[int, ...]) -> None:
        """Offset: a scalar or [B]."""
        check_per_batch("Shifted.offset", self.offset, math.prod(scores[:-3]))
        self.mask.check_shapes(scores)


@dataclass(frozen=True)
class MaskFn(Mask):
    """A plain function as a mask: what `mask & function` and `mask | function` wrap.

    Args:
      function: (b, h, q, k) -> bool, elementwise on integer arrays that broadcast. It is static, a part of the
        program: to jit, another function object is another mask. What it captures gets gradients, and may be traced,
        where `attn_jax.dot_product_attention` receives it.

    Example:
      >>> MaskFn(lambda b, h, q, k: (q + k) % 2 == 0).materialize(2, 3).astype(int).tolist()
      [[1, 0, 1], [0, 1, 0]]
    """

    function: MaskFunction = field(metadata={"static": True})

    def __call__(self, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """What the function says, refused unless it is bool."""
        seen = jnp.asarray(self.function(b, h, q, k))
        if seen.dtype != bool:
            raise ValueError(f"mask function {self.function!r}: got dtype {seen.dtype} from it, wanted bool")
        return seen


def per_batch(number: ArrayLike, b: ArrayLike) -> ArrayLike:
    """A number of batch row b: `number` itself where it is a scalar, else `number[b]`."""
    return narrow(number) if jnp.ndim(number) == 0 else jnp.asarray(narrow(number))[b]


def check_per_batch(name: str, number: ArrayLike, batch_size: int) -> None:
    """Raises a ValueError unless `number` is integer, and a scalar or [B]: indexing would clamp and say nothing.

    Numbers that an int32 does not hold are refused where they are known; traced ones count as the nearest it holds.
    """
    check_held(name, number)
    shape, dtype = (found := array(name, number, "integers")).shape, found.dtype
    if shape not in ((), (batch_size,)) or not jnp.issubdtype(dtype, jnp.integer):
        raise ValueError(f"{name}: got {dtype}{list(shape)}, wanted an integer scalar or integers [B] = [{batch_size}]")


def check_held(name: str, numbers: ArrayLike) -> None:
    """Raises a ValueError where some of these integers are known not to fit into an int32."""
    if isinstance(numbers, Tracer) or (isinstance(numbers, jax.Array) and numbers.dtype == jnp.int32):
        return
    try:
        held = np.asarray(numbers)
    except ValueError:  # no array: for others to name
        return
    whole = held.dtype.kind in "iu" or all(isinstance(number, int) for number in held.flat)
    if whole and held.size and not LEAST <= held.min() <= held.max() <= MOST:
        raise ValueError(f"{name}: got {held.min()} to {held.max()}, wanted integers that an int32 holds")


def _as_mask(other: "Mask | MaskFunction", operator: str) -> Mask:
    """`other` as a mask: functions are wrapped, arrays refused."""
    if isinstance(other, Mask):
        return other
    if callable(other):
        return MaskFn(other)
    raise ValueError(
        f"mask {operator} other: got {type(other).__name__} as other, wanted a Mask or a function of (b, h, q, k); "
        "an array becomes a mask as Dense(array)"
    )
