"""MAD's fuzzy recall against a regular expression, its floors against all ways to fill the room."""

import itertools
import math
import re
from collections import Counter, defaultdict

import jax
import numpy as np
import pytest
from drawn import sample

from attn_jax.tasks.laws.fuzzy_law import fuzzy_law
from attn_jax.tasks.recall.mad_fuzzy_recall import MADFuzzyRecall, floors
from attn_jax.testing.check_task import check_task

LETTERS = "abcdefgABCDEFGH."  # seven of keys, eight of values, the blank


def draw(config, length, max_length, batch_size=256, seed=0, split="train"):
    drawn = sample(config, jax.random.key(seed), batch_size, np.int32(length), max_length, split=split)
    return [np.asarray(values) for values in drawn]


@pytest.mark.parametrize(
    "config", [MADFuzzyRecall(train_lengths=(48, 48), test_lengths=(12, 48)), MADFuzzyRecall(3, 4)]
)
@pytest.mark.exhaustive
def test_contract(config):
    check_task(config, num_samples=64, floor_samples=1024)


@pytest.mark.parametrize("length", [12, 30])
def test_pairs_follow_blanks_and_known_ones_are_asked_for(length):
    inputs, targets, weights, scored, valid = draw(MADFuzzyRecall(), length, 30)
    for row in range(len(inputs)):
        # the last token is asked for and not read
        text = "".join(LETTERS[token] for token in [*inputs[row, : length - 1], 7 + targets[row, length - 2]])
        assert re.fullmatch(r"\.*([a-g]{1,3}[A-H]{1,3})+", text)
        known, asked = {}, {}
        pairs = list(re.finditer(r"([a-g]+)([A-H]+)", text))
        for pair in pairs:
            key, value = pair.groups()
            assert len(set(key)) == len(key)
            assert len(set(value)) == len(value)
            if key in known:
                asked |= {pair.start(2) - 1 + n: LETTERS.index(letter) - 7 for n, letter in enumerate(value)}
            assert known.setdefault(key, value) == value
        assert pairs[-1].group(1) in [pair.group(1) for pair in pairs[:-1]]
        assert targets[row].tolist() == [asked.get(place, 0) for place in range(29)]
        assert np.flatnonzero(scored[row]).tolist() == sorted(asked)
        assert pairs[-1].start() - pairs[0].start() <= length - 6
    assert (weights == scored).all()
    assert (valid == (np.arange(29) < length - 1)).all()


def test_sizes_and_tokens_are_uniform():
    inputs, targets, _, scored, _ = draw(MADFuzzyRecall(), 12, 12, batch_size=20_000)
    first = Counter()
    for row in inputs.tolist():
        pair = re.match(r"\.*([a-g]+)([A-H]+)", "".join(LETTERS[token] for token in row))
        first[pair.groups() if pair.end() < 9 else None] += 1
    del first[None]
    for group, number in ((0, 7), (1, 8)):
        for size in (1, 2, 3):
            words = Counter()
            for pair, count in first.items():
                words[pair[group]] += count if len(pair[group]) == size else 0
            words = Counter({word: count for word, count in words.items() if len(word) == size})
            mean = words.total() / math.perm(number, size)
            assert all(abs(words["".join(word)] - mean) < 6 * math.sqrt(mean) + 6 for word in words)
    counts = np.bincount(targets[scored], minlength=8)
    assert (abs(counts - counts.mean()) < 8 * math.sqrt(counts.mean())).all()


def law_by_enumeration(num_keys, num_values, room):
    """Every sequence of keys by name and value by its first token and size, each with its probability."""
    keys = [(size, n) for size in (1, 2, 3) for n in range(math.perm(num_keys, size))]
    asked, right = np.zeros(3), 0.0

    def fill(read, used, chance):
        nonlocal right
        nested = defaultdict(float)
        for key in keys:
            p = 1 / (3 * math.perm(num_keys, key[0]))
            known = [value for name, value in read if name == key]
            values = known[:1] or list(itertools.product((1, 2, 3), range(num_values)))
            for value in values:
                nested[key, value, bool(known)] += chance * p / len(values)
        for (key, value, known), mass in nested.items():
            end = used + key[0] + value[0]
            if end > room:
                for _, again in read:
                    asked[: again[0]] += mass / len(read)
                    right += mass / len(read) * sum(other[1] == again[1] for _, other in read) / len(read)
                continue
            if known:
                asked[: value[0]] += mass
                right += mass * sum(other[1] == value[1] for _, other in read) / len(read)
            fill([*read, (key, value)], end, mass)

    fill([], 0, 1.0)
    return asked, right


def test_law_by_enumeration():
    asked, right = fuzzy_law(3, 2, 6)
    slow_asked, slow_right = law_by_enumeration(3, 2, 6)
    assert np.allclose(asked, slow_asked, rtol=1e-12)
    assert right == pytest.approx(slow_right, rel=1e-12)


def test_predictors_say_what_is_left():
    inputs, valid = np.array([[15, 0, 7, 8, 1, 9, 0, 7]]), np.ones((1, 8), bool)
    found = floors(MADFuzzyRecall(), 20)
    memoryless = found["memoryless"].predict(inputs, valid)[0]
    in_context = found["value_in_context"].predict(inputs, valid)[0]
    assert memoryless[6].tolist() == [1 / 8] * 8
    assert memoryless[2].tolist() == [0, *[1 / 7] * 7]
    assert memoryless[3].tolist() == [0, 0, *[1 / 6] * 6]
    assert in_context[6].tolist() == [0.5, 0, 0.5, 0, 0, 0, 0, 0]
    assert in_context[7].tolist() == [0, *[1 / 7] * 7]
    assert in_context[1].tolist() == [1 / 8] * 8


def test_lengths_and_options_are_checked():
    spec = MADFuzzyRecall().make().spec
    assert spec.lengths(12, 14) == (12, 13, 14)
    with pytest.raises(ValueError, match="got low=11, high=14, wanted 12 <= low <= high <= 256"):
        spec.lengths(11, 14)
    with pytest.raises(ValueError, match="max_length: got 257, wanted 12 to 256"):
        sample(MADFuzzyRecall(), jax.random.key(0), 2, 12, 257)
    with pytest.raises(ValueError, match="num_keys is 2, wanted at least 3"):
        MADFuzzyRecall(num_keys=2)
    with pytest.raises(ValueError, match="num_values is 3, wanted at least 4"):
        MADFuzzyRecall(num_values=3)
