"""Text against Python's own strings, its floors against sums over every window."""

import hashlib
import math
from collections import Counter
from functools import partial
from itertools import pairwise

import jax
import numpy as np
import pytest
from drawn import sample

from attn_jax.tasks.base import Split
from attn_jax.tasks.data.text import Text, floors, load
from attn_jax.testing.check_task import check_task

LETTERS = "abracadabra, abc! "


@pytest.fixture
def written(tmp_path):
    """A file of its own for each test: a file is read once a process."""
    return partial(write, tmp_path / "notes.txt")


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Text(str(path))


def draw(config, length, max_length, split: Split = "train", batch_size=64):
    return [
        np.asarray(a) for a in sample(config, jax.random.key(0), batch_size, np.int32(length), max_length, split=split)
    ]


def spell(config, codes):
    return "".join(load(config.path).alphabet[code] for code in codes)


def parts_of(config):
    corpus = load(config.path)
    return {split: spell(config, corpus.codes[start:end]) for split, (start, end) in corpus.splits.items()}


@pytest.mark.exhaustive
def test_contract():
    check_task(Text(), floor_samples=2048)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_windows_lie_in_their_split_and_the_next_character_is_asked(split, written):
    text = "".join(chr(97 + i % 26) + str(i % 10) for i in range(1000))
    config = written(text)
    part = {"train": text[:1600], "validation": text[1600:1800], "test": text[1800:]}[split]
    assert parts_of(config)[split] == part
    inputs, targets, weights, scored, valid = draw(config, 9, 12, split)
    for row in range(64):
        assert spell(config, [*inputs[row, :9], targets[row, 8]]) in part
        assert targets[row, :8].tolist() == inputs[row, 1:9].tolist()
        assert not inputs[row, 9:].any()
        assert not targets[row, 9:].any()
    assert (valid == (np.arange(12) < 9)).all()
    assert (scored == valid).all()
    assert (weights == valid).all()


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_every_window_of_a_split_is_drawn_alike(split, written):
    config = written("".join(chr(0x100 + i) for i in range(300)))  # a letter is its place
    start, end = load(config.path).splits[split]
    sampled = jax.jit(jax.vmap(lambda key: sample(config, key, 20, 5, 5, split=split).inputs[:, 0]))
    first = np.asarray(sampled(jax.random.split(jax.random.key(0), 1000))).ravel()
    counts = np.bincount(first - start, minlength=end - start - 5)
    assert len(counts) == end - start - 5  # neither beyond the last window nor before the first
    share = 1 / len(counts)
    assert (abs(counts / 20_000 - share) < 5 * np.sqrt(share / 20_000)).all()


def test_the_alphabet_is_that_of_the_whole_file(written):
    config = written("ab" * 45 + "ba" * 4 + "éß")  # the last two stand in the test split only
    assert load(config.path).alphabet == "abßé"
    assert config.make().spec.io.vocab_size == config.make().spec.io.num_classes == 4
    assert all(math.isfinite(floor.value) for floor in floors(config, 3).values())


def test_floors_are_sums_over_every_window(written):
    text = LETTERS * 12 + LETTERS[::-1] * 5
    config = written(text)
    parts = parts_of(config)
    train, test, size = parts["train"], parts["test"], len(set(text))
    ones, pairs, before = Counter(train), Counter(pairwise(train)), Counter(train[:-1])
    for length in (1, 2, 7, len(test) - 1):
        windows = [test[i : i + length + 1] for i in range(len(test) - length)]
        asked = [(a, b) for window in windows for a, b in pairwise(window)]
        unigram = -sum(math.log((ones[b] + 1) / (len(train) + size)) for _, b in asked) / len(asked)
        bigram = -sum(math.log((pairs[a, b] + 1) / (before[a] + size)) for a, b in asked) / len(asked)
        found = floors(config, length)
        for name, nats in (("uniform", math.log(size)), ("unigram", unigram), ("bigram", bigram)):
            assert found[name].loss == pytest.approx(nats, rel=1e-12)
            assert found[name].value == pytest.approx(nats / math.log(2), rel=1e-12)


def test_default_text_is_the_language_reference_once():
    parts = parts_of(Text())
    text = "".join(parts.values())
    words = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    assert len(set(words) - {""}) == len([word for word in words if word])
    assert 300_000 < len(text) < 600_000
    assert "\n\n+--" not in text
    assert text.startswith('The "assert" statement\n')
    assert hashlib.sha256(text.encode()).hexdigest() in Text().make().spec.source
    held = floors(Text(), 40)
    assert 1 < held["bigram"].value < held["unigram"].value < held["uniform"].value < 8


def test_splits_of_the_default_text_share_no_long_window():
    windows = {split: {part[i : i + 100] for i in range(len(part) - 99)} for split, part in parts_of(Text()).items()}
    assert not windows["train"] & windows["test"]
    assert not windows["train"] & windows["validation"]
    assert not windows["validation"] & windows["test"]


def test_the_text_enters_a_program_once():
    def thrice(key):
        return [Text().make().sample(k, 2, 8, 8) for k in jax.random.split(key, 3)]

    size = len(load(None).codes)
    shapes = [np.shape(constant) for constant in jax.make_jaxpr(thrice)(jax.random.key(0)).consts]
    assert shapes.count((size,)) == 1


def test_a_byte_order_mark_is_no_character(written):
    assert load(written(b"\xef\xbb\xbf" + b"ab" * 20).path).alphabet == "ab"


def test_a_short_file_trains_on_what_fits(written):
    found = written("ab" * 50).make().spec
    assert found.train_lengths == (9, 9)
    assert found.test_lengths == (9,)
    assert found.lengths(1, 9) == tuple(range(1, 10))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "notes.txt' is empty, wanted at least 20"),
        ("ab" * 9, "notes.txt' has 18 characters, wanted at least 20"),
        ("a" * 99, "holds one character only, 'a'"),
        (b"\x7fELF\x00\x01" * 9, "notes.txt' is binary, byte 4 is 0: wanted a UTF-8 text file"),
        (b"caf\xe9 " * 9, "notes.txt' is not UTF-8, byte 3 is 0xe9: .* iconv -t UTF-8"),
    ],
)
def test_a_bad_file_is_named_with_the_mend(text, said, written):
    with pytest.raises(ValueError, match=said) as error:
        written(text).make()
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"path is '.*gone.txt': No such file or directory; wanted a UTF-8 text file"):
        Text(str(tmp_path / "gone.txt")).make()
    with pytest.raises(ValueError, match="Is a directory; wanted a UTF-8 text file"):
        Text(str(tmp_path)).make()


@pytest.mark.exhaustive
def test_a_file_too_short_for_length_or_batch_is_named(written):
    config = written("ab" * 150)  # 30 characters in a tenth
    assert sample(config, jax.random.key(0), 10, 20, 20).inputs.shape == (10, 20)
    with pytest.raises(
        ValueError,
        match=r"max_length: got 30, wanted 1 to 29; .* has 300 characters, .* windows of up to 29: take a long",
    ):
        sample(config, jax.random.key(0), 1, 30, 30)
    with pytest.raises(
        ValueError, match=r"got 11, but a tenth of .* has 10 windows of 20 characters: take a longer fi"
    ):
        sample(config, jax.random.key(0), 11, 20, 20)
    with pytest.raises(
        ValueError,
        match=r"got low=3, high=30, wanted 1 <= low <= high <= 29; .* has 300 characters, .* of up to 29: take",
    ):
        config.make().spec.lengths(3, 30)
    with pytest.raises(ValueError, match="got low=0, high=3, wanted 1 <= low <= high"):
        config.make().spec.lengths(0, 3)
