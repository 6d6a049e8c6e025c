"""Binary addition: two numbers, lowest bits first, and their sum.

    inputs    a1 ... a_la 2 b1 ... b_lb | empty x (L + 1)                  l_a + 1 + l_b = L
    targets    . ...   .  .  . ...   .  | s1 ... sn end .  .

One bit is carried along the answer, but what is added lies apart, at a distance that differs from row to row.
"""

import operator
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from attn_jax.tasks.base import Floor, Split, Task, TaskConfig, TaskSpec
from attn_jax.tasks.binary_operands import EMPTY, END, SMALLEST, draw_operands, num_significant, solve_operands
from attn_jax.tasks.carry import add
from attn_jax.tasks.floors import guess_floor, uniform_floor
from attn_jax.tasks.sampling import length_range
from attn_jax.tasks.strings import Strings, strings_batch, strings_pairs
from attn_jax.types import IO, Array, Batch, Key, Pairs


@dataclass(frozen=True)
class BinaryAddition(TaskConfig):
    """The question "a 2 b" of L tokens, then L + 1 empty places: 2 L + 1 tokens, scored up to the answer's end.

    l_a is uniform on 1 .. L - 2 and l_b = L - 1 - l_a, for each row; a is uniform on 1 .. 2^l_a - 1, b likewise, each
    zero-filled to its places. Tokens: bits 0 and 1, 2 between the operands, 3 empty. Classes: the bits, and 2 as the
    end. The answer is a + b without trailing zeros, then the end; what comes after is neither scored nor trained (the
    source trains it, as zeros, and masks it from the accuracy). The sum has at most L - 1 bits, so that the last place
    is never used: the source has it too.

    Chance is "position_and_length", the likeliest class at each place. Lengths go from 4: at 3 the only question is
    1 + 1, and chance would be perfect. The source trains up to 40 and tests from 41 to 500; the default lengths are
    shorter.
    """

    def make(self) -> Task:
        """The task of this configuration."""
        return Task(
            partial(sample, self), partial(floors, self), partial(solve, self), spec(self), partial(pairs, self)
        )


def spec(config: BinaryAddition) -> TaskSpec:
    """What a study must know; questions of 4 to 20 tokens are trained on, and 50 asked for.

    >>> spec(BinaryAddition()).io, spec(BinaryAddition()).pairs_vocab_size
    (IO(num_classes=3, vocab_size=4, channels=None, out_channels=None), 5)
    """
    return TaskSpec(
        io=IO(num_classes=3, vocab_size=4),
        metric="accuracy",
        chance="position_and_length",
        best=1.0,
        threshold=0.95,
        train_lengths=(SMALLEST, 20),
        test_lengths=(4, 5, 10, 15, 20, 25, 30, 40, 50),
        length_unit="tokens of the question",
        lengths=partial(length_range, smallest=SMALLEST),
        num_tokens=num_tokens,
        source="Deletang et al. 2023, arXiv 2207.02098",
        pairs_vocab_size=5,
    )


def num_tokens(length: int) -> int:
    """2 L + 1: the question, then L + 1 places for the answer.

    >>> num_tokens(20)
    41
    """
    return 2 * length + 1


def sample(
    config: BinaryAddition,
    key: Key,
    batch_size: int,
    length: int | Array,
    max_length: int,
    *,
    split: Split = "train",
) -> Batch:
    """Draws questions of `length` tokens, padded to those of `max_length`.

    Args:
      config: the task.
      key: a typed key.
      batch_size: B.
      length: L, 4 <= L <= max_length; may be traced, and is then trusted.
      max_length: static; T = 2 max_length + 1.
      split: picks the stream.

    Returns:
      A batch of inputs [B, T] int32 in [0, 4) and targets [B, T] int32 in {0, 1, 2}.

    Raises:
      ValueError: `max_length` is below 4, or `split` is unknown.

    >>> import jax
    >>> sample(BinaryAddition(), jax.random.key(0), 2, 5, 7).inputs.shape
    (2, 15)

    Reference: Deletang et al. 2023, arXiv 2207.02098.
    """
    strings = _draw(key, batch_size, length, max_length, split)
    return strings_batch(strings, num_tokens(max_length), length + 1, empty=EMPTY, terminator=END)


