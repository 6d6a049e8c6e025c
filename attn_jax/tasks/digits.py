"""Digits: real images, read one pixel or one row after the other, and named at the last.

    inputs    p1 p2 ... p64            or  row1 row2 ... row8  (8 channels)
    targets    .  . ... digit               .    .  ... digit

Real data without a download: short enough for a laptop, and by rows or permuted the same images at another distance.
"""

from dataclasses import dataclass
from functools import cache, partial
from typing import Literal, TypeAlias, get_args

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Split, Task, TaskConfig, TaskSpec
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.sampling import check_max_length, first_places, split_key
from attn_jax.types import IO, Array, Batch, Key

Order: TypeAlias = Literal["sequential", "permuted", "rows"]

_NUM_PIXELS = 64
_SIDE = 8
_SPLITS: dict[Split, tuple[int, int]] = {"train": (0, 1077), "validation": (1077, 1437), "test": (1437, 1797)}


@dataclass(frozen=True)
class Digits(TaskConfig):
    """The 1797 images of 8 x 8 pixels that come with scikit-learn, as real numbers in [0, 1]; ten classes.

    The images are shuffled once, always in the same way, and cut into 1077 to train, 360 to validate and 360 to test;
    a batch draws from its split with replacement. The answer is asked at the last place only. Every sequence has 64
    pixels, or 8 rows. There is no threshold that counts as solved: models rank by their final score.

    Args:
      order: "sequential", one pixel a place, row by row from the top left; "permuted", in one fixed random order, which
        takes away what neighbouring pixels say about each other; or "rows", from the top, 8 pixels a place, which takes
        away most of the distance.

    Raises:
      ValueError: `order` is none of these.
    """

    order: Order = "sequential"

    def __post_init__(self):
        if self.order not in get_args(Order):
            raise ValueError(f"Digits: order is {self.order!r}, wanted one of {', '.join(map(repr, get_args(Order)))}")

    @property
    def num_places(self) -> int:
        """64 pixels or 8 rows, the only length there is."""
        return _SIDE if self.order == "rows" else _NUM_PIXELS

    def make(self) -> Task:
        """The task of this configuration; there is no oracle, the label is no function of the pixels."""
        return Task(partial(sample, self), partial(floors, self), None, spec(self))


def spec(config: Digits) -> TaskSpec:
    """What a study must know.

    >>> spec(Digits()).io
    IO(num_classes=10, vocab_size=None, channels=1, out_channels=None)
    """
    return TaskSpec(
        io=IO(num_classes=10, channels=_NUM_PIXELS // config.num_places),
        metric="accuracy",
        chance="uniform",
        best=1.0,
        threshold=None,
        train_lengths=(config.num_places, config.num_places),
        test_lengths=(config.num_places,),
        length_unit="rows" if config.order == "rows" else "pixels",
        lengths=partial(lengths, config),
        num_tokens=num_tokens,
        source="Alpaydin 1998, UCI optical recognition of handwritten digits: its test set",
        finite=True,
    )


def lengths(config: Digits, low: int, high: int) -> tuple[int, ...]:
    """64 pixels or 8 rows, the only length there is.

    Raises:
      ValueError: it does not lie between `low` and `high`.

    >>> lengths(Digits(), 1, 100)
    (64,)
    """
    only = config.num_places
    if not low <= only <= high:
        raise ValueError(f"lengths: got low={low}, high={high}, wanted a range that holds {only}, the only one")
    return (only,)


def num_tokens(length: int) -> int:
    """One place a pixel or row.

    >>> num_tokens(64)
    64
    """
    return length


def sample(
    config: Digits,
    key: Key,
    batch_size: int,
    length: int | Array,
    max_length: int,
    *,
    split: Split = "train",
) -> Batch:
    """Draws images of one split, with replacement.

    Args:
      config: the task.
      key: a typed key.
      batch_size: B.
      length: 64, or 8 rows; may be traced, and is then trusted.
      max_length: static, the same.
      split: picks the images.

    Returns:
      A batch of inputs [B, 64, 1] or [B, 8, 8] float32 in [0, 1] and targets [B, T] int32, the digit at the last
      place.

    Raises:
      ValueError: `max_length` is another length, or `split` is unknown.
      ImportError: scikit-learn is not installed.

    >>> sample(Digits(), jax.random.key(0), 2, 64, 64).inputs.shape
    (2, 64, 1)
    """
    check_max_length(max_length, smallest=config.num_places, largest=config.num_places)
    shape = (batch_size, max_length)
    stream = split_key(key, split)
    pixels, labels = _load(config.order)
    rows = jax.random.randint(stream, (batch_size,), *_SPLITS[split])
    scored = jnp.broadcast_to(jnp.arange(max_length) == max_length - 1, shape)
    return Batch(
        inputs=jnp.asarray(pixels)[rows].reshape(*shape, -1).astype(jnp.float32) / 16,
        targets=jnp.where(scored, jnp.asarray(labels)[rows][:, None], 0),
        weights=scored.astype(jnp.float32),
        scored=scored,
        valid=first_places(*shape, length),
    )


@cache
def _load(order: Order) -> tuple[np.ndarray, np.ndarray]:
    """(pixels [1797, 64] uint8 of 0 .. 16, labels [1797] int32), splits one after the other; read once a process."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError('the digits need scikit-learn: pip install "attn_jax[digits]"') from error
    images, labels = load_digits(return_X_y=True)
    # RandomState, not default_rng: NumPy promises that its stream never changes, so these splits never do.
    shuffled = np.random.RandomState(0).permutation(len(images))
    pixels = np.random.RandomState(1).permutation(_NUM_PIXELS) if order == "permuted" else np.arange(_NUM_PIXELS)
    return images[shuffled][:, pixels].astype(np.uint8), labels[shuffled].astype(np.int32)


def floors(config: Digits, length: int) -> dict[str, Floor]:
    """uniform: 1 / 10. majority: the commonest digit of the training split, counted in the test split.

    Args:
      config: the task.
      length: 64, or 8 rows.

    Returns:
      The floors by name; both hold for the test split.

    Raises:
      ValueError: `length` is another.
      ImportError: scikit-learn is not installed.

    >>> floors(Digits(), 64)["uniform"].metric
    0.1
    """
    lengths(config, length, length)
    _, labels = _load(config.order)
    majority = int(np.bincount(labels[slice(*_SPLITS["train"])]).argmax())
    share = float(np.mean(labels[slice(*_SPLITS["test"])] == majority))
    return {"uniform": uniform_floor(10), "majority": Floor(share, None, partial(_majority, majority))}


def _majority(digit: int, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Always `digit`."""
    return np.broadcast_to(np.eye(10)[digit], (*valid.shape, 10))
