"""Sums modulo m: asked once, at every number, or written down one after the other before the last is said.

    outcome    inputs  x1 x2 ... xL empty                  targets   .  .  ...  .  sL          s_t = x1 + ... + xt mod m
    steps      inputs  x1 x2 ... xL                        targets  s1 s2  ... sL
    written    inputs  x1 x2 ... xL empty s1 ... s(L-1)    targets   .  .  ...  .  s1 s2 ... sL

Three ways to supervise the same state: by its outcome, by labels aligned with the numbers, by a chain of thought. A
recurrence shares one step among all of them; attention gets along with the written chain, where a sum is one look-up.
"""

import itertools
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Split, Task, TaskConfig, TaskSpec
from attn_jax.tasks.floors import first_token_floor, uniform_floor
from attn_jax.tasks.sampling import check_max_length, first_places, length_range, split_key
from attn_jax.tasks.strings import Strings, strings_pairs
from attn_jax.types import IO, Array, Batch, Key, Pairs

Labels = Literal["outcome", "steps", "written"]


@dataclass(frozen=True)
class ModularSum(TaskConfig):
    """The sum of L uniform numbers below m, modulo m; tokens are the numbers and, as m, the empty token.

    labels="outcome": the numbers, then one empty token at which alone the sum is asked; L + 1 tokens, L >= 1. No
    predictor that lacks a single number is better than 1 / m, so chance is "uniform".

    labels="steps": each prefix's sum, asked at its last number; L tokens, L >= 2. The first sum is the first number, so
    that a predictor that sees its own token and place is right (1 + (L - 1) / m) / L of the time; chance is this
    "memoryless" floor, which is perfect at L = 1.

    labels="written": the numbers, the empty token, and then the sums, each read as input before the next is asked, in
    training and in scoring alike (teacher forcing): 2 L tokens, L >= 1, chance "uniform", since each sum is independent
    of the one before. It also gives pairs, numbers -> sums, whose greedy decoding writes the chain itself.

    The source writes of outcome, chain of thought and aligned chain of thought; the empty token, which the recurrent
    state passes through, is as in `Parity`. With m = 2 outcome and steps are `Parity`.

    Args:
      modulus: m.
      labels: "outcome", "steps" or "written".

    Raises:
      ValueError: `modulus` is below 2, or `labels` is none of the three.
    """

    modulus: int = 5
    labels: Labels = "outcome"

    def __post_init__(self):
        if self.modulus < 2:
            raise ValueError(f"ModularSum: modulus is {self.modulus}, wanted at least 2")
        if self.labels not in get_args(Labels):
            raise ValueError(f"ModularSum: labels is {self.labels!r}, wanted one of {', '.join(get_args(Labels))}")

    def make(self) -> Task:
        """The task of this configuration."""
        return Task(
            partial(sample, self),
            partial(floors, self),
            partial(solve, self),
            spec(self),
            partial(pairs, self) if self.labels == "written" else None,
        )


def spec(config: ModularSum) -> TaskSpec:
    """What a study must know; 2 to 20 numbers are trained on, and 100 asked for, 50 where the chain is written.

    >>> spec(ModularSum()).io, spec(ModularSum(labels="steps")).chance
    (IO(num_classes=5, vocab_size=6, channels=None, out_channels=None), 'memoryless')
    """
    steps, written = config.labels == "steps", config.labels == "written"
    return TaskSpec(
        io=IO(num_classes=config.modulus, vocab_size=config.modulus + (not steps)),
        metric="accuracy",
        chance="memoryless" if steps else "uniform",
        best=1.0,
        threshold=0.95,
        train_lengths=(2, 20),
        test_lengths=(2, 5, 10, 15, 20, 30, 40, 50) if written else (2, 5, 10, 20, 30, 40, 60, 80, 100),
        length_unit="numbers",
        lengths=partial(length_range, smallest=_smallest(config)),
        num_tokens=partial(num_tokens, config),
        source="Ebrahimi et al. 2026, arXiv 2602.18333",
        pairs_vocab_size=config.modulus + 2 if written else None,
    )


def _smallest(config: ModularSum) -> int:
    """The shortest length at which chance is below perfection."""
    return 2 if config.labels == "steps" else 1


def num_tokens(config: ModularSum, length: int) -> int:
    """L + 1 with the answer's place, L where labels are aligned, 2 L where sums are written.

    >>> [num_tokens(ModularSum(labels=labels), 20) for labels in ("outcome", "steps", "written")]
    [21, 20, 40]
    """
    return {"outcome": length + 1, "steps": length, "written": 2 * length}[config.labels]


