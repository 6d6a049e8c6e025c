"""MAD's in-context recall: pairs of a key and a value, drawn again and again; a key seen before has a known value.

    recall   inputs    k3 v1 k5 v4 k3 v1 k2 v4 k5          noisy   k3 v1 n7 n2 k5 v4 n1 n1 k3
             targets    .  .  .  . v1  .  .  . v4                   .  .  .  .  .  .  .  . v1

The map of keys to values is new in every sequence, so that weights cannot hold it: the state or the context must.
MAD has six tasks; the sixth, compression, is a bottleneck in the model and no task of its own, and is left out here.
"""

from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.counts import as_commonest, as_shares, counted_so_far
from attn_jax.tasks.fields import check_at_least
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.laws.recall_law import RecallLaw
from attn_jax.tasks.make_task import make_task
from attn_jax.tasks.sampling import first_places
from attn_jax.types import IO, Array, Batch, Key


@dataclass(frozen=True)
class MADRecall(TaskConfig):
    """L tokens, L / 2 pairs, asked for the value at every key that was seen before; the last value is not read.

    Tokens: keys 0 .. num_keys - 1, then values, then noise. Classes are values counted from 0. Keys of the first
    L / 2 - 1 pairs are uniform, drawn with replacement; the last key is uniform among the keys that were seen, so that
    every sequence asks at least once. The value of each key is uniform, values may be shared. With noise, each pair but
    the last is two uniform noise tokens with probability `noise_share`, except for one pair at a random place.

    The source trains on 12,800 fixed examples, here they are fresh by key; it trains on the next token everywhere and
    scores the known values, here both are at the known values. The source averages accuracy over classes: all are asked
    equally often, for maps are uniform, so that this average and the plain one agree in expectation.

    Lengths are even, from 6 tokens on (with two pairs the only value read is the answer). Chance is
    "most_frequent_value", where a model rests that has read the values and lost the keys.

    Args:
      num_keys, num_values: how many keys and values there are; half of the published vocabulary of 16 each.
      num_noise: how many noise tokens there are.
      noise_share: the probability of noise, 0 <= noise_share < 1.
      train_lengths: the shortest and the longest L trained on by default.
      test_lengths: the L asked for by default.

    Raises:
      ValueError: a size is too small, or `noise_share` and `num_noise` do not fit.
    """

    num_keys: int = 8
    num_values: int = 8
    num_noise: int = 0
    noise_share: float = 0.0
    train_lengths: tuple[int, int] = (40, 40)
    test_lengths: tuple[int, ...] = (8, 16, 24, 32, 40, 64, 100)

    def __post_init__(self):
        check_at_least(self, 2, "num_keys", "num_values")
        if not 0 <= self.noise_share < 1:
            raise ValueError(f"MADRecall: noise_share is {self.noise_share}, wanted 0 <= noise_share < 1")
        if (self.noise_share > 0) != (self.num_noise > 0) or self.num_noise < 0:
            raise ValueError(
                f"MADRecall: num_noise is {self.num_noise} and noise_share {self.noise_share}, wanted both 0 or neither"
            )

    @classmethod
    def noisy(cls) -> "MADRecall":
        """The default with 16 noise tokens, a fifth of the pairs: the published vocabulary of 32."""
        return cls(num_noise=16, noise_share=0.2)

    @classmethod
    def published(cls, noisy: bool = False) -> "MADRecall":
        """L = 128; Poli et al. 2024. Recall: transformer 94.1, Mamba 90.4; noisy: 86.8, 90.1 %.

        >>> MADRecall.published(noisy=True).make().spec.io.vocab_size
        32
        """
        return replace(cls.noisy() if noisy else cls(), train_lengths=(128, 128), test_lengths=(128,))

    def make(self) -> Task:
        """The task of this configuration; 40 tokens are trained on, and 100 asked for."""
        return make_task(
            self,
            draw,
            answer,
            floors,
            io=IO(num_classes=self.num_values, vocab_size=self.num_keys + self.num_values + self.num_noise),
            num_tokens=lambda length: length - 1,  # the last value is asked for and not read
            lengths={"smallest": 6, "step": 2},  # three pairs: at two, the only value read is the answer
            chance="most_frequent_value",
            train_lengths=self.train_lengths,
            test_lengths=self.test_lengths,
            length_unit="tokens",
            source="Poli et al. 2024, arXiv 2403.17844",
        )


