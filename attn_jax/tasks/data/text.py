"""Text: characters of a real file, each to be foretold from those before it.

    inputs    T h e _ w h i l
    targets   h e _ w h i l e        (the next character, at every place)

Real language without a download, and a file of your own by its path: the one task where no score is perfect.
"""

import hashlib
import math
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Split, Task, TaskConfig
from attn_jax.tasks.floors import constant
from attn_jax.tasks.make_task import make_task
from attn_jax.tasks.sampling import first_places
from attn_jax.types import IO, Array, Batch, Key

_SHORTEST = 20  # characters: of fewer, a tenth holds no character and the one after it


@dataclass(frozen=True)
class Text(TaskConfig):
    """L characters of a UTF-8 file, and at each place the next one is asked: bits per character, the fewer the better.

    The last tenth of the file is the test split, the tenth before it the validation split. A window of L + 1 characters
    is drawn uniformly from those of its split and never crosses its bounds. The classes are the characters of the whole
    file, in the order of their code points, also those that training never sees.

    The default is `pydoc_data.topics`, the language reference that comes with Python, about 350 kB of English and code.
    Tables, and paragraphs that stood before, are left out: of the windows of 40 characters of the test split 15 % would
    otherwise stand in the training split too, and so .3 % do. It differs between Python versions, so `spec.source`
    holds the version and the sha256 of the text. A file is read once a process.

    No score counts as solved. Chance is the "bigram" floor: what a model without memory can reach.

    Args:
      path: a UTF-8 file; None: the default.

    Raises (by `make` and all that it binds, for a file is not opened before):
      ValueError: `path` cannot be read, is empty, binary, not UTF-8, or too short.
    """

    path: str | None = None

    def make(self) -> Task:
        """The task of this configuration, 40 characters to train on; no oracle knows the next character."""
        corpus = load(self.path)
        trained = min(40, corpus.longest)
        tested = {length for length in (10, 20, 60, 80, 100) if length <= corpus.longest} | {trained}
        return make_task(
            self,
            draw,
            None,
            floors,
            io=IO(num_classes=len(corpus.alphabet), vocab_size=len(corpus.alphabet)),
            lengths={"largest": corpus.longest, "beyond": _too_short(corpus)},
            metric="bits_per_token",
            chance="bigram",
            best=0.0,
            threshold=None,
            train_lengths=(trained, trained),
            test_lengths=tuple(sorted(tested)),
            length_unit="characters",
            source=f"{corpus.name}, sha256 {corpus.sha256}",
            finite=True,
        )

    def token_names(self) -> tuple[str, ...]:
        """How each token, and the class of the same number, is shown: its character, a space as ␣, others escaped."""
        return tuple("␣" if c == " " else c if c.isprintable() else repr(c)[1:-1] for c in load(self.path).alphabet)


class Corpus(NamedTuple):
    """A text as numbers."""

    name: str
    codes: np.ndarray  # [n] unsigned: places in `alphabet`
    alphabet: str  # the distinct characters, by code point
    splits: dict[Split, tuple[int, int]]  # first character and the one after the last
    sha256: str  # of the text as UTF-8

    @property
    def longest(self) -> int:
        """The longest window that fits, with the character after it, into every split."""
        return min(end - start for start, end in self.splits.values()) - 1


def _too_short(corpus: Corpus) -> str:
    """Why there are no longer windows."""
    return (
        f"{corpus.name} has {len(corpus.codes)} characters, and a tenth of it holds windows of up to {corpus.longest}: "
        "take a longer file or shorter lengths"
    )


def draw(config: Text, key: Key, batch_size: int, length: int | Array, max_length: int, split: Split) -> Batch:
    """Draws windows of `length` characters of one split."""
    corpus = load(config.path)
    if corpus.longest + 1 - max_length < batch_size:
        raise ValueError(
            f"batch_size: got {batch_size}, but a tenth of {corpus.name} has {corpus.longest + 1 - max_length} windows "
            f"of {max_length} characters: take a longer file, or fewer or shorter sequences"
        )
    start, end = corpus.splits[split]
    first = jax.random.randint(key, (batch_size, 1), start, end - length)  # the window's next one is at end - 1
    window = jnp.take(jnp.asarray(corpus.codes), first + jnp.arange(max_length + 1), mode="clip").astype(jnp.int32)
    valid = first_places(batch_size, max_length, length)
    return Batch.of(window[:, :-1], window[:, 1:], valid, valid)


