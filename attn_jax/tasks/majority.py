"""Majority: which symbol occurred most often?

    inputs    1 0 1 1 0 empty
    targets   . . . . .   1

An order-free control: any permutation has the same answer. An average over all places, which is what attention takes,
nearly says it; a recurrence must count.
"""

import math
from dataclasses import dataclass
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Split, Task, TaskConfig, TaskSpec
from attn_jax.tasks.counts import at_most, commonest_share
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.sampling import check_max_length, first_places, length_range, split_key
from attn_jax.types import IO, Array, Batch, Key


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
        if self.num_symbols < 2:
            raise ValueError(f"Majority: num_symbols is {self.num_symbols}, wanted at least 2")

    def make(self) -> Task:
        """The task of this configuration."""
        return Task(partial(sample, self), partial(floors, self), partial(solve, self), spec(self))


def spec(config: Majority) -> TaskSpec:
    """What a study must know; 3 to 30 symbols are trained on, and 100 asked for.

    >>> spec(Majority()).io
    IO(num_classes=2, vocab_size=3, channels=None, out_channels=None)
    """
    return TaskSpec(
        io=IO(num_classes=config.num_symbols, vocab_size=config.num_symbols + 1),
        metric="accuracy",
        chance="one_symbol",
        best=1.0,
        threshold=0.95,
        train_lengths=(3, 30),
        test_lengths=(3, 5, 10, 20, 30, 40, 60, 80, 100),
        length_unit="symbols",
        lengths=partial(length_range, smallest=3),
        num_tokens=num_tokens,
        source="Merrill et al. 2022, arXiv 2106.16213; Yehudai et al. 2024, arXiv 2407.15160; ties are broken",
    )


def num_tokens(length: int) -> int:
    """L + 1: the symbols and the answer's place.

    >>> num_tokens(30)
    31
    """
    return length + 1


def sample(
    config: Majority,
    key: Key,
    batch_size: int,
    length: int | Array,
    max_length: int,
    *,
    split: Split = "train",
) -> Batch:
    """Draws sequences of `length` symbols with one winner, padded to those of `max_length`.

    Args:
      config: the task.
      key: a typed key.
      batch_size: B.
      length: L, 3 <= length <= max_length; may be traced, and is then trusted.
      max_length: static; T = max_length + 1.
      split: picks the stream.

    Returns:
      A batch of inputs [B, T] int32 in [0, num_symbols] and targets [B, T] int32 in [0, num_symbols).

    Raises:
      ValueError: `max_length` is below 3, or `split` is unknown.

    >>> sample(Majority(), jax.random.key(0), 2, 5, 7).inputs.shape
    (2, 8)

    Reference: Merrill et al. 2022, arXiv 2106.16213; Yehudai et al. 2024, arXiv 2407.15160.
    """
    check_max_length(max_length, smallest=3)
    sizes = (max_length, max_length, config.num_symbols)
    # One flat draw for all three: each draw of its own costs a compiled program .2 to .5 s.
    drawn = jax.random.uniform(split_key(key, split), (batch_size * sum(sizes),)).reshape(batch_size, -1)
    for_symbols, for_place, for_winner = jnp.split(drawn, np.cumsum(sizes)[:-1], axis=1)
    used = first_places(batch_size, max_length, length)
    symbols = (for_symbols * config.num_symbols).astype(jnp.int32)
    is_each = (symbols[..., None] == jnp.arange(config.num_symbols)) & used[..., None]
    counts = is_each.sum(axis=1)
    most = counts == counts.max(axis=1, keepdims=True)
    winner = jnp.argmax(jnp.where(most, for_winner, -1.0), axis=1, keepdims=True)
    given = jnp.argmax(jnp.where(used & (symbols != winner), for_place, -1.0), axis=1, keepdims=True)
    tied = most.sum(axis=1, keepdims=True) > 1
    symbols = jnp.where(tied & (jnp.arange(max_length) == given), winner, symbols)
    valid = first_places(batch_size, max_length + 1, length + 1)
    scored = valid & ~jnp.pad(used, ((0, 0), (0, 1)))
    inputs = jnp.where(scored, config.num_symbols, jnp.pad(symbols, ((0, 0), (0, 1))))
    return Batch(
        inputs=jnp.where(valid, inputs, 0).astype(jnp.int32),
        targets=jnp.where(scored, winner, 0).astype(jnp.int32),
        weights=scored.astype(jnp.float32),
        scored=scored,
        valid=valid,
    )


def solve(config: Majority, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Sorts, and takes the symbol of the longest run.

    Args:
      config: the task.
      inputs: [B, T] int, whole sequences or prefixes.
      valid: [B, T] bool.

    Returns:
      [B, T] int32 classes, 0 where nothing is asked.

    >>> solve(Majority(), np.array([[1, 0, 1, 1, 0, 2]]), np.ones((1, 6), bool)).tolist()
    [[0, 0, 0, 0, 0, 1]]
    """
    targets = np.zeros(inputs.shape, np.int32)
    for row, place in np.argwhere(valid & (inputs == config.num_symbols)):
        symbols, runs = np.unique(inputs[row, :place], return_counts=True)
        targets[row, place] = symbols[runs.argmax()] if place else 0
    return targets


def floors(config: Majority, length: int) -> dict[str, Floor]:
    """All symbols alike; and the last symbol read, which stands for any single one.

    uniform: 1 / V. one_symbol: the winner's expected count over L; no loss, for the other symbols get no mass.

    Args:
      config: the task.
      length: L, symbols.

    Returns:
      The floors by name.

    >>> {name: round(floor.metric, 4) for name, floor in floors(Majority(), 5).items()}
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