def pairs(
    config: BinaryAddition,
    key: Key,
    batch_size: int,
    length: int | Array,
    max_length: int,
    *,
    split: Split = "train",
) -> Pairs:
    """The sequences of `sample` as a source and a target, which ends with EOS in place of the end; BOS 3, EOS 4.

    Args:
      config: the task.
      key: a typed key.
      batch_size: B.
      length: L, 4 <= L <= max_length; may be traced, and is then trusted.
      max_length: static; S = T = max_length.
      split: picks the stream.

    Returns:
      Pairs of tokens in [0, 5).

    Raises:
      ValueError: `max_length` is below 4, or `split` is unknown.

    >>> import jax
    >>> pairs(BinaryAddition(), jax.random.key(0), 2, 5, 7).target.shape
    (2, 7)
    """
    return strings_pairs(_draw(key, batch_size, length, max_length, split), bos=EMPTY)


def _draw(key: Key, batch_size: int, length: int | Array, max_length: int, split: Split) -> Strings:
    """Two numbers and their sum, which has at most L - 1 bits."""
    question, a, b = draw_operands(key, batch_size, length, max_length, split)
    total = add(a, b, 2)[:, :-1]
    return Strings(question, length, total, num_significant(total))


def solve(config: BinaryAddition, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Adds two Python integers.

    Args:
      config: the task.
      inputs: [B, T] int, whole sequences or prefixes.
      valid: [B, T] bool.

    Returns:
      [B, T] int32 classes, 0 where nothing is asked and after the end.

    >>> solve(BinaryAddition(), np.array([[1, 1, 2, 1, 3, 3, 3, 3, 3]]), np.ones((1, 9), bool)).tolist()
    [[0, 0, 0, 0, 0, 0, 1, 2, 0]]
    """
    return solve_operands(operator.add, inputs, valid)


def floors(config: BinaryAddition, length: int) -> dict[str, Floor]:
    """A guess, and the likeliest class at each place of the answer.

    With n the number of bits of the sum, place j (from 0) is 1 with P(bit j set), the end with P(n = j), and 0 with
    what is left of P(n >= j). position_and_length: sum_j max_v P(place j is v) / (E[n] + 1), .5001 in the mean over
    L = 41 .. 500; it has no loss. uniform: 1 / 3.

    Args:
      config: the task.
      length: L, tokens of the question.

    Returns:
      The floors by name.

    >>> {name: round(floor.metric, 4) for name, floor in floors(BinaryAddition(), 4).items()}
    {'uniform': 0.3333, 'position_and_length': 0.7}
    """
    return {"uniform": uniform_floor(3), "position_and_length": guess_floor(_table(length), length)}


@cache
def _table(length: int) -> np.ndarray:
    """[L + 1, 3] float64: the probability that a place of the answer is scored and is 0, 1 or the end."""
    length_a = np.arange(1, length - 1)[:, None]
    few, many = np.minimum(length_a, length - 1 - length_a), np.maximum(length_a, length - 1 - length_a)
    place = np.arange(length + 1)
    below = _share_below(few, many, place)
    # Over all a and b, zero included, bit j of the sum is fair for j < many, the longer operand's length; what is taken
    # off are the pairs with a zero. Bit `many` is the last carry.
    zeros = 1 - (place < few) * 0.5**many - 0.5**few
    fair = zeros / 2 / ((1 - 0.5**few) * (1 - 0.5**many))
    ones = np.where(place < many, fair, np.where(place == many, 1 - below, 0))
    ends = np.diff(below, prepend=0)
    return np.stack([1 - below - ones, ones, ends], axis=-1).mean(axis=0)


def _share_below(few: np.ndarray, many: np.ndarray, place: np.ndarray) -> np.ndarray:
    """P(a + b < 2^j): counted, then divided by (2^few - 1) (2^many - 1) so that no power is too great for a float."""
    # With S = 2^j - 1: S (S - 1) / 2 pairs while neither number is bounded by its length, A (2 S - A - 1) / 2 once the
    # shorter one is, A = 2^few - 1; beyond, all.
    a, b = 1 - 0.5**few, 1 - 0.5**many
    neither = (2.0 ** np.minimum(place - few, 0) - 0.5**few) * (2.0 ** np.minimum(place - many, 0) - 2 * 0.5**many)
    shorter = 2.0 ** np.minimum(place - many, 0) - 2.0 ** (few - many - 1) - 0.5**many
    share = np.where(place <= few, neither / (2 * a * b), np.where(place <= many, shorter / b, 1.0))
    return np.where(place == 0, 0.0, share)
