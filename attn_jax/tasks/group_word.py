"""The group word problem: after each element of a word over a finite group, the product of all so far.

    inputs    g1   g2     g3       ...  gL
    targets   g1  g1 g2  g1 g2 g3  ...  g1 ... gL

State tracking in its purest form. One step of a nonlinear recurrence multiplies; over A5 and S5, which are not
solvable, attention and diagonal linear recurrences of a fixed depth cannot at every length (unless TC0 = NC1). Z60,
A4 x Z5 and A5 have 60 elements each, and so the same floors: abelian, solvable, and neither.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Split, Task, TaskConfig, TaskSpec
from attn_jax.tasks.floors import first_token_floor, uniform_floor
from attn_jax.tasks.groups import Group, division_table, permutations
from attn_jax.tasks.sampling import check_max_length, first_places, length_range, split_key
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
        for name, known in (("group", get_args(Group)), ("metric", ("exact_match", "accuracy"))):
            if getattr(self, name) not in known:
                raise ValueError(f"GroupWord: {name} is {getattr(self, name)!r}, wanted one of {', '.join(known)}")

    def make(self) -> Task:
        """The task of this configuration."""
        return Task(partial(sample, self), partial(floors, self), partial(solve, self), spec(self))


def spec(config: GroupWord) -> TaskSpec:
    """What a study must know; 2 to 20 elements are trained on, and 40 asked for.

    >>> spec(GroupWord("s3")).io.num_classes, spec(GroupWord()).chance
    (6, 'memoryless')
    """
    order = len(permutations(config.group))
    return TaskSpec(
        io=IO(num_classes=order, vocab_size=order),
        metric=config.metric,
        chance="memoryless",
        best=1.0,
        threshold=0.9,
        train_lengths=(2, 20),
        test_lengths=(2, 5, 10, 15, 20, 25, 30, 40),
        length_unit="elements",
        lengths=partial(length_range, smallest=2),
        num_tokens=num_tokens,
        source="Merrill et al. 2024, arXiv 2404.08819",
    )


def num_tokens(length: int) -> int:
    """One place an element.

    >>> num_tokens(20)
    20
    """
    return length


def sample(
    config: GroupWord,
    key: Key,
    batch_size: int,
    length: int | Array,
    max_length: int,
    *,
    split: Split = "train",
) -> Batch:
    """Draws words of `length` uniform elements, padded to `max_length`.

    Drawn are the products p_t, not the elements: g_t = p_(t-1)^-1 p_t is a bijection of words, so that uniform products
    are products of a uniform word, and no scan over the word is needed.

    Args:
      config: the task.
      key: a typed key.
      batch_size: B.
      length: L, 2 <= length <= max_length; may be traced, and is then trusted.
      max_length: static; T = max_length.
      split: picks the stream.

    Returns:
      A batch of inputs and targets [B, T] int32 in [0, |G|).

    Raises:
      ValueError: `max_length` is below 2, or `split` is unknown.

    >>> sample(GroupWord(), jax.random.key(0), 2, 5, 7).inputs.shape
    (2, 7)

    Reference: Merrill et al. 2024, arXiv 2404.08819, section 5.
    """
    check_max_length(max_length, smallest=2)
    divide = jnp.asarray(division_table(config.group))
    products = jax.random.randint(split_key(key, split), (batch_size, max_length), 0, len(divide), jnp.int32)
    before = jnp.pad(products[:, :-1], ((0, 0), (1, 0)))  # 0 is the identity, with which a word begins
    valid = first_places(batch_size, max_length, length)
    return Batch(
        inputs=jnp.where(valid, divide[before, products], 0),
        targets=jnp.where(valid, products, 0),
        weights=valid.astype(jnp.float32),
        scored=valid,
        valid=valid,
    )


def solve(config: GroupWord, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Moves the points one element after the other, and looks up who has moved them so.

    Args:
      config: the task.
      inputs: [B, T] int, whole words or prefixes.
      valid: [B, T] bool.

    Returns:
      [B, T] int32 classes; 0 at padding.

    >>> solve(GroupWord("s3"), np.array([[1, 2, 3]]), np.ones((1, 3), bool)).tolist()
    [[1, 3, 4]]
    """
    elements = [tuple(element) for element in permutations(config.group).tolist()]
    number = {element: g for g, element in enumerate(elements)}
    targets = np.zeros(inputs.shape, np.int32)
    for row, (word, used) in enumerate(zip(inputs.tolist(), valid.sum(axis=1), strict=True)):
        points = elements[0]
        for t in range(used):
            points = tuple(map(elements[word[t]].__getitem__, points))
            targets[row, t] = number[points]
    return targets


def floors(config: GroupWord, length: int) -> dict[str, Floor]:
    """All elements alike; and the first token copied, the rest guessed.

    uniform: loss ln |G|, 4.094 for 60 elements; exact match |G|^-L, accuracy 1 / |G|. memoryless: the first product is
    the first token, every later one is independent of its own token; loss (L - 1) ln(|G|) / L, exact match
    |G|^-(L - 1), accuracy (1 + (L - 1) / |G|) / L.

    Args:
      config: the task.
      length: L, elements.

    Returns:
      The floors by name.

    >>> {name: round(floor.metric, 4) for name, floor in floors(GroupWord("s3"), 2).items()}
    {'uniform': 0.0278, 'memoryless': 0.1667}
    >>> round(floors(GroupWord("a5", metric="accuracy"), 5)["memoryless"].metric, 4)
    0.2133
    """
    order = len(permutations(config.group))
    uniform, memoryless = uniform_floor(order), first_token_floor(order, length)
    if config.metric == "exact_match":
        uniform = uniform._replace(metric=float(order) ** -length)
        memoryless = memoryless._replace(metric=float(order) ** (1 - length))
    return {"uniform": uniform, "memoryless": memoryless}
