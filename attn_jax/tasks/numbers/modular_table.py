"""Grokking: the table of a o b modulo a prime, of which a part is shown and another part asked for.

    inputs     a  o  b  =
    targets    .  .  .  c

A small finite set: a model can learn the shown part by heart, and much later find the rule.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias, get_args

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Split, Task, TaskConfig
from attn_jax.tasks.fields import check_at_least, check_one_of
from attn_jax.tasks.floors import constant_floor, uniform_floor
from attn_jax.tasks.make_task import make_task, one_answer
from attn_jax.tasks.sampling import first_places
from attn_jax.types import IO, Array, Batch, Key

Operation: TypeAlias = Literal["+", "-", "x", "/"]

_NUM_TOKENS = 4
_SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True)
class ModularTable(TaskConfig):
    """All equations a o b = c modulo p, shuffled once and cut into what is trained on, validated and tested.

    Tokens: numbers 0 .. p - 1, the operation p and = p + 1; the answer is asked at =. Equations with "/" are those with
    b > 0, c the quotient: p (p - 1) instead of p p. As in the source a o b and b o a are two equations, so that a
    model that has found the rule to be commutative has seen many answers of the part held out. A batch draws from
    its split with replacement; what is not trained on is halved.

    Chance is "uniform"; for "x", where 0 is the answer twice as often as any other, "best_constant".

    Args:
      modulus: p, a prime; 97 as published.
      operation: "+", "-", "x" or "/".
      train_share: the share of the table that is trained on.
      split_seed: picks which.

    Raises:
      ValueError: `modulus` is no prime above 3, `operation` is none of these, `split_seed` is below 0, or `train_share`
        leaves a split empty.
    """

    modulus: int = 97
    operation: Operation = "+"
    train_share: float = 0.5
    split_seed: int = 0

    def __post_init__(self):
        if self.modulus < 5 or any(self.modulus % d == 0 for d in range(2, int(self.modulus**0.5) + 1)):
            raise ValueError(f"ModularTable: modulus is {self.modulus}, wanted a prime of at least 5")
        check_one_of(self, "operation")
        check_at_least(self, 0, "split_seed")
        if not (0 < self.train_share < 1) or any(start == stop for start, stop in _bounds(self).values()):
            raise ValueError(
                f"ModularTable: train_share is {self.train_share}, wanted a share of 1 that leaves no split empty"
            )

    @property
    def num_equations(self) -> int:
        """How many there are in all splits together."""
        return self.modulus * (self.modulus - (self.operation == "/"))

    def make(self) -> Task:
        """The task of this configuration."""
        return make_task(
            self,
            draw,
            answer,
            floors,
            io=IO(num_classes=self.modulus, vocab_size=self.modulus + 2),
            num_answered=one_answer,
            lengths={"smallest": _NUM_TOKENS, "largest": _NUM_TOKENS},
            chance="best_constant" if self.operation == "x" else "uniform",
            train_lengths=(_NUM_TOKENS, _NUM_TOKENS),
            test_lengths=(_NUM_TOKENS,),
            length_unit="tokens",
            source="Power et al. 2022, arXiv 2201.02177",
            finite=True,
        )


def _bounds(config: ModularTable) -> dict[Split, tuple[int, int]]:
    """The part of the shuffled equations that each split has."""
    trained = round(config.num_equations * config.train_share)
    middle = (trained + config.num_equations) // 2
    return dict(zip(_SPLITS, ((0, trained), (trained, middle), (middle, config.num_equations)), strict=True))


def draw(config: ModularTable, key: Key, batch_size: int, length: int | Array, max_length: int, split: Split) -> Batch:
    """Draws equations of one split, with replacement.

    Reference: Power et al. 2022, arXiv 2201.02177; the split as in github.com/openai/grok, with a test part.
    """
    drawn = jnp.asarray(_equations(config, split))[jax.random.randint(key, (batch_size,), 0, _size(config, split))]
    tokens = jnp.array([0, config.modulus, 0, config.modulus + 1], jnp.int32)
    valid = first_places(batch_size, _NUM_TOKENS, length)
    scored = valid & (jnp.arange(_NUM_TOKENS) == _NUM_TOKENS - 1)
    inputs = jnp.broadcast_to(tokens, valid.shape).at[:, 0].set(drawn[:, 0]).at[:, 2].set(drawn[:, 1])
    return Batch.of(inputs, drawn[:, 2:], scored, valid)


def _size(config: ModularTable, split: Split) -> int:
    """How many equations a split has."""
    start, stop = _bounds(config)[split]
    return stop - start


@cache
def _equations(config: ModularTable, split: Split) -> np.ndarray:
    """[N, 3] int32: (a, b, c) of the equations of one split."""
    p = config.modulus
    x, y = np.divmod(np.arange(p * p), p)
    # A quotient is found backwards: a = c b for every c and every b > 0.
    columns = {"+": (x, y, x + y), "-": (x, y, x - y), "x": (x, y, x * y), "/": (x * y, y, x)}[config.operation]
    equations = np.stack(columns, axis=1)[(y > 0) | (config.operation != "/")] % p
    # RandomState, not default_rng: NumPy promises that its stream never changes, so these splits never do.
    order = np.random.RandomState(config.split_seed).permutation(len(equations))
    return equations[order[slice(*_bounds(config)[split])]].astype(np.int32)


def answer(config: ModularTable, tokens: list[int]) -> list[int]:
    """Computes a o b in Python's whole numbers; divides by Fermat's inverse b^(p - 2).

    >>> answer(ModularTable(7, "/"), [3, 7, 5, 8])
    [0, 0, 0, 2]
    """
    p = config.modulus
    compute: dict[str, Callable[[int, int], int]] = {
        "+": lambda a, b: a + b,
        "-": lambda a, b: a - b,
        "x": lambda a, b: a * b,
        "/": lambda a, b: a * pow(b, p - 2, p),
    }
    return [0, 0, 0, compute[config.operation](tokens[0], tokens[2]) % p] if tokens[-1] == p + 1 else []


def floors(config: ModularTable, length: int) -> dict[str, Floor]:
    """uniform: 1 / p, ln p: 1 / 97 and 4.575. best_constant: the answer most frequent in the whole table, for "x" 0,
    counted in the test split; where all are equally frequent, 0.

    >>> round(floors(ModularTable(), 4)["uniform"].loss, 3)
    4.575
    """
    shares = np.bincount(_equations(config, "test")[:, 2], minlength=config.modulus) / _size(config, "test")
    always_0 = np.eye(config.modulus)[0]
    return {"uniform": uniform_floor(config.modulus), "best_constant": constant_floor(always_0, shares)}
