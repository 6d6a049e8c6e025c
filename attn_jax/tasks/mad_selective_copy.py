"""MAD's selective copying: a few letters among many blanks, to be said again in order after a signal.

    inputs     . a1 .  . a2 a3 .  .  . ak signal |  .  .  ... .      (. blank)
    targets                                      | a1 a2  ... ak

`selective_copy` with another layout: the letters are spread by gaps, and the answers are read at blanks.
MAD has six tasks; the sixth, compression, is a bottleneck in the model and no task of its own, and is left out here.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Split, Task, TaskConfig, TaskSpec
from attn_jax.tasks.counts import as_commonest, as_shares, commonest_share, counted_answer, drawn_share
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.sampling import check_max_length, length_range, split_key
from attn_jax.tasks.strings import Strings, strings_batch, strings_pairs
from attn_jax.types import IO, Array, Batch, Key, Pairs


@dataclass(frozen=True)
class MADSelectiveCopy(TaskConfig):
    """L tokens: k letters and L - 2k - 1 blanks, the signal, then k blanks at which alone the letters are asked.

    Tokens: letters 0 .. num_letters - 1, which are the classes, the blank num_letters and the signal after it. Letters
    are uniform. As in the source every blank chooses one of the k gaps before the letters, uniformly, so that the last
    letter stands before the signal; Mamba's `selective_copy` takes a uniform choice of places instead.

    The source trains on 12,800 fixed examples; here they are fresh by key. All letters are asked equally often, so that
    the source's average of accuracy over classes and the plain one agree in expectation. Lengths start at 2k + 2, one
    blank. Chance is "most_frequent_letter", where a model rests that holds the letters but not their order.

    Args:
      num_copied: k.
      num_letters: how many letters there are; with blank and signal the published vocabulary of 16.
      train_lengths: the shortest and the longest L trained on by default.
      test_lengths: the L asked for by default.

    Raises:
      ValueError: `num_copied` or `num_letters` is below 2.
    """

    num_copied: int = 6
    num_letters: int = 14
    train_lengths: tuple[int, int] = (40, 40)
    test_lengths: tuple[int, ...] = (16, 24, 32, 40, 64, 100)

    def __post_init__(self):
        for name in ("num_copied", "num_letters"):
            if getattr(self, name) < 2:
                raise ValueError(f"MADSelectiveCopy: {name} is {getattr(self, name)}, wanted at least 2")

    @classmethod
    def published(cls) -> "MADSelectiveCopy":
        """L = 256, k = 16; Poli et al. 2024. Transformer 99.6, Mamba 86.3, DeltaNet 100 %.

        >>> MADSelectiveCopy.published().num_copied
        16
        """
        return cls(num_copied=16, train_lengths=(256, 256), test_lengths=(256,))

    @property
    def smallest(self) -> int:
        """The shortest sequence with a blank among its letters."""
        return 2 * self.num_copied + 2

    def make(self) -> Task:
        """The task of this configuration."""
        bound = partial(sample, self), partial(floors, self), partial(solve, self)
        return Task(*bound, spec(self), partial(pairs, self))


def spec(config: MADSelectiveCopy) -> TaskSpec:
    """What a study must know; 40 tokens are trained on, and 100 asked for.

    >>> spec(MADSelectiveCopy()).io.vocab_size, spec(MADSelectiveCopy()).io.num_classes
    (16, 14)
    """
    return TaskSpec(
        io=IO(num_classes=config.num_letters, vocab_size=config.num_letters + 2),
        metric="accuracy",
        chance="most_frequent_letter",
        best=1.0,
        threshold=0.95,
        train_lengths=config.train_lengths,
        test_lengths=config.test_lengths,
        length_unit="tokens",
        lengths=partial(length_range, smallest=config.smallest),
        num_tokens=num_tokens,
        source="Poli et al. 2024, arXiv 2403.17844",
        pairs_vocab_size=config.num_letters + 4,
    )


def num_tokens(length: int) -> int:
    """L, answers included.

    >>> num_tokens(40)
    40
    """
    return length


def sample(
    config: MADSelectiveCopy,
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
      length: L, 2 num_copied + 2 <= L <= max_length; may be traced, and is then trusted.
      max_length: static; T = max_length.
      split: picks the stream.

    Returns:
      A batch of inputs [B, T] int32 in [0, num_letters + 2) and targets [B, T] int32 in [0, num_letters).

    Raises:
      ValueError: `max_length` is too small, or `split` is unknown.

    >>> sample(MADSelectiveCopy(), jax.random.key(0), 2, 20, 24).inputs.shape
    (2, 24)

    Reference: Poli et al. 2024, arXiv 2403.17844, section 3.1 and github.com/athms/mad-lab.
    """
    strings = _draw(config, key, batch_size, length, max_length, split)
    return strings_batch(strings, max_length, config.num_copied, empty=config.num_letters)