def sample(
    config: ModularSum,
    key: Key,
    batch_size: int,
    length: int | Array,
    max_length: int,
    *,
    split: Split = "train",
) -> Batch:
    """Draws sequences of `length` uniform numbers, padded to those of `max_length`.

    Args:
      config: the task.
      key: a typed key.
      batch_size: B.
      length: L, at most max_length; may be traced, and is then trusted.
      max_length: static; T = num_tokens(config, max_length).
      split: picks the stream.

    Returns:
      A batch of inputs [B, T] int32 in [0, m], m the empty token, and targets [B, T] int32 in [0, m).

    Raises:
      ValueError: `max_length` is too small, or `split` is unknown.

    >>> sample(ModularSum(labels="written"), jax.random.key(0), 2, 5, 7).inputs.shape
    (2, 14)

    Reference: Ebrahimi et al. 2026, arXiv 2602.18333.
    """
    numbers, sums = _draw(config, key, batch_size, max_length, split)
    num_places = num_tokens(config, max_length)
    inputs, targets = (jnp.pad(values, ((0, 0), (0, num_places - max_length))) for values in (numbers, sums))
    place = jnp.arange(num_places)
    end = 2 * length if config.labels == "written" else length + num_places - max_length
    valid = first_places(batch_size, num_places, end)
    is_number = place < length
    if config.labels == "written":
        # The sums move `length` places to the right as answers, one more as inputs; none of them leaves 2 max_length.
        targets = jax.lax.dynamic_update_slice_in_dim(jnp.zeros_like(targets), sums, length, axis=1)
        inputs = jnp.where(is_number, inputs, jnp.pad(targets[:, :-1], ((0, 0), (1, 0))))
        inputs = jnp.where(place == length, config.modulus, inputs)
    elif config.labels == "outcome":
        total = jax.lax.dynamic_index_in_dim(sums, length - 1, axis=1)
        inputs, targets = jnp.where(is_number, inputs, config.modulus), jnp.broadcast_to(total, inputs.shape)
    scored = valid if config.labels == "steps" else valid & ~is_number
    return Batch(
        inputs=jnp.where(valid, inputs, 0),
        targets=jnp.where(scored, targets, 0),
        weights=scored.astype(jnp.float32),
        scored=scored,
        valid=valid,
    )


def _draw(config: ModularSum, key: Key, batch_size: int, max_length: int, split: Split) -> tuple[Array, Array]:
    """Numbers and the sums of their prefixes, [B, max_length] each."""
    check_max_length(max_length, smallest=_smallest(config))
    numbers = jax.random.randint(split_key(key, split), (batch_size, max_length), 0, config.modulus, jnp.int32)
    return numbers, jnp.cumsum(numbers, axis=1) % config.modulus


def pairs(
    config: ModularSum,
    key: Key,
    batch_size: int,
    length: int | Array,
    max_length: int,
    *,
    split: Split = "train",
) -> Pairs:
    """The numbers as source and their sums as target, those of `sample` with labels="written" and the same key.

    Args:
      config: the task.
      key: a typed key.
      batch_size: B.
      length: L, at most max_length; may be traced, and is then trusted.
      max_length: static; S = max_length, T = max_length + 1.
      split: picks the stream.

    Returns:
      Pairs of ids below m + 2: BOS is m, EOS m + 1.

    Raises:
      ValueError: `max_length` is below 1, or `split` is unknown.

    >>> pairs(ModularSum(labels="written"), jax.random.key(0), 2, 3, 4).target.shape
    (2, 5)
    """
    numbers, sums = _draw(config, key, batch_size, max_length, split)
    return strings_pairs(Strings(numbers, length, sums, length), bos=config.modulus)


def solve(config: ModularSum, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Adds up the numbers before the first empty token in Python, whatever sums may be written after it.

    Args:
      config: the task.
      inputs: [B, T] int, whole sequences or prefixes.
      valid: [B, T] bool.

    Returns:
      [B, T] int32 classes, 0 where nothing is asked.

    >>> solve(ModularSum(), np.array([[4, 3, 5]]), np.ones((1, 3), bool)).tolist()
    [[0, 0, 2]]
    >>> solve(ModularSum(labels="steps"), np.array([[4, 3, 1]]), np.ones((1, 3), bool)).tolist()
    [[4, 2, 3]]
    >>> solve(ModularSum(labels="written"), np.array([[4, 3, 5, 4]]), np.ones((1, 4), bool)).tolist()
    [[0, 0, 4, 2]]
    """
    targets = np.zeros(inputs.shape, np.int32)
    for row, (tokens, used) in enumerate(zip(inputs.tolist(), valid.sum(axis=1), strict=True)):
        numbers = list(itertools.takewhile(config.modulus.__ne__, tokens[:used]))
        sums = [total % config.modulus for total in itertools.accumulate(numbers)]
        start, said = {
            "outcome": (len(numbers), sums[-1:]),
            "steps": (0, sums),
            "written": (len(numbers), sums),
        }[config.labels]
        said = said[: used - start]
        targets[row, start : start + len(said)] = said
    return targets


def floors(config: ModularSum, length: int) -> dict[str, Floor]:
    """All classes alike, and where labels are aligned also the first number and a guess for the rest.

    uniform: accuracy 1 / m, loss ln m. memoryless: accuracy (1 + (L - 1) / m) / L, loss (L - 1) ln(m) / L.

    Args:
      config: the task.
      length: L, numbers.

    Returns:
      The floors by name.

    >>> {name: floor.metric for name, floor in floors(ModularSum(labels="steps"), 4).items()}
    {'uniform': 0.2, 'memoryless': 0.4}
    """
    found = {"uniform": uniform_floor(config.modulus)}
    if config.labels == "steps":
        found["memoryless"] = first_token_floor(config.modulus, length)
    return found
