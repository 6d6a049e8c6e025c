"""Looking up an n-gram: what follows it in a string? It is given before the string, or after it.

    side="prefix"   inputs   $ g1 ... gn | s1 ... sL  | a1 ... ak      targets from the last bar on   a1 ... ak .
    side="suffix"   inputs   $ s1 ... sL | g1 ...    gn a1 ... ak      targets from gn on             a1 ... ak .

A mirror pair: given before, a recurrence has only to watch for it; given after, it must have stored the whole string,
while attention looks back. Read both, or neither.
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.fields import check_at_least, check_one_of
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.make_task import make_task
from attn_jax.tasks.recall.string_copy import read_back, stop_in_time
from attn_jax.tasks.strings import Strings
from attn_jax.types import IO, Array, Batch, Key


@dataclass(frozen=True)
class Lookup(TaskConfig):
    """A string s of L uniform letters, an n-gram g of it, and the k letters after g: trained and scored with the end.

    Tokens: letters 0 .. V - 1, the end "." V, the bar V + 1, the start "$" V + 2. Classes: letters and the end, which
    is never read. L + n + k + 3 tokens with the prefix, one less with the suffix; L >= n + k. The letters of the answer
    are read back as they are asked, as in `StringCopy`.

    g is taken from a uniform one of the L - n - k + 1 places after which k letters follow. Where it stands in s more
    than once, the first place counts, as in the source's code. There the answer is what follows up to the end of s, or
    k letters by an option; here it is k, so that one batch has one length.

    metric="exact_match" counts the answers right at every place, their end included; "accuracy" the characters.

    `strings` gives `g | s |` or `s | g` as source and the answer as target.

    Chance is "position_and_length", any letter and the end in time. Who says the commonest letter of s does better,
    about (k E[max c] / L + 1) / (k + 1), .33 against .23 at L = 20, but by no amount that can be written down exactly:
    n-grams that come again make some places of s likelier than others. Read a score below .15 as nothing learned.

    Args:
      side: where g is given, "prefix" (before s) or "suffix" (after it).
      ngram: n.
      num_answered: k.
      num_letters: V.
      metric: "accuracy", characters, or "exact_match", whole answers.

    Raises:
      ValueError: `side` or `metric` is neither, a count is below 1, or `num_letters` is below 2.
    """

    side: Literal["prefix", "suffix"] = "prefix"
    ngram: int = 3
    num_answered: int = 4
    num_letters: int = 26
    metric: Literal["accuracy", "exact_match"] = "accuracy"

    def __post_init__(self):
        check_at_least(self, 1, "ngram", "num_answered")
        check_at_least(self, 2, "num_letters")
        check_one_of(self, "side", "metric")

    @property
    def smallest(self) -> int:
        """The shortest string: an n-gram and what follows it."""
        return self.ngram + self.num_answered

    def num_tokens(self, length: int) -> int:
        """L + n + k and the start, and one bar or two."""
        return length + self.ngram + self.num_answered + 2 + (self.side == "prefix")

    def make(self) -> Task:
        """The task of this configuration; strings of 10 to 30 letters are trained on, and of 90 asked for."""
        shortest = max(10, self.smallest)
        return make_task(
            self,
            draw,
            answer,
            floors,
            io=IO(num_classes=self.num_letters + 1, vocab_size=self.num_letters + 3),
            num_tokens=self.num_tokens,
            num_answered=lambda _: self.num_answered + 1,  # the end after them
            strings=strings,
            bos=self.num_letters + 2,
            lengths={"smallest": self.smallest},
            metric=self.metric,
            chance="position_and_length",
            train_lengths=(shortest, max(30, shortest)),
            test_lengths=tuple(sorted({shortest, *(n for n in (15, 20, 30, 40, 60, 90) if n > shortest)})),
            length_unit="letters",
            source="Jelassi et al. 2024, arXiv 2402.01032",
        )


def draw(config: Lookup, key: Key, batch_size: int, length: int | Array, max_length: int) -> Batch:
    """A string with a query, and the answer read back."""
    return read_back(strings(config, key, batch_size, length, max_length), config.num_letters)


def strings(config: Lookup, key: Key, batch_size: int, length: int | Array, max_length: int) -> Strings:
    """`g | s |` or `s | g`, and what follows the first g in s."""
    ngram, bar = config.ngram, config.num_letters + 1
    drawn = jax.random.uniform(key, (batch_size, max_length + 1))
    string = (drawn[:, :-1] * config.num_letters).astype(jnp.int32)
    start = (drawn[:, -1:] * (length - config.smallest + 1)).astype(jnp.int32)
    gram = jnp.take_along_axis(string, start + jnp.arange(ngram), axis=1)
    num_windows = max_length - config.smallest + 1
    windows = jnp.stack([string[:, i : i + num_windows] for i in range(ngram)], axis=-1)
    first = (windows == gram[:, None]).all(axis=-1).argmax(axis=1)[:, None]  # at most `start`, so within `length`
    answer = jnp.take_along_axis(string, first + ngram + jnp.arange(config.num_answered), axis=1)
    bars = jnp.full((batch_size, 1), bar, jnp.int32)
    if config.side == "prefix":
        question = jnp.concatenate([gram, bars, string, bars], axis=1)
        is_end = jnp.arange(question.shape[1]) == ngram + 1 + length
        return Strings(jnp.where(is_end, bar, question), length + ngram + 2, answer, config.num_answered)
    # s, the bar and g fill a row of max_length: where s is shorter they stand earlier, and the slice fits.
    room = jnp.pad(string, ((0, 0), (0, ngram + 1)))
    question = jax.lax.dynamic_update_slice_in_dim(room, jnp.concatenate([bars, gram], axis=1), length, axis=1)
    return Strings(question, length + ngram + 1, answer, config.num_answered)


def answer(config: Lookup, tokens: list[int]) -> list[int]:
    """Cuts the row at its bars, and searches the string for the n-gram as Python searches text.

    >>> answer(Lookup(ngram=1, num_answered=1), [28, 7, 27, 3, 7, 5, 27, 5])
    [0, 0, 0, 0, 0, 0, 5, 26]
    """
    parts = "".join(map(chr, tokens[1:])).split(chr(config.num_letters + 1))
    if config.side == "suffix" and len(parts) == 2 and len(parts[1]) >= config.ngram:
        string, gram, said = parts[0], parts[1][: config.ngram], parts[1][config.ngram :]
    elif config.side == "prefix" and len(parts) == 3:
        gram, string, said = parts
    else:
        return []
    after = string.index(gram) + config.ngram
    answered = [*map(ord, string[after : after + config.num_answered]), config.num_letters]
    return [0] * (len(tokens) - len(said) - 1) + answered[: len(said) + 1]


def floors(config: Lookup, length: int) -> dict[str, Floor]:
    """What is reached without looking up, for k letters of V kinds and the end, at every length.

    uniform: 1 / (V + 1). position_and_length, any letter and the end in time: (k / V + 1) / (k + 1), loss
    k ln(V) / (k + 1): a letter is right in 1 / V and costs ln V, 3.258 for 26. Whole answers are right with
    (V + 1)^-(k + 1) and V^-k, whatever they are: each is guessed as often as any other.

    >>> {name: round(floor.value, 3) for name, floor in floors(Lookup(), 20).items()}
    {'uniform': 0.037, 'position_and_length': 0.231}
    """
    num_letters, answered = config.num_letters, config.num_answered
    uniform = uniform_floor(num_letters + 1)
    stop = stop_in_time(num_letters, answered, config.num_tokens(length) - answered - 1)
    if config.metric == "exact_match":
        uniform = uniform._replace(value=(num_letters + 1.0) ** -(answered + 1))
        stop = stop._replace(value=float(num_letters) ** -answered)
    return {"uniform": uniform, "position_and_length": stop}