def pairs(
    config: MADSelectiveCopy,
    key: Key,
    batch_size: int,
    length: int | Array,
    max_length: int,
    *,
    split: Split = "train",
) -> Pairs:
    """The sequences of `sample` as a source, the signal included, and a target; BOS is num_letters + 2.

    Args:
      config: the task.
      key: a typed key.
      batch_size: B.
      length: L, 2 num_copied + 2 <= L <= max_length; may be traced, and is then trusted.
      max_length: static; S = max_length - num_copied, T = num_copied + 1.
      split: picks the stream.

    Returns:
      Pairs of tokens in [0, num_letters + 4).

    Raises:
      ValueError: `max_length` is too small, or `split` is unknown.

    >>> pairs(MADSelectiveCopy(), jax.random.key(0), 2, 20, 24).source.shape
    (2, 18)
    """
    return strings_pairs(_draw(config, key, batch_size, length, max_length, split), bos=config.num_letters + 2)


def _draw(
    config: MADSelectiveCopy, key: Key, batch_size: int, length: int | Array, max_length: int, split: Split
) -> Strings:
    """Letters among blanks, and the signal; the i-th letter stands after the i before it and the blanks before it."""
    check_max_length(max_length, smallest=config.smallest)
    num_copied, num_blanks = config.num_copied, max_length - 2 * config.num_copied - 1
    shape = (batch_size * (num_copied + num_blanks),)
    drawn = jax.random.uniform(split_key(key, split), shape).reshape(batch_size, -1)
    letters = (drawn[:, :num_copied] * config.num_letters).astype(jnp.int32)
    gaps = jnp.floor(drawn[:, num_copied:] * num_copied)
    gaps = jnp.where(jnp.arange(num_blanks) < length - 2 * num_copied - 1, gaps, num_copied)
    letter = jnp.arange(num_copied)
    places = letter + (gaps[:, :, None] <= letter).sum(axis=1)
    row = jnp.arange(batch_size)[:, None]
    question = (
        jnp.full((batch_size, max_length - num_copied), config.num_letters, jnp.int32).at[row, places].set(letters)
    )
    is_signal = jnp.arange(max_length - num_copied) == length - num_copied - 1
    question = jnp.where(is_signal, config.num_letters + 1, question)
    return Strings(question, length - num_copied, letters, num_copied)


def solve(config: MADSelectiveCopy, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Queues the letters as they are read, and after the signal takes one out at every token.

    Args:
      config: the task.
      inputs: [B, T] int, whole sequences or prefixes.
      valid: [B, T] bool.

    Returns:
      [B, T] int32 classes, 0 where nothing is asked.

    >>> solve(MADSelectiveCopy(2, 3), np.array([[3, 1, 3, 2, 4, 3, 3]]), np.ones((1, 7), bool)).tolist()
    [[0, 0, 0, 0, 0, 1, 2]]
    """
    targets = np.zeros(inputs.shape, np.int32)
    for row, (tokens, in_use) in enumerate(zip(inputs.tolist(), valid.sum(axis=1).tolist(), strict=True)):
        queue, signalled = [], False
        for place, token in enumerate(tokens[:in_use]):
            if signalled:
                targets[row, place] = queue.pop(0)
            elif token < config.num_letters:
                queue.append(token)
            signalled = signalled or token == config.num_letters + 1
    return targets


def floors(config: MADSelectiveCopy, length: int) -> dict[str, Floor]:
    """What is reached without order, for k letters of V kinds, at every length.

    uniform: 1 / V, ln V: 1 / 14 and 2.639. value_in_context, each letter by its share of the k: accuracy
    1 / k + (1 - 1 / k) / V, loss -E[ln(c / k)]. most_frequent_letter, ties alike: E[max c] / k; no loss, for the others
    get no mass.

    Args:
      config: the task.
      length: L; the floors do not depend on it.

    Returns:
      The floors by name.

    >>> {name: round(floor.metric, 3) for name, floor in floors(MADSelectiveCopy.published(), 256).items()}
    {'uniform': 0.071, 'value_in_context': 0.129, 'most_frequent_letter': 0.204}
    """
    share, loss = drawn_share(config.num_copied, config.num_letters)
    commonest = commonest_share(config.num_copied, config.num_letters)
    return {
        "uniform": uniform_floor(config.num_letters),
        "value_in_context": Floor(share, loss, partial(_say, config, as_shares)),
        "most_frequent_letter": Floor(commonest, None, partial(_say, config, as_commonest)),
    }


def _say(config: MADSelectiveCopy, say, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """What is said of the letters of a row, at each of its places alike: none is asked for before all are read."""
    answer = counted_answer(say, np.arange(config.num_letters), config.num_letters, inputs, valid)
    return np.broadcast_to(answer[:, None], (*inputs.shape, config.num_letters))
