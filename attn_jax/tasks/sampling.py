"""What the samplers of all tasks share: the stream of a split, the mask of the places in use, the allowed lengths."""

from typing import get_args

import jax
import jax.numpy as jnp

from attn_jax.tasks.base import Split
from attn_jax.types import Array, Key


def split_key(key: Key, split: Split) -> Key:
    """The key of one split: three streams that share nothing.

    Args:
      key: a typed key.
      split: "train", "validation" or "test".

    Returns:
      `fold_in(key, i)`, i the place of `split` in `Split`.

    Raises:
      ValueError: `split` is none of the three.

    >>> split_key(jax.random.key(0), "test").shape
    ()
    """
    splits = get_args(Split)
    if split not in splits:
        raise ValueError(f"split: got {split!r}, wanted one of {', '.join(splits)}")
    return jax.random.fold_in(key, splits.index(split))


def first_places(batch_size: int, num_places: int, end: int | Array) -> Array:
    """[B, T] bool, True at the first `end` places of every row; `end` may be traced.

    >>> first_places(1, 4, 3).tolist()
    [[True, True, True, False]]
    """
    return jnp.broadcast_to(jnp.arange(num_places) < end, (batch_size, num_places))


def length_range(
    low: int, high: int, *, smallest: int = 1, largest: int | None = None, step: int = 1
) -> tuple[int, ...]:
    """The lengths from `low` to `high`, both included, that a task allows.

    Args:
      low, high: what is asked for.
      smallest, largest: what the task allows; `largest` None where nothing bounds it.
      step: the distance of allowed lengths, counted from `smallest`: 2 from 1 are the odd ones.

    Returns:
      The allowed lengths, ascending.

    Raises:
      ValueError: the range is empty, leaves what is allowed, or holds no allowed length.

    >>> length_range(2, 5)
    (2, 3, 4, 5)
    >>> length_range(2, 5, step=2)
    (3, 5)
    """
    if not smallest <= low <= high or (largest is not None and high > largest):
        bound = "" if largest is None else f" <= {largest}"
        raise ValueError(f"lengths: got low={low}, high={high}, wanted {smallest} <= low <= high{bound}")
    allowed = tuple(range(low + (smallest - low) % step, high + 1, step))
    if not allowed:
        raise ValueError(
            f"lengths: got low={low}, high={high}, wanted a range with one of {smallest}, "
            f"{smallest + step}, {smallest + 2 * step} ..."
        )
    return allowed
