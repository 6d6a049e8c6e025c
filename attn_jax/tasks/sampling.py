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
    low: int, high: int, *, smallest: int = 1, largest: int | None = None, step: int = 1, beyond: str = ""
) -> tuple[int, ...]:
    """The lengths from `low` to `high`, both included, that a task allows.

    Args:
      low, high: what is asked for.
      smallest, largest: what the task allows; `largest` None where nothing bounds it. Where they are the same, any
        range that holds it will do.
      step: the distance of allowed lengths, counted from `smallest`: 2 from 1 are the odd ones.
      beyond: what to do for lengths beyond `largest`, for the message.

    Returns:
      The allowed lengths, ascending.

    Raises:
      ValueError: the range is empty, leaves what is allowed, or holds no allowed length.

    >>> length_range(2, 5)
    (2, 3, 4, 5)
    >>> length_range(2, 5, step=2)
    (3, 5)
    """
    if smallest == largest:
        if low <= smallest <= high:
            return (smallest,)
        raise ValueError(f"lengths: got low={low}, high={high}, wanted a range that holds {smallest}, the only one")
    if not smallest <= low <= high or (largest is not None and high > largest):
        bound = "" if largest is None else f" <= {largest}"
        mend = f"; {beyond}" if beyond and largest is not None and high > largest else ""
        raise ValueError(f"lengths: got low={low}, high={high}, wanted {smallest} <= low <= high{bound}{mend}")
    allowed = tuple(range(low + (smallest - low) % step, high + 1, step))
    if not allowed:
        raise ValueError(
            f"lengths: got low={low}, high={high}, wanted a range with one of {smallest}, "
            f"{smallest + step}, {smallest + 2 * step} ..."
        )
    return allowed


def check_max_length(
    max_length: int, *, smallest: int = 1, largest: int | None = None, step: int = 1, beyond: str = ""
) -> None:
    """Refuses a `max_length` that `length_range` with the same bounds does not allow.

    Args:
      max_length: what `sample` was given.
      smallest, largest, step, beyond: as in `length_range`.

    Raises:
      ValueError: it is not an allowed length.

    >>> check_max_length(5, smallest=3, step=2)
    """
    if smallest <= max_length and (largest is None or max_length <= largest) and (max_length - smallest) % step == 0:
        return
    wanted = f"at least {smallest}" if largest is None else f"{smallest} to {largest}"
    wanted = f"{smallest}, the only one" if smallest == largest else wanted
    steps = f", in steps of {step}" if step > 1 else ""
    mend = f"; {beyond}" if beyond and largest is not None and max_length > largest else ""
    raise ValueError(f"max_length: got {max_length}, wanted {wanted}{steps}{mend}")


def check_train_lengths(
    config: str, train_lengths: tuple[int, int], *, smallest: int, largest: int | None = None, because: str = ""
) -> None:
    """Refuses a configuration whose own training lengths its task does not allow.

    Args:
      config: the name of its class.
      train_lengths: the shortest and the longest.
      smallest, largest: what the task allows; `largest` None where nothing bounds it.
      because: the other settings that decide it, for the message.

    Raises:
      ValueError: they leave what is allowed, or descend.

    >>> check_train_lengths("MQAR", (6, 6), smallest=2, largest=31)
    """
    low, high = train_lengths
    if not smallest <= low <= high or (largest is not None and high > largest):
        bound = "" if largest is None else f" <= {largest}"
        mend = f": {because}" if because else ""
        raise ValueError(
            f"{config}: train_lengths are {tuple(train_lengths)}, wanted {smallest} <= low <= high{bound}{mend}"
        )
