"""Score modifications: elementwise functions of a score and of its place, pytrees whose arrays are differentiated.

A modification is called as `mod(score, b, h, q, k)` with the score after scale and bias, and with index arrays that
broadcast: b (the flat index of the leading dimensions), h (query head), q (query position) and k (key position). It
answers in the score's dtype. A score of -inf masks its pair. A new modification is a class here. (Compared by identity,
`eq=False`, as arrays have no hash and JAX asks for that of every function that it traces.)
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from attn_jax.ops.arguments import array, lists_as_arrays
from attn_jax.ops.attention.int32 import distance, minus
from attn_jax.ops.positions import check_buckets, relative_buckets
from attn_jax.pytrees import refuse_subclass, register_pytree
from attn_jax.types import Array, Params

ScoreFunction: TypeAlias = Callable[[Array, ArrayLike, ArrayLike, ArrayLike, ArrayLike], Array]


@dataclass(frozen=True, eq=False)
class ScoreModification(ABC):
    """The base of every score modification.

    Subclass it as a dataclass, frozen and without eq, and write `__call__`. A subclass is a pytree as it stands, like
    one of `attn_jax.Mask`.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        refuse_subclass(cls)
        register_pytree(cls)

    def __post_init__(self):
        lists_as_arrays(self)

    @abstractmethod
    def __call__(self, score: Array, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """The score that query q of head h in batch row b gives key k instead, in the score's dtype."""

    def check(self, num_heads: int) -> None:  # noqa: B027  most hold nothing that could be wrong
        """Raises a ValueError that names a part that does not serve `num_heads` query heads."""


@dataclass(frozen=True, eq=False)
class ALiBi(ScoreModification):
    """Attention with linear biases: `score - slopes[h] * |q - k|`.

    The paper is causal and writes `score - slopes[h] * (q - k)` for k <= q, which is the same; keys after the query,
    where a mask lets them be seen, are punished by their distance too. (The paper's code adds `slopes[h] * k`, which
    under the softmax of a causal row is the same again.)

    Args:
      slopes: floating [N], one a query head: `alibi_slopes(N)`, or learned.

    Example:
      >>> score, places = jnp.zeros((1, 1, 3)), (0, 0, 1, jnp.arange(3).reshape(1, 1, 3))
      >>> ALiBi(jnp.array([2.0]))(score, *places).tolist()
      [[[-2.0, 0.0, -2.0]]]

    Reference: Press, Smith & Lewis 2021, arXiv:2108.12409, section 3.
    """

    slopes: ArrayLike

    def __call__(self, score: Array, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """`score - slopes[h] * |q - k|`; a head without a slope is NaN."""
        slopes = jnp.asarray(self.slopes, score.dtype)
        far = distance(q, k).astype(score.dtype)
        return score - slopes.at[h].get(mode="fill", fill_value=jnp.nan) * far

    def check(self, num_heads: int) -> None:
        """Slopes: floating [N]."""
        shape, dtype = (found := array("ALiBi.slopes", self.slopes, "floats [N]")).shape, found.dtype
        if shape != (num_heads,) or not jnp.issubdtype(dtype, jnp.floating):
            raise ValueError(f"ALiBi.slopes: got {dtype}{list(shape)}, wanted floats [N] = [{num_heads}]")


@dataclass(frozen=True, eq=False)
class RelativeBias(ScoreModification):
    """A learned bias for each head and each range of distances: `score + table[bucket(k - q), h]`.

    T5 gives it to attention without a scale: pass `scale=1.0` to be T5.

    Args:
      table: floating [num_buckets, N].
      bidirectional: keys before and after the query have buckets of their own; False: all keys after it share bucket 0.
      max_distance: from here on all distances share the last bucket.

    Example:
      >>> score, places = jnp.zeros((1, 1, 3)), (0, 0, 1, jnp.arange(3).reshape(1, 1, 3))
      >>> RelativeBias(jnp.arange(4.0)[:, None], max_distance=4)(score, *places).tolist()
      [[[1.0, 0.0, 3.0]]]

    Reference: Raffel et al. 2019, arXiv:1910.10683, section 2.1.
    """

    table: ArrayLike
    bidirectional: bool = field(default=True, metadata={"static": True})
    max_distance: int = field(default=128, metadata={"static": True})

    def __call__(self, score: Array, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """`score + table[bucket(k - q), h]`; a head without a column is NaN."""
        table = jnp.asarray(self.table, score.dtype)
        bucket = relative_buckets(
            minus(k, q),
            num_buckets=table.shape[0],
            max_distance=self.max_distance,
            bidirectional=self.bidirectional,
        )
        return score + _read_table(table, bucket, jnp.asarray(h))

    def check(self, num_heads: int) -> None:
        """Table: floating [num_buckets, N], of buckets that can be told apart."""
        shape, dtype = (found := array("RelativeBias.table", self.table, "floats [num_buckets, N]")).shape, found.dtype
        if len(shape) != 2 or shape[1] != num_heads or not jnp.issubdtype(dtype, jnp.floating):
            raise ValueError(
                f"RelativeBias.table: got {dtype}{list(shape)}, wanted floats [num_buckets, N] = [..., {num_heads}]"
            )
        check_buckets(shape[0], self.max_distance, bidirectional=self.bidirectional)


@dataclass(frozen=True, eq=False)
class SoftCap(ScoreModification):
    """Keeps scores within (-cap, cap): `cap * tanh(score / cap)`. A masked pair, of score -inf, stays masked.

    Args:
      cap: a scalar > 0; a traced one is trusted.

    Example:
      >>> SoftCap(2.0)(jnp.array([-jnp.inf, 0.0, 1e9]), 0, 0, 0, 0).tolist()
      [-inf, 0.0, 2.0]

    Reference: Gemma team 2024, arXiv:2408.00118, section 2.
    """

    cap: ArrayLike

    def __call__(self, score: Array, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """`cap * tanh(score / cap)`."""
        self._check_cap()
        cap = jnp.asarray(self.cap, score.dtype)
        masked = score == -jnp.inf  # tanh would make it finite, and its derivative by the cap NaN
        return jnp.where(masked, -jnp.inf, cap * jnp.tanh(jnp.where(masked, 0, score) / cap))

    def check(self, num_heads: int) -> None:
        """Cap: a scalar > 0."""
        self._check_cap()

    def _check_cap(self) -> None:
        """Not when the object is made: JAX also makes trees that hold axes and specs where the cap was."""
        if (found := array("SoftCap.cap", self.cap, "a number > 0")).ndim:
            raise ValueError(f"SoftCap.cap: got shape {found.shape}, wanted a scalar")
        if not isinstance(self.cap, Tracer) and not np.greater(self.cap, 0):
            raise ValueError(f"SoftCap.cap: got {self.cap}, wanted a number > 0")


@dataclass(frozen=True, eq=False)
class ScoreMod(ScoreModification):
    """A function of your own with its parameters named: `f(params, score, b, h, q, k)`.

    The parameters may be traced, batched and differentiated, and do not retrace when they change.

    Args:
      f: elementwise; outside jit it means what it means at the call, and equal functions share a compiled program.
      params: any pytree of arrays.

    Example:
      >>> ScoreMod(lambda weight, score, b, h, q, k: score + weight * h, 3.0)(jnp.zeros(()), 0, 2, 0, 0).item()
      6.0

    Reference: Dong et al. 2024, arXiv:2412.05496, section 3 (FlexAttention's score_mod).
    """

    f: Callable[..., Array] = field(metadata={"static": True})
    params: Params = None

    def __call__(self, score: Array, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """`f(params, score, b, h, q, k)`."""
        return self.f(self.params, score, b, h, q, k)


@dataclass(frozen=True, eq=False)
class Composed(ScoreModification):
    """One after the other: what `compose` builds of modifications."""

    mods: tuple[ScoreModification, ...]

    def __call__(self, score: Array, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """The last of the mods applied to what those before it made of the score."""
        return _in_order(self.mods, score, b, h, q, k)

    def check(self, num_heads: int) -> None:
        """Each of the mods."""
        for mod in self.mods:
            mod.check(num_heads)


def compose(*mods: ScoreFunction) -> ScoreFunction:
    """Several modifications as one, the leftmost applied first: `compose(f, g)(s, ...) = g(f(s, ...), ...)`.

    Args:
      mods: modifications, or plain functions (score, b, h, q, k) -> score; none at all leave scores as they are.

    Returns:
      A ScoreModification where all of them are; else a plain function, which attention takes as well.

    Raises:
      ValueError: one of them cannot be called.

    Example:
      >>> capped = compose(lambda score, b, h, q, k: score + 9.0, SoftCap(1.0))
      >>> raised = compose(SoftCap(1.0), lambda score, b, h, q, k: score + 9.0)
      >>> [round(mod(jnp.array(9.0), 0, 0, 0, 0).item()) for mod in (capped, raised)]
      [1, 10]
    """
    for place, mod in enumerate(mods):
        if not callable(mod):
            raise ValueError(
                f"compose: got {type(mod).__name__} as mods[{place}], wanted a ScoreModification or a function "
                "(score, b, h, q, k) -> score"
            )
    named = tuple(mod for mod in mods if isinstance(mod, ScoreModification))
    return Composed(named) if len(named) == len(mods) else partial(_in_order, mods)


def _in_order(
    mods: tuple[ScoreFunction, ...], score: Array, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike
) -> Array:
    """The score after each of the mods in turn."""
    for mod in mods:
        score = mod(score, b, h, q, k)
    return score


def _read_table(table: Array, bucket: Array, h: Array) -> Array:
    """`table[bucket, h]`; NaN where there is no such head.

    Where heads vary along an axis of their own, as they do in every path, whole rows of heads are read: on a CPU the
    gradient, a scatter, then takes 2.3 ns a score instead of 6.1 (measured).
    """
    axes = [axis for axis, size in enumerate(h.shape) if size != 1] or [0]
    own = h.ndim == bucket.ndim > 0 and len(axes) == 1 and bucket.shape[axes[0]] == 1
    if not own:
        return table.at[bucket, h].get(mode="fill", fill_value=jnp.nan)
    rows = table.at[:, h.reshape(-1)].get(mode="fill", fill_value=jnp.nan)[bucket]
    return jnp.swapaxes(rows, axes[0], -1)[..., 0]
