"""Counting: some symbols, then one of them as a query: how often did it occur?

    inputs    b a c a b a | a        (a, b, c = 0, 1, 2; the query is its own token, num_symbols + 0)
    targets   . . . . . . | 3

An order-free control: any permutation of the symbols has the same answer, so that positions should not matter.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.counts import at_least, at_most
from attn_jax.tasks.fields import check_at_least
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.make_task import make_task, one_answer
from attn_jax.tasks.sampling import first_places
from attn_jax.types import IO, Array, Batch, Key


@dataclass(frozen=True)
class Counting(TaskConfig):
    """L symbols and a query at which alone the answer is asked: 0 .. max_count occurrences, max_count + 1 classes.

    Tokens: symbols 0 .. num_symbols - 1, queries num_symbols .. 2 num_symbols - 1. This is the query count of Yehudai
    et al. (the histogram of Weiss et al. asks it of every symbol at once). Queries have tokens of their own, so that
    the end of the sequence is seen, as in other tasks.

    Counts are drawn, not left to chance: the query is uniform, its count c is uniform over 0 .. max_count, the c places
    are uniform, and the other L - c symbols are uniform over the others. Counts of uniform sequences would grow with L,
    with classes at long lengths that were never trained; here answers are balanced at every length, neither length nor
    place says anything of them, and lengths start at max_count, where each count is possible.

    What the query is worth is another matter. At short lengths a symbol that comes often is the query's: chance is
    "commonest_count", which says how often the commonest symbol came and never reads the query, right in .785 at L = 5,
    .495 at 20, .239 at 40. So the lengths trained on by default start at four times max_count. At long ones, from 48
    on, a rare symbol is the query's, and "rarest_count" is above chance: .202 at 50, .322 at 80, where chance is .167.
    Read no score below the larger one as counting what was asked for.

    Args:
      num_symbols: how many symbols there are.
      max_count: the largest count.

    Raises:
      ValueError: `num_symbols` is below 2, or `max_count` below 1.
    """

    num_symbols: int = 20
    max_count: int = 5

    def __post_init__(self):
        check_at_least(self, 2, "num_symbols")
        check_at_least(self, 1, "max_count")

    def make(self) -> Task:
        """The task of this configuration; four to eight times max_count symbols are trained on, 20 to 40 by default."""
        return make_task(
            self,
            draw,
            answer,
            floors,
            io=IO(num_classes=self.max_count + 1, vocab_size=2 * self.num_symbols),
            num_tokens=lambda length: length + 1,  # the symbols and the query
            num_answered=one_answer,
            lengths={"smallest": self.max_count},
            chance="commonest_count",
            train_lengths=(4 * self.max_count, 8 * self.max_count),
            test_lengths=tuple(times * self.max_count for times in (4, 5, 6, 8, 10, 12, 16)),
            length_unit="symbols",
            source="Yehudai et al. 2024, arXiv 2407.15160, with balanced counts",
        )


def draw(config: Counting, key: Key, batch_size: int, length: int | Array, max_length: int) -> Batch:
    """Draws sequences of `length` symbols.

    Reference: Yehudai et al. 2024, arXiv 2407.15160; Weiss et al. 2021, arXiv 2106.06981.
    """
    # One flat draw for all four: each draw of its own costs a compiled program .2 to .5 s.
    drawn = jax.random.uniform(key, (batch_size * (2 + 2 * max_length),)).reshape(batch_size, -1)
    for_query, for_count, for_places, for_symbols = jnp.split(drawn, (1, 2, 2 + max_length), axis=1)
    query = (for_query * config.num_symbols).astype(jnp.int32)
    count = (for_count * (config.max_count + 1)).astype(jnp.int32)
    others = (for_symbols * (config.num_symbols - 1)).astype(jnp.int32)
    others = others + (others >= query)  # every symbol but the query
    places = jnp.arange(max_length)
    # The c places with the largest numbers: top_k of float32 is the fastest way to distinct ones on a CPU.
    largest = jax.lax.top_k(jnp.where(places < length, for_places, -1.0), config.max_count)[1]
    taken = jnp.arange(config.max_count) < count
    is_query = ((largest[:, :, None] == places) & taken[:, :, None]).any(axis=1)
    symbols = jnp.pad(jnp.where(is_query, query, others), ((0, 0), (0, 1)))
    valid = first_places(batch_size, max_length + 1, length + 1)
    scored = valid & ~first_places(batch_size, max_length + 1, length)
    return Batch.of(jnp.where(scored, config.num_symbols + query, symbols), count, scored, valid)


def answer(config: Counting, tokens: list[int]) -> list[int]:
    """Counts in Python lists.

    >>> answer(Counting(3), [1, 0, 2, 0, 1, 0, 3])
    [0, 0, 0, 0, 0, 0, 3]
    """
    *symbols, query = tokens
    return [0] * len(symbols) + [symbols.count(query - config.num_symbols)]


def floors(config: Counting, length: int) -> dict[str, Floor]:
    """What is reached without the query, for V symbols and counts up to C.

    uniform: 1 / (C + 1), ln(C + 1), for every count is as likely at every length. commonest_count, the largest count
    of any symbol, at most C, is right where no other symbol has more than the query's c, and at c = C always:
    (1 + sum_{c < C} P(max of L - c draws from V - 1 symbols <= c)) / (C + 1). rarest_count, the smallest count of
    any: sum_c P(min of L - c draws from V - 1 symbols >= c) / (C + 1). No losses: the other counts get no mass.

    >>> {name: round(floor.value, 3) for name, floor in floors(Counting(), 20).items()}
    {'uniform': 0.167, 'commonest_count': 0.495, 'rarest_count': 0.167}
    """
    others, classes = config.num_symbols - 1, config.max_count + 1
    commonest = (1 + sum(at_most(length - c, others, c) for c in range(config.max_count))) / classes
    rarest = sum(at_least(length - c, others, c) for c in range(classes)) / classes
    return {
        "uniform": uniform_floor(classes),
        "commonest_count": Floor(commonest, None, partial(_extreme_count, config, np.max)),
        "rarest_count": Floor(rarest, None, partial(_extreme_count, config, np.min)),
    }


def _extreme_count(
    config: Counting, extreme: Callable[..., np.ndarray], inputs: np.ndarray, valid: np.ndarray
) -> np.ndarray:
    """The largest or smallest count of any symbol in the whole of each row, at most max_count, at each place alike."""
    counts = ((inputs[..., None] == np.arange(config.num_symbols)) & valid[..., None]).sum(axis=1)
    said = np.eye(config.max_count + 1)[np.minimum(extreme(counts, axis=1), config.max_count)]
    return np.broadcast_to(said[:, None], (*inputs.shape, config.max_count + 1))
