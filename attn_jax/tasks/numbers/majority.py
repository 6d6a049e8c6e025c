"""Majority: which symbol occurred most often?

    inputs    1 0 1 1 0 empty
    targets   . . . . .   1

An order-free control: any permutation has the same answer. An average over all places, which is what attention takes,
nearly says it; a recurrence must count.
"""

import math
from dataclasses import dataclass
from functools import cache, partial
from itertools import groupby

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.counts import at_most, commonest_share
from attn_jax.tasks.fields import check_at_least
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.make_task import one_answer
from attn_jax.tasks.sampling import first_places
from attn_jax.tasks.string_task import string_task
from attn_jax.tasks.strings import Strings
from attn_jax.types import Array, Key


@dataclass(frozen=True)
class Majority(TaskConfig):
    """L symbols, then one empty token, `num_symbols`, at which alone the commonest is asked; L + 1 tokens, L >= 3.

    Symbols are uniform. Where several are the commonest, one of them is drawn to win, and one place drawn among those
    of all other symbols becomes the winner's: so every length is allowed, the winner is always unique, all symbols win
    equally often, and any order of the places is as likely as any other. With two symbols and L odd there is no tie.

    Chance is "one_symbol", the answer of a model that has read a single place: whichever it is, that symbol wins with
    probability E[max count] / L, .75 at three bits, .5 + O(L^-1/2). At L = 2 it is perfect, so lengths start at 3.

    Two symbols are the majority language (Merrill et al.), more are the most frequent element (Yehudai et al.).

    Args:
      num_symbols: how many symbols there are.

    Raises:
      ValueError: `num_symbols` is below 2.
    """

    num_symbols: int = 2

    def __post_init__(self):
        check_at_least(self, 2, "num_symbols")

    def make(self) -> Task:
        """The task of this configuration; 3 to 30 symbols are trained on, and 100 asked for."""
        return string_task(
            self,
            draw,
            answer,
            floors,
            num_classes=self.num_symbols,
            empty=self.num_symbols,
            num_tokens=lambda length: length + 1,  # the symbols and the answer's place
            num_answered=one_answer,
            strings=False,
            lengths={"smallest": 3},
            chance="one_symbol",
            train_lengths=(3, 30),
            test_lengths=(3, 5, 10, 20, 30, 40, 60, 80, 100),
            length_unit="symbols",
            source="Merrill et al. 2022, arXiv 2106.16213; Yehudai et al. 2024, arXiv 2407.15160; ties are broken",
        )


def draw(config: Majority, key: Key, batch_size: int, length: int | Array, max_length: int) -> Strings:
    """Draws sequences of `length` symbols with one winner.

    Reference: Merrill et al. 2022, arXiv 2106.16213; Yehudai et al. 2024, arXiv 2407.15160.
    """
    sizes = (max_length, max_length, config.num_symbols)
    # One flat draw for all three: each draw of its own costs a compiled program .2 to .5 s.
    drawn = jax.random.uniform(key, (batch_size * sum(sizes),)).reshape(batch_size, -1)
    for_symbols, for_place, for_winner = jnp.split(drawn, np.cumsum(sizes)[:-1], axis=1)
    used = first_places(batch_size, max_length, length)
    symbols = (for_symbols * config.num_symbols).astype(jnp.int32)
    is_each = (symbols[..., None] == jnp.arange(config.num_symbols)) & used[..., None]
    counts = is_each.sum(axis=1)
    most = counts == counts.max(axis=1, keepdims=True)
    winner = jnp.argmax(jnp.where(most, for_winner, -1.0), axis=1, keepdims=True).astype(jnp.int32)
    given = jnp.argmax(jnp.where(used & (symbols != winner), for_place, -1.0), axis=1, keepdims=True)
    tied = most.sum(axis=1, keepdims=True) > 1
    symbols = jnp.where(tied & (jnp.arange(max_length) == given), winner, symbols)
    return Strings(symbols, length, winner, 1)


def answer(config: Majority, question: list[int]) -> list[int]:
    """Sorts, and takes the symbol of the longest run.

    >>> answer(Majority(), [1, 0, 1, 1, 0])
    [1]
    """
    runs = [list(run) for _, run in groupby(sorted(question))]
    return [max(runs, key=len)[0]]


def floors(config: Majority, length: int) -> dict[str, Floor]:
    """All symbols alike; and the last symbol read, which stands for any single one.

    uniform: 1 / V. one_symbol: the winner's expected count over L; no loss, for the other symbols get no mass.

    >>> {name: round(floor.value, 4) for name, floor in floors(Majority(), 5).items()}
    {'uniform': 0.5, 'one_symbol': 0.6875}
    """
    share = expected_winning_count(length, config.num_symbols) / length
    return {
        "uniform": uniform_floor(config.num_symbols),
        "one_symbol": Floor(share, None, partial(_one_symbol, config.num_symbols)),
    }


@cache
def expected_winning_count(num_draws: int, num_values: int) -> float:
    """How often the winner occurs, after a tie has been broken by giving it one place more.

    E[max count] + P(several have it), to about 1e-12. One value alone has it where it comes m times and each
    other less often, P = sum_m V Binomial(m; L, 1 / V) P(max count of L - m draws from V - 1 values < m).

    Args:
      num_draws: L, uniform draws.
      num_values: V, at least 2, what each is drawn from.

    Returns:
      E[count of the winner], from 1 to L.

    >>> round(expected_winning_count(2, 2), 12)
    2.0
    """
    counts = np.arange(1, num_draws + 1)
    rest = num_draws - counts
    logs = np.array([math.lgamma(count + 1) for count in range(num_draws + 1)])
    outside = rest * math.log1p(-1 / num_values) - counts * math.log(num_values)
    binomial = np.exp(logs[-1] - logs[counts] - logs[rest] + outside)
    alone = 0.0
    for count, chance in zip(counts.tolist(), binomial.tolist(), strict=True):
        if chance > 1e-30:
            alone += num_values * chance * at_most(num_draws - count, num_values - 1, count - 1)
    return num_draws * commonest_share(num_draws, num_values) + 1 - alone


def _one_symbol(num_symbols: int, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The symbol at the place before; all alike where there is none."""
    before = np.pad(inputs[:, :-1], ((0, 0), (1, 0)), constant_values=num_symbols)
    rows = np.vstack([np.eye(num_symbols), np.full((1, num_symbols), 1 / num_symbols)])
    return rows[before]
