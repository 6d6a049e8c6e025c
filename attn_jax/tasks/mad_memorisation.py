"""MAD's memorisation: a fixed map of keys to values, which no sequence shows; the weights must hold it.

    inputs     k7 ? k2 ? k7 ? k9 ?      (? the token at which the value is asked)
    targets     . v4 . v1 . v4 . v8

The counterpart of recall: nothing in the context helps, what counts is how much the layers can store.
MAD has six tasks; the sixth, compression, is a bottleneck in the model and no task of its own, and is left out here.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Split, Task, TaskConfig, TaskSpec
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.sampling import check_max_length, first_places, length_range, split_key
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
        for name, least in (("num_keys", 2), ("map_seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"MADMemorisation: {name} is {getattr(self, name)}, wanted at least {least}")

    @classmethod
    def published(cls) -> "MADMemorisation":
        """A vocabulary of 256 and L = 32; Poli et al. 2024. Transformer 85.2, Mamba 89.5, DeltaNet 52.8 %.

        >>> MADMemorisation.published().num_keys
        127
        """
        return cls(num_keys=127, train_lengths=(32, 32), test_lengths=(32,))

    def make(self) -> Task:
        """The task of this configuration."""
        return Task(partial(sample, self), partial(floors, self), partial(solve, self), spec(self))

    def values(self) -> np.ndarray:
        """[num_keys] int32: the value of each key, a permutation.

        >>> sorted(MADMemorisation(num_keys=4).values().tolist())
        [0, 1, 2, 3]
        """
        # RandomState, not default_rng: NumPy promises that its stream never changes, so the map never does.
        return np.random.RandomState(self.map_seed).permutation(self.num_keys).astype(np.int32)


def spec(config: MADMemorisation) -> TaskSpec:
    """What a study must know; 32 tokens are trained on.

    >>> spec(MADMemorisation()).io.vocab_size, spec(MADMemorisation()).io.num_classes
    (128, 127)
    """
    return TaskSpec(
        io=IO(num_classes=config.num_keys, vocab_size=config.num_keys + 1),
        metric="accuracy",
        chance="uniform",
        best=1.0,
        threshold=0.95,
        train_lengths=config.train_lengths,
        test_lengths=config.test_lengths,
        length_unit="tokens",
        lengths=partial(length_range, smallest=2, step=2),
        num_tokens=num_tokens,
        source="Poli et al. 2024, arXiv 2403.17844",
    )


def num_tokens(length: int) -> int:
    """L: a key and an asking token for each two.

    >>> num_tokens(32)
    32
    """
    return length


def sample(
    config: MADMemorisation,
    key: Key,
    batch_size: int,
    length: int | Array,
    max_length: int,
    *,
    split: Split = "train",
) -> Batch:
    """Draws sequences of `length` tokens, padded to those of `max_length`.

    Args:
      config: the task.
      key: a typed key.
      batch_size: B.
      length: L, even, 2 <= L <= max_length; may be traced, and is then trusted.
      max_length: static, even; T = max_length.
      split: picks the stream.

    Returns:
      A batch of inputs [B, T] int32 in [0, num_keys] and targets [B, T] int32 in [0, num_keys).

    Raises:
      ValueError: `max_length` is odd or below 2, or `split` is unknown.

    >>> sample(MADMemorisation(), jax.random.key(0), 2, 6, 8).inputs.shape
    (2, 8)

    Reference: Poli et al. 2024, arXiv 2403.17844, section 3.1 and github.com/athms/mad-lab.
    """
    check_max_length(max_length, smallest=2, step=2)
    keys = jax.random.randint(split_key(key, split), (batch_size, max_length // 2), 0, config.num_keys, jnp.int32)
    values = jnp.asarray(config.values())[keys]
    asking = jnp.full_like(keys, config.num_keys)
    valid = first_places(batch_size, max_length, length)
    scored = valid & (jnp.arange(max_length) % 2 == 1)
    return Batch(
        inputs=jnp.where(valid, jnp.stack([keys, asking], axis=-1).reshape(valid.shape), 0),
        targets=jnp.where(scored, jnp.stack([keys, values], axis=-1).reshape(valid.shape), 0),
        weights=scored.astype(jnp.float32),
        scored=scored,
        valid=valid,
    )


def solve(config: MADMemorisation, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Looks the token before each asking token up in the map, as a dictionary.

    Args:
      config: the task.
      inputs: [B, T] int, whole sequences or prefixes.
      valid: [B, T] bool.

    Returns:
      [B, T] int32 classes, 0 where nothing is asked.

    >>> config = MADMemorisation(num_keys=4)
    >>> answers = solve(config, np.array([[2, 4, 0, 4]]), np.ones((1, 4), bool))
    >>> bool((answers[0, 1::2] == config.values()[[2, 0]]).all())
    True
    """
    value_of = dict(enumerate(config.values().tolist()))
    targets = np.zeros(inputs.shape, np.int32)
    for row, place in np.argwhere((inputs == config.num_keys) & valid).tolist():
        targets[row, place] = value_of[int(inputs[row, place - 1])]
    return targets


def floors(config: MADMemorisation, length: int) -> dict[str, Floor]:
    """uniform: 1 / 127, ln 127 = 4.844. The map is one to one, so that no constant and no place says more.

    Args:
      config: the task.
      length: L; the floor does not depend on it.

    Returns:
      The floor by name.

    >>> round(floors(MADMemorisation(), 32)["uniform"].loss, 3)
    4.844
    """
    return {"uniform": uniform_floor(config.num_keys)}
