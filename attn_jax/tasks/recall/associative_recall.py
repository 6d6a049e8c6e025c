"""Associative recall: pairs of a key and a value, then each key once more, to be answered with its value.

    inputs   k1 v1 k2 v2 ... kD vD | k3 k1 ... (the D keys in random order)
    targets   .  .  .  . ...  .  . | v3 v1 ... (at the query itself: nothing is shifted)

Attention looks the value up; a recurrence must have stored all D pairs before it knows what will be asked.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.counts import as_commonest, as_shares, counted_so_far
from attn_jax.tasks.fields import check_at_least
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.make_task import make_task
from attn_jax.tasks.recall.h3_recall import H3Recall
from attn_jax.tasks.sampling import first_places
from attn_jax.types import IO, Array, Batch, Key


@dataclass(frozen=True)
class AssociativeRecall(TaskConfig):
    """D pairs, then D queries: 3D tokens, scored and weighted at the queries only.

    Tokens: keys 0 .. num_keys - 1, values num_keys .. num_keys + num_values - 1. Classes are values counted from 0:
    the answer to a query of the pair (k, num_keys + v) is v. Keys of a sequence are distinct; values may repeat.
    Lengths go from 2 pairs (with one there is nothing to recall: every answer is the only value) to `num_keys`.

    Args:
      num_keys: how many keys there are.
      num_values: how many values there are.

    Raises:
      ValueError: `num_keys` or `num_values` is below 2.
    """

    num_keys: int = 16
    num_values: int = 16

    def __post_init__(self):
        check_at_least(self, 2, "num_keys", "num_values")

    @classmethod
    def h3(cls) -> H3Recall:
        """The task of this name in H3: one query, pairs that come again, every next token trained; a class of its own.

        >>> AssociativeRecall.h3().make().spec.loss_places
        'all'
        """
        return H3Recall()

    def make(self) -> Task:
        """The task of this configuration; 6 pairs are trained on."""
        trained = min(6, self.num_keys)
        return make_task(
            self,
            draw,
            answer,
            floors,
            io=IO(num_classes=self.num_values, vocab_size=self.num_keys + self.num_values),
            num_tokens=lambda length: 3 * length,  # two tokens a pair and one a query
            num_answered=lambda num_tokens: num_tokens // 3,
            lengths={
                "smallest": 2,
                "largest": self.num_keys,
                "beyond": f"num_keys is {self.num_keys}, and D pairs want D keys",
            },
            chance="most_frequent_value",  # where a model rests that has read the values and lost the keys
            train_lengths=(trained, trained),
            test_lengths=tuple(length for length in (2, 3, 4, 6, 8, 12, 16) if length <= self.num_keys),
            length_unit="pairs",
            source="Arora et al. 2023, arXiv 2312.04927, with repeated values and the queries at the end",
        )


def draw(config: AssociativeRecall, key: Key, batch_size: int, length: int | Array, max_length: int) -> Batch:
    """Draws sequences of `length` pairs.

    Reference: Arora et al. 2023, arXiv 2312.04927 (the multi-query form); Fu et al. 2022, arXiv 2212.14052.
    """
    sizes = (config.num_keys, max_length, max_length)
    # One flat draw for all three: each draw of its own costs a compiled program .2 to .5 s.
    drawn = jax.random.uniform(key, (batch_size * sum(sizes),)).reshape(batch_size, -1)
    for_keys, for_values, for_order = jnp.split(drawn, np.cumsum(sizes)[:-1], axis=1)
    keys = _draw_places(for_keys, config.num_keys, max_length)
    values = (for_values * config.num_values).astype(jnp.int32)
    order = _draw_places(for_order, length, max_length)
    pairs = jnp.stack([keys, values + config.num_keys], axis=-1).reshape(batch_size, 2 * max_length)
    # The queries start at 2 D <= 2 max_length, so the slice always fits and is never clamped.
    inputs = _write(jnp.pad(pairs, ((0, 0), (0, max_length))), jnp.take_along_axis(keys, order, axis=1), 2 * length)
    targets = _write(jnp.zeros_like(inputs), jnp.take_along_axis(values, order, axis=1), 2 * length)
    valid = first_places(batch_size, 3 * max_length, 3 * length)
    scored = valid & ~first_places(batch_size, 3 * max_length, 2 * length)
    return Batch.of(inputs, targets, scored, valid)


def _draw_places(numbers: Array, end: int | Array, num_drawn: int) -> Array:
    """[B, num_drawn]: as far as they go, the places before `end` of `numbers` in random order; then the rest."""
    # Distinct draws are the places of the largest of as many random numbers. float32, because XLA's top_k on a CPU is
    # five times as fast for it as for integers, and as argsort; equal numbers (2^-23 a pair) keep the order of places.
    return jax.lax.top_k(jnp.where(jnp.arange(numbers.shape[1]) < end, numbers, -1.0), num_drawn)[1]


def _write(row: Array, piece: Array, start: int | Array) -> Array:
    """`row` [B, T] with `piece` [B, D] written from place `start` on."""
    return jax.lax.dynamic_update_slice_in_dim(row, piece, start, axis=1)


def answer(config: AssociativeRecall, tokens: list[int]) -> list[int]:
    """Answers by looking back: a key that stood before is a query, its value stands after where it first stood.

    >>> answer(AssociativeRecall(), [3, 16, 5, 20, 5, 3])
    [0, 0, 0, 0, 4, 0]
    """
    first = [tokens.index(token) for token in tokens]
    asks = [tokens[place] < config.num_keys and first[place] < place for place in range(len(tokens))]
    return [tokens[at + 1] - config.num_keys if asked else 0 for at, asked in zip(first, asks, strict=True)]


def floors(config: AssociativeRecall, length: int) -> dict[str, Floor]:
    """What is reached without looking up, for D pairs and V values.

    uniform: 1 / V. value_in_context, each pair's value alike (c_v of D pairs hold v, so p_v = c_v / D): the right value
    has c = 1 + Binomial(D - 1, 1 / V), accuracy E[c] / D = 1 / D + (1 - 1 / D) / V, loss -E[ln(c / D)].
    most_frequent_value, the commonest so far, ties alike: E[max c] / D; no loss, for the other values get no mass.

    >>> {name: round(floor.value, 3) for name, floor in floors(AssociativeRecall(), 6).items()}
    {'uniform': 0.062, 'value_in_context': 0.219, 'most_frequent_value': 0.288}
    """
    share = 1 / config.num_values
    others = range(length)  # how many of the other D - 1 pairs hold the same value
    mass = [math.comb(length - 1, j) * share**j * (1 - share) ** (length - 1 - j) for j in others]
    metric = sum(p * (1 + j) / length for j, p in zip(others, mass, strict=True))
    loss = -sum(p * math.log((1 + j) / length) for j, p in zip(others, mass, strict=True))
    values = config.num_keys + np.arange(config.num_values)
    most = float(expected_max_count(length, config.num_values) / length)
    return {
        "uniform": uniform_floor(config.num_values),
        "value_in_context": Floor(metric, loss, partial(counted_so_far, as_shares, values)),
        "most_frequent_value": Floor(most, None, partial(counted_so_far, as_commonest, values)),
    }


@cache
def expected_max_count(num_draws: int, num_values: int) -> Fraction:
    """How often the commonest of `num_draws` uniform draws from `num_values` values is expected, exactly.

    E[max c] = sum_{m >= 0} P(max c > m), by counting the sequences in which no value comes more than m times.

    Args:
      num_draws: D.
      num_values: V.

    Returns:
      E[max c], from 1 to D.

    >>> expected_max_count(2, 16)
    Fraction(17, 16)
    """
    total = num_values**num_draws
    within = (_num_sequences(num_draws, num_values, most) for most in range(num_draws))
    return sum((1 - Fraction(ways, total) for ways in within), Fraction(0))


def _num_sequences(num_draws: int, num_values: int, most: int) -> int:
    """How many sequences of `num_draws` hold each of `num_values` values at most `most` times."""
    ways = [1] + [0] * num_draws  # ways[n]: sequences of n draws from the values added so far
    for _ in range(num_values):
        ways = [sum(math.comb(n, c) * ways[n - c] for c in range(min(most, n) + 1)) for n in range(num_draws + 1)]
    return ways[num_draws]
