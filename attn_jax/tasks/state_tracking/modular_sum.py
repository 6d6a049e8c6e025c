"""Sums modulo m: asked once, at every number, or written down one after the other before the last is said.

    outcome    inputs  x1 x2 ... xL empty                  targets   .  .  ...  .  sL          s_t = x1 + ... + xt mod m
    steps      inputs  x1 x2 ... xL                        targets  s1 s2  ... sL
    written    inputs  x1 x2 ... xL empty s1 ... s(L-1)    targets   .  .  ...  .  s1 s2 ... sL

Three ways to supervise the same state: by its outcome, by labels aligned with the numbers, by a chain of thought. A
recurrence shares one step among all of them; attention gets along with the written chain, where a sum is one look-up.
"""

import itertools
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.fields import check_at_least, check_one_of
from attn_jax.tasks.floors import first_token_floor, uniform_floor
from attn_jax.tasks.make_task import make_task, one_answer
from attn_jax.tasks.sampling import first_places
from attn_jax.tasks.string_task import letters
from attn_jax.tasks.strings import Strings
from attn_jax.types import IO, Array, Batch, Key

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
    of the one before. It also gives strings, numbers -> sums, whose greedy decoding writes the chain itself.

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
        check_at_least(self, 2, "modulus")
        check_one_of(self, "labels")

    def num_tokens(self, length: int) -> int:
        """L + 1 with the answer's place, L where labels are aligned, 2 L where sums are written."""
        return {"outcome": length + 1, "steps": length, "written": 2 * length}[self.labels]

    def make(self) -> Task:
        """The task of this configuration; 2 to 20 numbers are trained on; 100 are asked for, or 50 written."""
        steps, written = self.labels == "steps", self.labels == "written"
        return make_task(
            self,
            draw,
            answer,
            floors,
            io=IO(num_classes=self.modulus, vocab_size=self.modulus + (not steps)),
            num_tokens=self.num_tokens,
            num_answered=None if steps else (lambda num_tokens: num_tokens // 2) if written else one_answer,
            lengths={"smallest": 2 if steps else 1},  # with one number a step is known before it is taken
            strings=strings if written else None,
            bos=self.modulus,
            chance="memoryless" if steps else "uniform",
            train_lengths=(2, 20),
            test_lengths=(2, 5, 10, 15, 20, 30, 40, 50) if written else (2, 5, 10, 20, 30, 40, 60, 80, 100),
            length_unit="numbers",
            source="Ebrahimi et al. 2026, arXiv 2602.18333",
        )


def draw(config: ModularSum, key: Key, batch_size: int, length: int | Array, max_length: int) -> Batch:
    """Draws sequences of `length` uniform numbers."""
    numbers, _, sums, _ = strings(config, key, batch_size, length, max_length)
    num_places = config.num_tokens(max_length)
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
    return Batch.of(inputs, targets, scored, valid)


def strings(config: ModularSum, key: Key, batch_size: int, length: int | Array, max_length: int) -> Strings:
    """The numbers, and the sums of their prefixes."""
    numbers = letters(key, batch_size, max_length, config.modulus)
    return Strings(numbers, length, jnp.cumsum(numbers, axis=1) % config.modulus, length)


def answer(config: ModularSum, tokens: list[int]) -> list[int]:
    """Adds up the numbers before the first empty token in Python, whatever sums may be written after it.

    >>> answer(ModularSum(), [4, 3, 5]), answer(ModularSum(labels="steps"), [4, 3, 1])
    ([0, 0, 2], [4, 2, 3])
    >>> answer(ModularSum(labels="written"), [4, 3, 5, 4])
    [0, 0, 4, 2]
    """
    numbers = list(itertools.takewhile(config.modulus.__ne__, tokens))
    sums = [total % config.modulus for total in itertools.accumulate(numbers)]
    said = {"outcome": [0] * len(numbers) + sums[-1:], "steps": sums, "written": [0] * len(numbers) + sums}
    return said[config.labels]


def floors(config: ModularSum, length: int) -> dict[str, Floor]:
    """All classes alike, and where labels are aligned also the first number and a guess for the rest.

    uniform: accuracy 1 / m, loss ln m. memoryless: accuracy (1 + (L - 1) / m) / L, loss (L - 1) ln(m) / L.

    >>> {name: floor.value for name, floor in floors(ModularSum(labels="steps"), 4).items()}
    {'uniform': 0.2, 'memoryless': 0.4}
    """
    found = {"uniform": uniform_floor(config.modulus)}
    if config.labels == "steps":
        found["memoryless"] = first_token_floor(config.modulus, length)
    return found
