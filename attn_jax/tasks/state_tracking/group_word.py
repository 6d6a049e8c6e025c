"""The group word problem: after each element of a word over a finite group, the product of all so far.

    inputs    g1   g2     g3       ...  gL
    targets   g1  g1 g2  g1 g2 g3  ...  g1 ... gL

State tracking in its purest form. One step of a nonlinear recurrence multiplies; over A5 and S5, which are not
solvable, attention and diagonal linear recurrences of a fixed depth cannot at every length (unless TC0 = NC1). Z60,
A4 x Z5 and A5 have 60 elements each, and so the same floors: abelian, solvable, and neither.
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.fields import check_one_of
from attn_jax.tasks.floors import first_token_floor, uniform_floor
from attn_jax.tasks.laws.groups import Group, division_table, permutations
from attn_jax.tasks.make_task import make_task
from attn_jax.tasks.sampling import first_places
from attn_jax.types import IO, Array, Batch, Key


@dataclass(frozen=True)
class GroupWord(TaskConfig):
    """L elements drawn uniformly from a group; the running product is asked at every place.

    Tokens and classes are the elements, numbered as in `groups.permutations`: 0 is the identity. As in the source's
    code the new element is multiplied from the right; products act from left to right, so that the element read first
    moves first. Lengths start at 2: at 1 the answer is the token itself.

    Score: as in the source a sequence counts where every place is right, solved from .9 on. metric="accuracy" counts
    places instead; there a predictor without memory, that copies the first token and guesses the rest, has
    (1 + (L - 1) / |G|) / L. It is chance in both.

    The defaults are the published sizes: 60 elements, words of up to 20. The source trains one model a length, on words
    of that length and of two elements; here the training lengths are mixed.

    Args:
      group: "z60", "a4xz5" and "a5" of 60 elements, "s3" of 6 or "s5" of 120.
      metric: "exact_match", the share of sequences right at every place, or "accuracy", the share of places.

    Raises:
      ValueError: `group` or `metric` is none of these.
    """

    group: Group = "a5"
    metric: Literal["exact_match", "accuracy"] = "exact_match"

    def __post_init__(self):
        check_one_of(self, "group", "metric")

    def make(self) -> Task:
        """The task of this configuration; 2 to 20 elements are trained on, and 40 asked for."""
        order = len(permutations(self.group))
        return make_task(
            self,
            draw,
            answer,
            floors,
            io=IO(num_classes=order, vocab_size=order),
            lengths={"smallest": 2},
            metric=self.metric,
            chance="memoryless",
            threshold=0.9,
            train_lengths=(2, 20),
            test_lengths=(2, 5, 10, 15, 20, 25, 30, 40),
            length_unit="elements",
            source="Merrill et al. 2024, arXiv 2404.08819",
        )


def draw(config: GroupWord, key: Key, batch_size: int, length: int | Array, max_length: int) -> Batch:
    """Draws words of `length` uniform elements.

    Drawn are the products p_t, not the elements: g_t = p_(t-1)^-1 p_t is a bijection of words, so that uniform products
    are products of a uniform word, and no scan over the word is needed.

    Reference: Merrill et al. 2024, arXiv 2404.08819, section 5.
    """
    divide = jnp.asarray(division_table(config.group))
    products = jax.random.randint(key, (batch_size, max_length), 0, len(divide), jnp.int32)
    before = jnp.pad(products[:, :-1], ((0, 0), (1, 0)))  # 0 is the identity, with which a word begins
    valid = first_places(batch_size, max_length, length)
    return Batch.of(divide[before, products], products, valid, valid)


def answer(config: GroupWord, tokens: list[int]) -> list[int]:
    """Moves the points one element after the other, and looks up who has moved them so.

    >>> answer(GroupWord("s3"), [1, 2, 3])
    [1, 3, 4]
    """
    elements = [tuple(element) for element in permutations(config.group).tolist()]
    number = {element: g for g, element in enumerate(elements)}
    points, said = elements[0], []
    for token in tokens:
        points = tuple(map(elements[token].__getitem__, points))
        said.append(number[points])
    return said


def floors(config: GroupWord, length: int) -> dict[str, Floor]:
    """All elements alike; and the first token copied, the rest guessed.

    uniform: loss ln |G|, 4.094 for 60 elements; exact match |G|^-L, accuracy 1 / |G|. memoryless: the first product is
    the first token, every later one is independent of its own token; loss (L - 1) ln(|G|) / L, exact match
    |G|^-(L - 1), accuracy (1 + (L - 1) / |G|) / L.

    >>> {name: round(floor.value, 4) for name, floor in floors(GroupWord("s3"), 2).items()}
    {'uniform': 0.0278, 'memoryless': 0.1667}
    >>> round(floors(GroupWord("a5", metric="accuracy"), 5)["memoryless"].value, 4)
    0.2133
    """
    order = len(permutations(config.group))
    uniform, memoryless = uniform_floor(order), first_token_floor(order, length)
    if config.metric == "exact_match":
        uniform = uniform._replace(value=float(order) ** -length)
        memoryless = memoryless._replace(value=float(order) ** (1 - length))
    return {"uniform": uniform, "memoryless": memoryless}
