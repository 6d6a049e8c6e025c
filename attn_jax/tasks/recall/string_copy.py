"""Copying a string: a string is read, then said again, letter by letter, each read back before the next is asked.

    inputs    $ s1 ... sL  | s1 ... sL
    targets   .  . ...  . s1 s2 ...  .         (the last is the class ".", the end of the string)

Attention finds where it is by the last few letters; a recurrence must have stored all L.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.counts import as_commonest, as_shares, commonest_share, drawn_share
from attn_jax.tasks.fields import check_at_least, check_one_of
from attn_jax.tasks.floors import guess_by_place, uniform_floor
from attn_jax.tasks.make_task import make_task
from attn_jax.tasks.sampling import first_places
from attn_jax.tasks.string_task import letters
from attn_jax.tasks.strings import Strings
from attn_jax.types import IO, Array, Batch, Key


@dataclass(frozen=True)
class StringCopy(TaskConfig):
    """`$ s | s .` with L uniform letters: 2 L + 2 tokens, L >= 2, trained and scored from the bar on.

    Tokens: letters 0 .. V - 1, the end "." V, the bar V + 1, the start "$" V + 2. Classes: letters and the end, which
    is never read: with it a string is finished. As published, the letters of the answer are read back as they are
    asked (teacher forcing), so that the right string is said exactly when every place is right: metric="exact_match"
    counts such strings, "accuracy" the characters. The source packs several strings into a sequence; here it is one.

    `strings` gives `s |` as source and s as target.

    What is left to be said can be counted: "most_frequent_remaining" says the commonest letter not yet written, and is
    sure of the last. It is chance; where strings are scored whole it is "remaining_letters". L = 1 needs no order.

    Args:
      num_letters: V.
      metric: "accuracy", characters, or "exact_match", strings.

    Raises:
      ValueError: `num_letters` is below 2, or `metric` is neither.
    """

    num_letters: int = 26
    metric: Literal["accuracy", "exact_match"] = "accuracy"

    def __post_init__(self):
        check_at_least(self, 2, "num_letters")
        check_one_of(self, "metric")

    def make(self) -> Task:
        """The task of this configuration; 4 to 16 letters are trained on, and 48 asked for."""
        return make_task(
            self,
            draw,
            answer,
            floors,
            io=IO(num_classes=self.num_letters + 1, vocab_size=self.num_letters + 3),
            num_tokens=lambda length: 2 * length + 2,  # start, string, bar, and the string again
            num_answered=lambda num_tokens: num_tokens // 2,
            strings=strings,
            bos=self.num_letters + 2,
            lengths={"smallest": 2},
            metric=self.metric,
            chance="most_frequent_remaining" if self.metric == "accuracy" else "remaining_letters",
            train_lengths=(4, 16),
            test_lengths=(2, 4, 8, 12, 16, 20, 24, 32, 48),
            length_unit="letters",
            source="Jelassi et al. 2024, arXiv 2402.01032",
        )


def draw(config: StringCopy, key: Key, batch_size: int, length: int | Array, max_length: int) -> Batch:
    """A string, and the same read back."""
    return read_back(strings(config, key, batch_size, length, max_length), config.num_letters)


def strings(config: StringCopy, key: Key, batch_size: int, length: int | Array, max_length: int) -> Strings:
    """`s |` and s."""
    read = letters(key, batch_size, max_length, config.num_letters)
    place = jnp.arange(max_length + 1)
    question = jnp.where(place == length, config.num_letters + 1, jnp.pad(read, ((0, 0), (0, 1))))
    return Strings(question, length + 1, read, length)


def read_back(strings: Strings, end: int) -> Batch:
    """`$`, the question, and the answer read back; the answer and its end are asked from the question's last place on.

    Args:
      strings: X and Y places of question and answer; scalar lengths.
      end: the class of the end; the start `$` is the token end + 2.

    Returns:
      A batch with T = 1 + X + Y; weights are 1 at the scored places.

    >>> strings = Strings(jnp.array([[0, 1, 3]]), 3, jnp.array([[0, 1]]), 2)
    >>> batch = read_back(strings, end=2)
    >>> batch.inputs.tolist(), batch.targets.tolist()
    ([[4, 0, 1, 3, 0, 1]], [[0, 0, 0, 0, 1, 2]])
    """
    batch_size, answer_places = strings.answer.shape
    start, stop = strings.question_length, strings.question_length + strings.answer_length
    question = jnp.pad(strings.question, ((0, 0), (1, answer_places)), constant_values=end + 2)
    place = jnp.arange(question.shape[1])
    # The answer ends at 1 + question_length + Y <= T, so the slices always fit and are never clamped.
    inputs = jax.lax.dynamic_update_slice_in_dim(question, strings.answer, start + 1, axis=1)
    targets = jax.lax.dynamic_update_slice_in_dim(jnp.zeros_like(question), strings.answer, start, axis=1)
    valid = first_places(batch_size, len(place), stop + 1)
    scored = valid & (place >= start)
    return Batch.of(inputs, jnp.where(place == stop, end, targets), scored, valid)


def answer(config: StringCopy, tokens: list[int]) -> list[int]:
    """Cuts the row at its bar, and says the first string from where the second has come to.

    >>> answer(StringCopy(), [28, 7, 4, 27, 7, 4])
    [0, 0, 0, 7, 4, 26]
    """
    if config.num_letters + 1 not in tokens:
        return []
    bar = tokens.index(config.num_letters + 1)
    return [0] * bar + tokens[1:bar] + [config.num_letters]


def floors(config: StringCopy, length: int) -> dict[str, Floor]:
    """What is reached without order, for L letters of V kinds and the end; m letters are left before each.

    uniform: 1 / (V + 1). position_and_length, any letter and the end in time: (L / V + 1) / (L + 1), loss
    L ln(V) / (L + 1). remaining_letters, a letter by its share of those left: accuracy and loss by
    `counts.drawn_share` for m = L .. 1, and 1 for the end. most_frequent_remaining, ties alike: E[max c] / m likewise;
    no loss. Whole strings are right with (V + 1)^-(L + 1), V^-L, and (number of multisets) / V^L.

    >>> {name: round(floor.value, 3) for name, floor in floors(StringCopy(), 16).items()}
    {'uniform': 0.037, 'position_and_length': 0.095, 'remaining_letters': 0.286, 'most_frequent_remaining': 0.331}
    """
    num_letters, left = config.num_letters, range(1, length + 1)
    uniform, stop = uniform_floor(num_letters + 1), stop_in_time(num_letters, length, length + 1)
    shares = [drawn_share(m, num_letters) for m in left]
    remaining = Floor(
        (sum(metric for metric, _ in shares) + 1) / (length + 1),
        sum(loss for _, loss in shares) / (length + 1),
        partial(_remaining, config, as_shares),
    )
    if config.metric == "exact_match":
        multisets = math.comb(length + num_letters - 1, length) / num_letters**length
        return {
            "uniform": uniform._replace(value=(num_letters + 1.0) ** -(length + 1)),
            "position_and_length": stop._replace(value=float(num_letters) ** -length),
            "remaining_letters": remaining._replace(value=multisets),
        }
    commonest = (sum(commonest_share(m, num_letters) for m in left) + 1) / (length + 1)
    return {
        "uniform": uniform,
        "position_and_length": stop,
        "remaining_letters": remaining,
        "most_frequent_remaining": Floor(commonest, None, partial(_remaining, config, as_commonest)),
    }


def stop_in_time(num_letters: int, answer_length: int, start: int) -> Floor:
    """Any letter, and the end where it is due: accuracy (Y / V + 1) / (Y + 1), loss Y ln(V) / (Y + 1).

    Args:
      num_letters: V; the class V is the end.
      answer_length: Y, the uniform letters before the end.
      start: the place of the first.

    Returns:
      The floor of who sees place and length only.

    >>> stop_in_time(4, 3, 5).value
    0.4375
    """
    guesses = np.full((answer_length + 1, num_letters + 1), 1 / num_letters)
    guesses[:, -1] = 0
    guesses[-1] = np.eye(num_letters + 1)[-1]
    places = answer_length + 1
    metric, loss = (answer_length / num_letters + 1) / places, answer_length * math.log(num_letters) / places
    return Floor(metric, loss, partial(guess_by_place, guesses, start))


def _remaining(
    config: StringCopy, say: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray, valid: np.ndarray
) -> np.ndarray:
    """From the bar on, what `say` makes of the counts of the letters not yet written; the end after the last."""
    bar = int(valid[0].sum()) // 2
    is_letter = inputs[..., None] == np.arange(config.num_letters)
    total = is_letter[:, 1:bar].sum(axis=1, keepdims=True)
    written = np.cumsum(is_letter[:, bar : 2 * bar], axis=1)
    said = np.full((*inputs.shape, config.num_letters + 1), 1 / (config.num_letters + 1))
    said[:, bar : 2 * bar, :-1] = say(total - written)
    said[:, bar : 2 * bar, -1] = 0
    said[:, 2 * bar - 1] = np.eye(config.num_letters + 1)[-1]
    return said