@cache
def load(path: str | None) -> Corpus:
    """The text of a file, or the default one, as numbers; read once a process.

    Args:
      path: a UTF-8 file, or None.

    Returns:
      The corpus.

    Raises:
      ValueError: it cannot be read, is empty, binary, not UTF-8, shorter than 20 characters or of one character only.

    >>> corpus = load(None)
    >>> "".join(corpus.alphabet[code] for code in corpus.codes[:22])
    'The "assert" statement'
    """
    name = path or f"pydoc_data.topics of Python {platform.python_version()}"
    text = _default_text() if path is None else _read(path)
    num_chars, tenth = len(text), len(text) // 10
    if num_chars < _SHORTEST:
        held = "is empty" if not text else f"has {num_chars} characters"
        raise ValueError(f"Text: {name!r} {held}, wanted at least {_SHORTEST}, and some thousands to learn from")
    points, codes = np.unique(np.frombuffer(text.encode("utf-32-le"), np.uint32), return_inverse=True)
    if len(points) < 2:
        raise ValueError(f"Text: {name!r} holds one character only, {text[0]!r}: wanted at least two different ones")
    bounds = (0, num_chars - 2 * tenth, num_chars - tenth, num_chars)
    return Corpus(
        name=name,
        codes=codes.astype(np.min_scalar_type(len(points) - 1)),
        alphabet="".join(map(chr, points)),
        splits={"train": bounds[:2], "validation": bounds[1:3], "test": bounds[2:]},
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )


def _default_text() -> str:
    """The prose of all topics, each paragraph where it stands first: they overlap, and a test split must be new."""
    from pydoc_data.topics import topics

    by_words: dict[str, str] = {}
    for name in sorted(topics):
        for paragraph in re.split(r"\n\s*\n", topics[name]):
            by_words.setdefault(" ".join(paragraph.split()), paragraph)  # the same at another indentation is the same
    return "\n\n".join(paragraph for words, paragraph in by_words.items() if words and not words.startswith("+--"))


def _read(path: str) -> str:
    """The characters of a file, a byte order mark left out."""
    try:
        raw = Path(path).expanduser().read_bytes()
    except OSError as error:
        raise ValueError(f"Text: path is {path!r}: {error.strerror}; wanted a UTF-8 text file") from error
    if b"\0" in raw:
        raise ValueError(f"Text: {path!r} is binary, byte {raw.index(0)} is 0: wanted a UTF-8 text file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"Text: {path!r} is not UTF-8, byte {error.start} is {raw[error.start]:#x}: wanted a UTF-8 text file; "
            "iconv -t UTF-8 makes one of a file in another encoding"
        ) from error


def floors(config: Text, length: int) -> dict[str, Floor]:
    """What counting characters in the training split reaches in the test split, in bits and nats per character.

    uniform: ln V. unigram: p(b) = (n_b + 1) / (n + V). bigram: p(b | a) = (n_ab + 1) / (n_a + V), n_a the training
    characters a that have a next one. Exact for windows drawn uniformly from the test split: the character at its edge
    lies in fewer windows than that in its middle, character i + 1 of n being asked in min(i + 1, L, n - L, n - 1 - i).

    >>> [name for name in floors(Text(), 40)]
    ['uniform', 'unigram', 'bigram']
    """
    corpus = load(config.path)
    unigram, bigram = _learned(config.path)
    test = corpus.codes[slice(*corpus.splits["test"])]
    place, size = np.arange(len(test) - 1), len(test)
    num_windows = np.minimum(np.minimum(place + 1, size - 1 - place), min(length, size - length))
    share = num_windows / num_windows.sum()
    uniform = np.full(len(unigram), 1 / len(unigram))
    return {
        "uniform": _floor(math.log(len(unigram)), partial(constant, uniform)),
        "unigram": _floor(-float(share @ np.log(unigram[test[1:]])), partial(constant, unigram)),
        "bigram": _floor(-float(share @ np.log(bigram[test[:-1], test[1:]])), partial(_bigram, bigram)),
    }


def _floor(nats: float, predict: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Floor:
    """A floor by its loss."""
    return Floor(nats / math.log(2), nats, predict)


@cache
def _learned(path: str | None) -> tuple[np.ndarray, np.ndarray]:
    """p(b) [V] and p(b | a) [V, V], add-one, of the training split."""
    corpus = load(path)
    size = len(corpus.alphabet)
    train = corpus.codes[slice(*corpus.splits["train"])].astype(np.int64)
    ones = np.bincount(train, minlength=size) + 1
    pairs = np.bincount(train[:-1] * size + train[1:], minlength=size * size).reshape(size, size) + 1
    return ones / ones.sum(), pairs / pairs.sum(axis=1, keepdims=True)


def _bigram(bigram: np.ndarray, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """What followed the character at each place in the training split."""
    return bigram[inputs]
