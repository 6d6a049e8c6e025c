"""Associative recall as H3 asks it: pairs that come again and again, then one key, to be answered with its value.

    inputs              k1 v1 k2 v2 ... kD vD | => k
    loss="all"          v1 k2 v2 k3 ... vD => | k  v      (every next token is trained, the last one scored)
    loss="answers"       .  .  .  . ...  .  . | .  v

The map from keys to values is fresh in every sequence, and a pair read twice is a pair rehearsed.
"""

import math
from dataclasses import dataclass
from functools import cache, partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.counts import as_commonest, as_shares, at_last_place
from attn_jax.tasks.fields import check_at_least, check_one_of
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.laws.recall_law import RecallLaw
from attn_jax.tasks.make_task import make_task
from attn_jax.tasks.sampling import first_places
from attn_jax.types import IO, Array, Batch, Key


@dataclass(frozen=True)
class H3Recall(TaskConfig):
    """D pairs of a uniform key and its value, then the arrow and a key that was seen: 2 D + 2 tokens, D >= 2.

    Tokens and classes: keys 0 .. num_keys - 1, values from num_keys on, the arrow num_keys + num_values, and one more
    that never comes (the source's "."), so that the vocabulary is 10 as published. Each key's value is uniform, values
    may be shared; the key asked for is uniform among those seen. Scored at the last place only.

    As in the source every next token is trained (loss="all"); loss="answers" trains the last only, with which a
    recurrence is reported not to learn what it learns with "all" (state-spaces/mamba issue 62). The source draws 5,000
    sequences once; here they are fresh.

    The published chance of 25 % is "memoryless", any value. Who counts values does better, and is chance here.

    Args:
      num_keys: how many keys there are.
      num_values: how many values there are.
      loss: which places are trained, "all" (every next token) or "answers" (the last).

    Raises:
      ValueError: `num_keys` or `num_values` is below 2, or `loss` is neither.
    """

    num_keys: int = 4
    num_values: int = 4
    loss: Literal["answers", "all"] = "all"

    def __post_init__(self):
        check_at_least(self, 2, "num_keys", "num_values")
        check_one_of(self, "loss")

    @property
    def arrow(self) -> int:
        """The token before the key that is asked for."""
        return self.num_keys + self.num_values

    @property
    def vocab_size(self) -> int:
        """Keys, values, the arrow, and one token that never comes."""
        return self.arrow + 2

    def make(self) -> Task:
        """The task of this configuration; 10 pairs, as published, are trained on."""
        return make_task(
            self,
            draw,
            answer,
            floors,
            io=IO(num_classes=self.vocab_size, vocab_size=self.vocab_size),
            num_tokens=lambda length: 2 * length + 2,  # the pairs, the arrow and the key
            lengths={"smallest": 2},
            chance="most_frequent_value",
            train_lengths=(10, 10),
            test_lengths=(2, 4, 6, 10, 16, 24, 40),
            length_unit="pairs",
            source="Fu et al. 2022, arXiv 2212.14052, and its code",
            loss_places="all" if self.loss == "all" else "scored",
        )


def draw(config: H3Recall, key: Key, batch_size: int, length: int | Array, max_length: int) -> Batch:
    """Draws sequences of `length` pairs and a query.

    Reference: Fu et al. 2022, arXiv 2212.14052, section 3.1.
    """
    sizes = (max_length, config.num_keys, config.num_keys)
    drawn = jax.random.uniform(key, (batch_size * sum(sizes),)).reshape(batch_size, -1)
    for_keys, for_map, for_query = jnp.split(drawn, np.cumsum(sizes)[:-1], axis=1)
    keys = (for_keys * config.num_keys).astype(jnp.int32)
    value_of = config.num_keys + (for_map * config.num_values).astype(jnp.int32)
    is_used = jnp.arange(max_length) < length
    seen = (is_used[:, None] & (keys[..., None] == jnp.arange(config.num_keys))).any(axis=1)
    query = jnp.where(seen, for_query, -1.0).argmax(axis=1)[:, None].astype(jnp.int32)
    pairs = jnp.stack([keys, jnp.take_along_axis(value_of, keys, axis=1)], axis=-1).reshape(batch_size, -1)
    place = jnp.arange(2 * max_length + 2)
    inputs = jnp.pad(pairs, ((0, 0), (0, 2)))
    inputs = jnp.where(place == 2 * length, config.arrow, jnp.where(place == 2 * length + 1, query, inputs))
    valid = first_places(batch_size, len(place), 2 * length + 2)
    scored = valid & (place == 2 * length + 1)
    trained = valid if config.loss == "all" else scored
    targets = jnp.where(scored, jnp.take_along_axis(value_of, query, axis=1), jnp.roll(inputs, -1, axis=1))
    return Batch.of(inputs, targets, scored, valid, trained=trained)


def answer(config: H3Recall, tokens: list[int]) -> list[int]:
    """Keeps a dictionary of the pairs, and opens it at the key after the arrow; elsewhere, if asked, the next token.

    >>> answer(H3Recall(), [3, 5, 0, 7, 8, 3])
    [5, 0, 7, 8, 3, 5]
    """
    said = tokens[1:] if config.loss == "all" else [0] * (len(tokens) - 1)
    if config.arrow not in tokens[:-1]:
        return said
    known = dict(zip(tokens[:-2:2], tokens[1:-2:2], strict=True))
    return [*said, known[tokens[-1]]]


def floors(config: H3Recall, length: int) -> dict[str, Floor]:
    """What is reached without keys, for D pairs, of which c_v hold the value v.

    uniform: 1 / vocab_size. memoryless: any value, 1 / V: the published 25 %. value_in_context: v with c_v / D.
    most_frequent_value: the largest c_v, ties alike; no loss. The last two are exact, by `RecallLaw`, for
    a key that was seen. The last three say all classes alike before the last place, which with loss="all" makes
    (T - 1) ln(vocab_size) + loss over T places.

    >>> {name: round(floor.value, 3) for name, floor in floors(H3Recall(), 10).items()}
    {'uniform': 0.1, 'memoryless': 0.25, 'value_in_context': 0.452, 'most_frequent_value': 0.505}
    """
    share, loss, commonest = _count_scores(config.num_keys, config.num_values, length)
    any_value = _mean_loss(config, length, math.log(config.num_values))
    values = np.arange(config.num_keys, config.arrow)
    predictor = {
        say: partial(at_last_place, say, values, config.vocab_size) for say in (np.ones_like, as_shares, as_commonest)
    }
    return {
        "uniform": uniform_floor(config.vocab_size),
        "memoryless": Floor(1 / config.num_values, any_value, predictor[np.ones_like]),
        "value_in_context": Floor(share, _mean_loss(config, length, loss), predictor[as_shares]),
        "most_frequent_value": Floor(commonest, None, predictor[as_commonest]),
    }


@cache
def _count_scores(num_keys: int, num_values: int, num_pairs: int) -> tuple[float, float, float]:
    """Accuracy of c_v / D, its loss, and accuracy of the largest c_v, asked for one of the keys seen."""
    law = RecallLaw(num_keys, num_values, num_pairs)
    share, loss, commonest = (float(seen[-1]) for _, seen in (*law.context_share(), law.commonest_share()))
    return share, loss, commonest


def _mean_loss(config: H3Recall, length: int, at_answer: float) -> float:
    """The loss a unit of weight of who says all classes alike before the answer."""
    if config.loss == "answers":
        return at_answer
    others = 2 * length + 1
    return (others * math.log(config.vocab_size) + at_answer) / (others + 1)
