"""MAD's memorisation: a fixed map of keys to values, which no sequence shows; the weights must hold it.

    inputs     k7 ? k2 ? k7 ? k9 ?      (? the token at which the value is asked)
    targets     . v4 . v1 . v4 . v8

The counterpart of recall: nothing in the context helps, what counts is how much the layers can store.
MAD has six tasks; the sixth, compression, is a bottleneck in the model and no task of its own, and is left out here.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.fields import check_at_least
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.make_task import make_task
from attn_jax.tasks.sampling import first_places
from attn_jax.types import IO, Array, Batch, Key


@dataclass(frozen=True)
class MADMemorisation(TaskConfig):
    """L tokens: L / 2 uniform keys, drawn with replacement, each followed by the token at which its value is asked.

    Tokens: keys 0 .. num_keys - 1 and the asking token. Classes are values, as many as keys: the map is one to one, so
    that all are asked equally often, and the source's average of accuracy over classes and the plain one agree in
    expectation. The published vocabulary of 256 is 127 keys, 128 values, of which the map uses 127, and the asking
    token; values are never read, and are no input here.

    The map is a part of the task: `map_seed` fixes it, and it is the same in all splits, for what has never been shown
    cannot be known. So the examples are no finite set with a part held out; splits are streams of fresh sequences. The
    source trains on 12,800 fixed examples; here they are fresh by key.

    Lengths are even, from 2 on.

    Args:
      num_keys: how many entries the map has.
      map_seed: picks the map.
      train_lengths: the shortest and the longest L trained on by default; the default is the published 32.
      test_lengths: the L asked for by default.

    Raises:
      ValueError: `num_keys` is below 2, or `map_seed` below 0.
    """

    num_keys: int = 127
    map_seed: int = 0
    train_lengths: tuple[int, int] = (32, 32)
    test_lengths: tuple[int, ...] = (2, 8, 16, 32, 64, 100)

    def __post_init__(self):
        check_at_least(self, 2, "num_keys")
        check_at_least(self, 0, "map_seed")

    @classmethod
    def published(cls) -> "MADMemorisation":
        """A vocabulary of 256 and L = 32; Poli et al. 2024. Transformer 85.2, Mamba 89.5, DeltaNet 52.8 %.

        >>> MADMemorisation.published().num_keys
        127
        """
        return cls(num_keys=127, train_lengths=(32, 32), test_lengths=(32,))

    def make(self) -> Task:
        """The task of this configuration; 32 tokens are trained on."""
        return make_task(
            self,
            draw,
            answer,
            floors,
            io=IO(num_classes=self.num_keys, vocab_size=self.num_keys + 1),
            lengths={"smallest": 2, "step": 2},
            chance="uniform",
            train_lengths=self.train_lengths,
            test_lengths=self.test_lengths,
            length_unit="tokens",
            source="Poli et al. 2024, arXiv 2403.17844",
        )

    def values(self) -> np.ndarray:
        """[num_keys] int32: the value of each key, a permutation.

        >>> sorted(MADMemorisation(num_keys=4).values().tolist())
        [0, 1, 2, 3]
        """
        # RandomState, not default_rng: NumPy promises that its stream never changes, so the map never does.
        return np.random.RandomState(self.map_seed).permutation(self.num_keys).astype(np.int32)


def draw(config: MADMemorisation, key: Key, batch_size: int, length: int | Array, max_length: int) -> Batch:
    """Draws sequences of `length` tokens.

    Reference: Poli et al. 2024, arXiv 2403.17844, section 3.1 and github.com/athms/mad-lab.
    """
    keys = jax.random.randint(key, (batch_size, max_length // 2), 0, config.num_keys, jnp.int32)
    values = jnp.asarray(config.values())[keys]
    asking = jnp.full_like(keys, config.num_keys)
    valid = first_places(batch_size, max_length, length)
    scored = valid & (jnp.arange(max_length) % 2 == 1)
    inputs, targets = (jnp.stack([keys, at], axis=-1).reshape(valid.shape) for at in (asking, values))
    return Batch.of(inputs, targets, scored, valid)


def answer(config: MADMemorisation, tokens: list[int]) -> list[int]:
    """Looks the token before each asking token up in the map, as a dictionary.

    >>> config = MADMemorisation(num_keys=4)
    >>> answer(config, [2, 4, 0, 4])[1::2] == config.values()[[2, 0]].tolist()
    True
    """
    value_of = dict(enumerate(config.values().tolist()))
    before = [0, *tokens]
    return [value_of[key] if token == config.num_keys else 0 for key, token in zip(before, tokens, strict=False)]


def floors(config: MADMemorisation, length: int) -> dict[str, Floor]:
    """uniform: 1 / 127, ln 127 = 4.844. The map is one to one, so that no constant and no place says more.

    >>> round(floors(MADMemorisation(), 32)["uniform"].loss, 3)
    4.844
    """
    return {"uniform": uniform_floor(config.num_keys)}
