"""Dyck-(k, m): brackets of k kinds, nested at most m deep; of which kind is the one that closes next?

    string     ( [ ] { } ) [ ]        kinds ( 0, [ 1, { 2
    inputs     ( [ ] { } ) [
    targets    . 1 . 2 0 . 1          at the places before a closing bracket: the kind on top of the stack

What is hierarchical in natural language, bounded as it is there: a recurrence needs a stack of m symbols, attention
finds the last bracket still open.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.fields import check_at_least
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.make_task import make_task
from attn_jax.tasks.sampling import first_places
from attn_jax.types import IO, Array, Batch, Key

_PUBLISHED_LONGEST = {3: 84, 5: 180}  # max_depth: the longest string trained on


@dataclass(frozen=True)
class Dyck(TaskConfig):
    """Well-nested strings of L brackets, L even; the model reads all but the last: L - 1 tokens.

    Tokens: opening brackets 0 .. k - 1, closing ones k .. 2 k - 1. Classes are the kinds. Loss and metric at the L / 2
    places that stand before a closing bracket: which kind it is follows from what was read, that it closes need not.
    Strings are uniform among all those of their length and depth. (The source tosses a coin at each step where both
    ways are open, length included, so that of one length those that often touch depth m are the more frequent.)

    Chance is the "memoryless" floor: a closing bracket right after an opening one has its kind, and more than half of
    them come so; all others are guessed. At L = 2, and with m = 1, it is perfect: lengths start at 4, m at 2.

    Args:
      num_kinds: k.
      max_depth: m.
      longest: the longest length trained on by default; tests go twice as far, as in the source.

    Raises:
      ValueError: `num_kinds` or `max_depth` is below 2, or `longest` is odd or below 4.
    """

    num_kinds: int = 8
    max_depth: int = 5
    longest: int = 40

    def __post_init__(self):
        check_at_least(self, 2, "num_kinds", "max_depth")
        if self.longest < 4 or self.longest % 2:
            raise ValueError(f"Dyck: longest is {self.longest}, wanted an even number, at least 4")

    @classmethod
    def published(cls, num_kinds: int, max_depth: int) -> "Dyck":
        """The sizes of Hewitt et al. 2020: k of 2, 8, 32 or 128; m = 3 to 84 brackets, m = 5 to 180, end included.

        >>> Dyck.published(128, 3)
        Dyck(num_kinds=128, max_depth=3, longest=84)
        """
        if num_kinds not in (2, 8, 32, 128) or max_depth not in _PUBLISHED_LONGEST:
            raise ValueError(
                f"Dyck.published: got num_kinds={num_kinds}, max_depth={max_depth}, wanted 2, 8, 32 or 128 and 3 or 5"
            )
        return cls(num_kinds, max_depth, _PUBLISHED_LONGEST[max_depth])

    def make(self) -> Task:
        """The task of this configuration; 4 to 40 brackets are trained on, and 80 asked for."""
        quarters = (self.longest * quarter // 8 * 2 for quarter in (1, 2, 4, 6, 8))  # even
        return make_task(
            self,
            draw,
            answer,
            floors,
            io=IO(num_classes=self.num_kinds, vocab_size=2 * self.num_kinds),
            num_tokens=lambda length: length - 1,  # nothing follows the last bracket
            lengths={"smallest": 4, "step": 2},
            chance="memoryless",
            train_lengths=(4, self.longest),
            test_lengths=tuple(sorted({max(length, 4) for length in (4, *quarters)})),
            length_unit="brackets",
            source="Hewitt et al. 2020, arXiv 2010.07515, uniform among the strings of a length",
        )


def draw(config: Dyck, key: Key, batch_size: int, length: int | Array, max_length: int) -> Batch:
    """Draws strings of `length` brackets uniformly."""
    drawn = jax.random.uniform(key, (2 * max_length * batch_size,)).reshape(2, max_length, batch_size)
    kinds = (drawn[1] * config.num_kinds).astype(jnp.int32)
    remaining = jnp.maximum(length - jnp.arange(max_length), 0)
    opening = jnp.asarray(opening_probabilities(config.max_depth, max_length))[remaining]  # [max_length, m + 1]
    start = jnp.zeros_like(kinds[0]), jnp.zeros_like(kinds, shape=(batch_size, config.max_depth))
    _, (opens, tops) = jax.lax.scan(_read, start, (drawn[0], kinds, opening))
    tokens = jnp.where(opens, kinds, config.num_kinds + tops).T[:, :-1]
    valid = first_places(batch_size, max_length - 1, length - 1)
    scored = valid & ~opens.T[:, 1:]  # a place is asked what closes after it
    return Batch.of(tokens, tops.T[:, 1:], scored, valid)


def _read(carry: tuple[Array, Array], step: tuple[Array, Array, Array]) -> tuple[tuple[Array, Array], tuple]:
    """One bracket of each string: does it open, and of which kind is the innermost open before it (0: none is)?"""
    depth, stack = carry  # [B], [B, m]
    numbers, kind, opening = step  # [B], [B], [m + 1] by depth
    levels = jnp.arange(stack.shape[1])
    top = jnp.sum(jnp.where(levels == depth[:, None] - 1, stack, 0), axis=1)
    opens = numbers < opening[depth]
    stack = jnp.where(opens[:, None] & (levels == depth[:, None]), kind[:, None], stack)
    depth = jnp.maximum(depth + jnp.where(opens, 1, -1), 0)  # after the end of a string nothing opens
    return (depth, stack), (opens, top)


@cache
def opening_probabilities(max_depth: int, max_length: int) -> np.ndarray:
    """With what probability a uniform string goes on with an opening bracket, at each distance from its end and depth.

    N(r, d) = N(r - 1, d + 1) + N(r - 1, d - 1) strings of r brackets close d open ones, 0 <= d <= m; the probability
    is N(r - 1, d + 1) / N(r, d), from Python integers.

    Args:
      max_depth: m.
      max_length: the largest r.

    Returns:
      [max_length + 1, m + 1] float32; 0 where no string goes on.

    >>> opening_probabilities(2, 4)[4].tolist(), opening_probabilities(2, 4)[3].tolist()
    ([1.0, 0.0, 0.0], [0.0, 0.5, 0.0])
    """
    counts = _num_completions(max_depth, max_length)
    table = np.zeros((max_length + 1, max_depth + 1), np.float32)
    for r in range(1, max_length + 1):
        for d in range(max_depth):
            if counts[r][d]:
                table[r, d] = counts[r - 1][d + 1] / counts[r][d]
    return table


def _num_completions(max_depth: int, max_length: int) -> list[list[int]]:
    """[r][d]: how many ways r brackets close d open ones, kinds aside, never more than m deep."""
    rows = [[1] + [0] * max_depth]
    for _ in range(max_length):
        padded = [0, *rows[-1], 0]
        rows.append([padded[d] + padded[d + 2] for d in range(max_depth + 1)])
    return rows


def answer(config: Dyck, tokens: list[int]) -> list[int]:
    """Keeps a stack, and says what lies on top: what would close next at each place, 0 where nothing is open.

    >>> answer(Dyck(3), [0, 1, 4, 2, 5, 3, 1])
    [0, 1, 0, 2, 0, 0, 1]
    """
    stack: list[int] = []
    said = []
    for token in tokens:
        if token < config.num_kinds:
            stack.append(token)
        else:
            stack.pop()
        said.append(stack[-1] if stack else 0)
    return said


def floors(config: Dyck, length: int) -> dict[str, Floor]:
    """All kinds alike; and the kind of an opening bracket right before, else all alike.

    uniform: 1 / k, ln k. memoryless, with p the share of closing brackets that follow an opening one: accuracy
    p + (1 - p) / k, loss (1 - p) ln k.

    >>> {name: round(floor.value, 4) for name, floor in floors(Dyck(), 4).items()}
    {'uniform': 0.125, 'memoryless': 0.7812}
    """
    share = float(adjacent_share(config.max_depth, length))
    guessed = 1 - share
    return {
        "uniform": uniform_floor(config.num_kinds),
        "memoryless": Floor(
            share + guessed / config.num_kinds,
            guessed * math.log(config.num_kinds),
            partial(_memoryless, config.num_kinds),
        ),
    }


@cache
def adjacent_share(max_depth: int, length: int) -> Fraction:
    """The share of closing brackets that stand right after an opening one, over all strings of a length, exactly.

    sum_{t, d < m} N(t, d) N(L - t - 2, d) / (N(L, 0) L / 2): t brackets to depth d, the two, and the rest. Without a
    bound on depth it is (L + 2) / (2 L), (n + 1) / 2 of n pairs, the mean of Narayana's numbers.

    Args:
      max_depth: m.
      length: L, even.

    Returns:
      The share, from above 0 to 1.

    >>> adjacent_share(5, 4)
    Fraction(3, 4)
    """
    counts = _num_completions(max_depth, length)  # read backwards: also the ways to depth d
    pairs = sum(counts[t][d] * counts[length - 2 - t][d] for t in range(length - 1) for d in range(max_depth))
    return Fraction(2 * pairs, counts[length][0] * length)


def _memoryless(num_kinds: int, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The kind of an opening bracket, all alike after a closing one."""
    rows = np.vstack([np.eye(num_kinds), np.full((num_kinds, num_kinds), 1 / num_kinds)])
    return rows[inputs]
