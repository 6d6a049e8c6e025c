"""Digits: real images, read one pixel or one row after the other, and named at the last.

    inputs    p1 p2 ... p64            or  row1 row2 ... row8  (8 channels)
    targets    .  . ... digit               .    .  ... digit

Real data without a download: short enough for a laptop, and by rows or permuted the same images at another distance.
"""

from dataclasses import dataclass
from functools import cache, partial
from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Split, Task, TaskConfig
from attn_jax.tasks.fields import check_one_of
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.make_task import make_task, one_answer
from attn_jax.tasks.sampling import first_places
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
        check_one_of(self, "order")

    @property
    def num_places(self) -> int:
        """64 pixels or 8 rows, the only length there is."""
        return _SIDE if self.order == "rows" else _NUM_PIXELS

    def make(self) -> Task:
        """The task of this configuration; there is no oracle, the label is no function of the pixels."""
        return make_task(
            self,
            draw,
            None,
            floors,
            io=IO(num_classes=10, channels=_NUM_PIXELS // self.num_places),
            num_answered=one_answer,
            lengths={"smallest": self.num_places, "largest": self.num_places},
            chance="uniform",
            threshold=None,
            train_lengths=(self.num_places, self.num_places),
            test_lengths=(self.num_places,),
            length_unit="rows" if self.order == "rows" else "pixels",
            source="Alpaydin 1998, UCI optical recognition of handwritten digits: its test set",
            finite=True,
        )


def draw(config: Digits, key: Key, batch_size: int, length: int | Array, max_length: int, split: Split) -> Batch:
    """Draws images of one split, with replacement."""
    shape = (batch_size, max_length)
    pixels, labels = _load(config.order)
    rows = jax.random.randint(key, (batch_size,), *_SPLITS[split])
    scored = jnp.broadcast_to(jnp.arange(max_length) == max_length - 1, shape)
    inputs = jnp.asarray(pixels)[rows].reshape(*shape, -1).astype(jnp.float32) / 16
    return Batch.of(inputs, jnp.asarray(labels)[rows][:, None], scored, first_places(*shape, length))


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

    >>> floors(Digits(), 64)["uniform"].value
    0.1
    """
    _, labels = _load(config.order)
    majority = int(np.bincount(labels[slice(*_SPLITS["train"])]).argmax())
    share = float(np.mean(labels[slice(*_SPLITS["test"])] == majority))
    return {"uniform": uniform_floor(10), "majority": Floor(share, None, partial(_majority, majority))}


def _majority(digit: int, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Always `digit`."""
    return np.broadcast_to(np.eye(10)[digit], (*valid.shape, 10))
