"""Copy a string, forwards or backwards: two mirrors, so that neither order of memory is favoured.

    inputs    x1 x2 ... xL | empty x L
    forward    .  . ...  . | x1 x2 ... xL
    reversed   .  . ...  . | xL ... x2 x1

Backwards is what a stack gives, forwards what a queue gives; attention points at either place, once it can count.
"""

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.counts import commonest_floor
from attn_jax.tasks.fields import check_at_least, check_one_of
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.string_task import letters, string_task
from attn_jax.tasks.strings import Strings
from attn_jax.types import Array, Key


@dataclass(frozen=True)
class Copy(TaskConfig):
    """L letters, then L empty places at which they are said again: 2 L tokens, scored at the empty places.

    Tokens: letters 0 .. alphabet - 1, the empty token `alphabet`; classes are letters.

    Chance is "most_frequent_letter", the plateau of a model that knows how often each letter was read but not where:
    E[max c] / L, for two letters .688 at L = 5, .588 at 20 and .528 over 41 .. 500, where published scores lie that are
    called unsolved. A guess, "uniform", is 1 / alphabet whatever the place and the length. At L = 1 the plateau is the
    answer, so lengths start at 2.

    Two letters are those of Deletang et al. (reversed; lengths 1 to 40 to train, 41 to 500 to test) and of
    tensor2tensor's binary40 problems (both orders; 1 to 40, then up to 400); ten are its decimal40 ones. The default
    lengths are shorter, so that a laptop trains them in a minute.

    Args:
      order: "forward", as the letters were read, or "reversed", the last one first.
      alphabet: the number of letters.

    Raises:
      ValueError: `order` is neither, or `alphabet` is below 2.
    """

    order: Literal["forward", "reversed"] = "forward"
    alphabet: int = 2

    def __post_init__(self):
        check_one_of(self, "order")
        check_at_least(self, 2, "alphabet")

    def make(self) -> Task:
        """The task of this configuration; 2 to 20 letters are trained on, and 50 asked for."""
        return string_task(
            self,
            draw,
            answer,
            floors,
            num_classes=self.alphabet,
            empty=self.alphabet,
            num_tokens=lambda length: 2 * length,  # the letters, then a place for each
            num_answered=lambda num_tokens: num_tokens // 2,
            lengths={"smallest": 2},
            chance="most_frequent_letter",
            train_lengths=(2, 20),
            test_lengths=(2, 5, 10, 15, 20, 25, 30, 40, 50),
            length_unit="letters",
            source="Deletang et al. 2023, arXiv 2207.02098"
            if self.order == "reversed"
            else "Vaswani et al. 2018, arXiv 1803.07416: tensor2tensor's algorithmic identity",
        )


def draw(config: Copy, key: Key, batch_size: int, length: int | Array, max_length: int) -> Strings:
    """The letters, and the same in the order of the answer."""
    read = letters(key, batch_size, max_length, config.alphabet)
    # Turning the whole row around leaves max_length - length ignored letters in front: the roll takes them to the end.
    said = jnp.roll(read[:, ::-1], length - max_length, axis=1) if config.order == "reversed" else read
    return Strings(read, length, said, length)


def answer(config: Copy, question: list[int]) -> list[int]:
    """Says the list, or its reverse.

    >>> answer(Copy(), [1, 0, 0]), answer(Copy(order="reversed"), [1, 0, 0])
    ([1, 0, 0], [0, 0, 1])
    """
    return list(reversed(question)) if config.order == "reversed" else question


def floors(config: Copy, length: int) -> dict[str, Floor]:
    """A guess, and the letter that was read most often: every letter is uniform at every place.

    uniform: 1 / alphabet, and place and length add nothing to it. most_frequent_letter, ties alike: E[max c] / L, c_v
    of the L letters v; no loss.

    >>> {name: round(floor.value, 4) for name, floor in floors(Copy(), 5).items()}
    {'uniform': 0.5, 'most_frequent_letter': 0.6875}
    """
    return {"uniform": uniform_floor(config.alphabet), "most_frequent_letter": commonest_floor(length, config.alphabet)}
