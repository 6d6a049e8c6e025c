"""The words that every layer shares: array and parameter types, batches, and THE dimension legend.

Letters, as in `jax.nn`, used in every shape of this package:

    B batch            T query (or token) length   S key length
    N query heads      K key/value heads           G = N // K, queries per key/value head
    H head size        D model width               F feed-forward width
    V vocabulary       L layers                    P value or state size
    C chunk or channels                            R runs (seed x learning rate)

Layouts: query `[..., T, N, H]`, key `[..., S, K, H]`, value `[..., S, K, Hv]`. Masks are bool, True = may attend.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

Array: TypeAlias = jax.Array
Key: TypeAlias = jax.Array  # a typed key, `jax.random.key(0)`
Params: TypeAlias = Any  # a nested dict of arrays
State: TypeAlias = Any  # a pytree of arrays, [B, ...] each: a hidden state or a key/value cache


class Batch(NamedTuple):
    """Sequences and what is to be said about them; `targets[t]` is the answer after reading `inputs[..t]`."""

    inputs: Array  # [B, T] int32 tokens, or [B, T, C] float32 channels
    targets: Array  # [B, T] int32 classes, or [B, T, C] float32 values
    weights: Array  # [B, T] float32: the weight of each place in the loss
    scored: Array  # [B, T] bool: the places that count in the metric
    valid: Array  # [B, T] bool, a prefix of each row: False is padding

    @classmethod
    def of(cls, inputs: Array, targets: Array, scored: Array, valid: Array, *, trained: Array | None = None) -> "Batch":
        """The batch with 0 wherever nothing is read, or nothing trained.

        Args:
          inputs, targets: as above, anything where they do not count.
          scored, valid: as above; places beyond `valid` are not scored.
          trained: [B, T] bool, the places of weight 1, within `valid`; None: those that are scored.

        Returns:
          The batch.

        >>> valid, scored = jnp.array([[True, True, False]]), jnp.array([[False, True, False]])
        >>> batch = Batch.of(jnp.array([[7, 8, 9]]), jnp.array([[4, 5, 6]]), scored, valid)
        >>> batch.inputs.tolist(), batch.targets.tolist(), batch.weights.tolist()
        ([[7, 8, 0]], [[0, 5, 0]], [[0.0, 1.0, 0.0]])
        """
        trained = scored if trained is None else trained
        return cls(_kept(inputs, valid), _kept(targets, trained), trained.astype(jnp.float32), scored, valid)


def _kept(values: Array, where: Array) -> Array:
    """`values` [B, T] or [B, T, C] at the places `where` [B, T], 0 elsewhere."""
    return jnp.where(where if values.ndim == 2 else where[..., None], values, 0)


class StringBatch(NamedTuple):
    """Questions and answers as two strings of one vocabulary, whose last two ids are BOS and EOS."""

    source: Array  # [B, S] int32
    source_valid: Array  # [B, S] bool, a prefix of each row
    target_in: Array  # [B, T] int32: BOS, then the target but for its last token
    target: Array  # [B, T] int32: the answer, EOS, then 0
    target_valid: Array  # [B, T] bool: the answer and its EOS


@dataclass(frozen=True)
class IO:
    """What goes into a model and what comes out: tokens or channels in, classes or channels out.

    Args:
      num_classes: the number of classes of each output, or None where `out_channels` real numbers are asked for.
      vocab_size: the number of input tokens, or None where the input is `channels` real numbers a place.
      channels: the number of input channels, or None where the input is a token.
      out_channels: the number of real numbers of each output, or None where it is a class.
    """

    num_classes: int | None = None
    vocab_size: int | None = None
    channels: int | None = None
    out_channels: int | None = None

    def __post_init__(self):
        for one, other in (("vocab_size", "channels"), ("num_classes", "out_channels")):
            a, b = getattr(self, one), getattr(self, other)
            if (a is None) == (b is None):
                raise ValueError(f"IO wants one of {one} and {other}, got {one}={a}, {other}={b}")

    @property
    def outputs(self) -> int:
        """The width of a model's output: logits of `num_classes` classes, or `out_channels` values."""
        return self.num_classes or self.out_channels or 0