def draw(config: MADRecall, key: Key, batch_size: int, length: int | Array, max_length: int) -> Batch:
    """Draws sequences of `length` tokens.

    Reference: Poli et al. 2024, arXiv 2403.17844, section 3.1 and github.com/athms/mad-lab.
    """
    num_pairs, last = max_length // 2, length // 2 - 1
    sizes = (num_pairs, config.num_keys, config.num_keys) + ((num_pairs, 1, 2 * num_pairs) if config.num_noise else ())
    # One flat draw for all: each draw of its own costs a compiled program .2 to .5 s.
    drawn = jax.random.uniform(key, (batch_size * sum(sizes),)).reshape(batch_size, -1)
    for_keys, for_map, for_last, *for_noise = jnp.split(drawn, np.cumsum(sizes)[:-1], axis=1)
    pair = jnp.arange(num_pairs)
    is_noise = _draw_noise(config, pair, last, *for_noise[:2]) if for_noise else jnp.zeros(for_keys.shape, bool)
    keys = (for_keys * config.num_keys).astype(jnp.int32)
    reads = (keys[..., None] == jnp.arange(config.num_keys)) & ((pair < last) & ~is_noise)[..., None]  # [B, D, K]
    last_key = jnp.where(reads.any(axis=1), for_last, -1.0).argmax(axis=1)
    keys = jnp.where(pair == last, last_key[:, None], keys)
    values = jnp.take_along_axis((for_map * config.num_values).astype(jnp.int32), keys, axis=1)
    is_first = _is_first(keys, is_noise)
    tokens = jnp.stack([keys, values + config.num_keys], axis=-1)
    if for_noise:
        noise = config.num_keys + config.num_values + (for_noise[2] * config.num_noise).astype(jnp.int32)
        tokens = jnp.where(is_noise[..., None], noise.reshape(tokens.shape), tokens)
    num_places = max_length - 1
    valid = first_places(batch_size, num_places, length - 1)
    scored = valid & _at_keys(~is_first & ~is_noise, num_places)
    return Batch.of(tokens.reshape(batch_size, -1)[:, :num_places], _at_keys(values, num_places), scored, valid)


def _draw_noise(config: MADRecall, pair: Array, last: int | Array, for_noise: Array, for_spared: Array) -> Array:
    """[B, D]: which pairs before the last are noise; one, at a uniform place, is spared."""
    spared = (for_spared * last).astype(jnp.int32)
    return (for_noise < config.noise_share) & (pair != spared) & (pair < last)


def _is_first(keys: Array, is_noise: Array) -> Array:
    """[B, D]: whether no earlier pair, noise apart, has the key of this one."""
    earlier = jnp.tri(keys.shape[1], k=-1, dtype=bool)
    return ~((keys[:, :, None] == keys[:, None, :]) & ~is_noise[:, None, :] & earlier).any(axis=-1)


def _at_keys(values: Array, num_places: int) -> Array:
    """[B, T]: `values` [B, D] at the first place of each pair, 0 at the second."""
    return jnp.stack([values, jnp.zeros_like(values)], axis=-1).reshape(len(values), -1)[:, :num_places]


def answer(config: MADRecall, tokens: list[int]) -> list[int]:
    """Fills a dictionary with the pairs as they come, and looks each key up in it first.

    >>> answer(MADRecall(), [3, 9, 5, 12, 3])
    [0, 0, 0, 0, 1]
    """
    known: dict[int, int] = {}
    said = []
    for key, value in zip_longest(tokens[::2], tokens[1::2], fillvalue=0):
        said += [known.get(key, 0), 0]
        if key < config.num_keys:
            known[key] = value - config.num_keys
    return said[: len(tokens)]


def floors(config: MADRecall, length: int) -> dict[str, Floor]:
    """What is reached without looking up, exactly (`RecallLaw`), averaged over all keys that ask.

    uniform: 1 / V, ln V. value_in_context: each value read by its share of those read. most_frequent_value: the
    commonest value read so far, ties alike; no loss, for the other values get no mass.

    >>> {name: round(floor.value, 3) for name, floor in floors(MADRecall(), 40).items()}
    {'uniform': 0.125, 'value_in_context': 0.29, 'most_frequent_value': 0.346}
    """
    values = config.num_keys + np.arange(config.num_values)
    before, at_last = _pairs_before(config, length // 2)
    law = RecallLaw(config.num_keys, config.num_values, len(at_last) - 1)
    asked = before @ law.seen_share() + 1
    shares, losses = law.context_share()
    commonest = law.commonest_share()
    metric, loss, most = ((before @ each + at_last @ last) / asked for each, last in (shares, losses, commonest))
    return {
        "uniform": uniform_floor(config.num_values),
        "value_in_context": Floor(float(metric), float(loss), partial(counted_so_far, as_shares, values)),
        "most_frequent_value": Floor(float(most), None, partial(counted_so_far, as_commonest, values)),
    }


def _pairs_before(config: MADRecall, num_pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """([R + 1], [R + 1]): the expected number of pairs, noise and the last apart, that r = 0 .. R pairs precede which
    are no noise; and the probability that r such pairs precede the last."""
    candidates, keep = num_pairs - 1, 1 - config.noise_share
    before = np.zeros(num_pairs)
    binomial = np.eye(1, num_pairs)[0]  # of the pairs kept among the n - 1 before; every pair alike but the spared one
    shifted = np.zeros(num_pairs)  # the same where the spared pair is one of them
    for n in range(1, num_pairs):
        before += binomial * (1 + (candidates - n) * keep) / candidates + shifted * (n - 1) * keep / candidates
        shifted = np.roll(binomial, 1)
        binomial = binomial * (1 - keep) + shifted * keep
    return before, shifted
