"""MAD's selective copying against plain lists, its floors against all letters."""

import itertools
import math
from collections import Counter

import jax
import numpy as np
import pytest
from drawn import sample

from attn_jax.tasks.recall.mad_selective_copy import MADSelectiveCopy, floors
from attn_jax.testing.check_task import check_task


def draw(config, length, max_length, batch_size=256, seed=0, split="train"):
    drawn = sample(config, jax.random.key(seed), batch_size, np.int32(length), max_length, split=split)
    return [np.asarray(values) for values in drawn]


@pytest.mark.parametrize(
    "config",
    [MADSelectiveCopy(), MADSelectiveCopy(2, 3, train_lengths=(6, 12), test_lengths=(6, 7, 20))],
)
@pytest.mark.exhaustive
def test_contract(config):
    check_task(config, num_samples=128, floor_samples=4000)


@pytest.mark.parametrize("length", [8, 9, 13])
def test_sequences_are_written_out(length):
    config = MADSelectiveCopy(num_copied=3)
    inputs, targets, weights, scored, valid = draw(config, length, 13, 128)
    for row in range(128):
        tokens, padding = inputs[row].tolist(), [0] * (13 - length)
        letters = [token for token in tokens[: length - 4] if token != 14]
        assert len(letters) == 3
        assert max(letters) < 14
        assert tokens[length - 5] == letters[-1]  # no gap after the last letter
        assert tokens[length - 4 :] == [15, 14, 14, 14, *padding]
        assert targets[row].tolist() == [0] * (length - 3) + letters + padding
    assert (scored == ((np.arange(13) >= length - 3) & (np.arange(13) < length))).all()
    assert (weights == scored).all()
    assert (valid == (np.arange(13) < length)).all()


def test_gaps_and_letters_are_uniform_and_independent():
    config = MADSelectiveCopy(num_copied=2, num_letters=3)
    inputs = draw(config, 8, 8, 16_000)[0][:, :5]
    # three blanks, each before the first or the second letter: the first letter stands at Binomial(3, 1 / 2)
    places = np.bincount((inputs < 3).argmax(axis=1), minlength=4)
    for place, count in enumerate(places):
        mean = 16_000 * math.comb(3, place) / 8
        assert abs(count - mean) < 5 * math.sqrt(mean)
    pairs = Counter(tuple(token for token in row if token < 3) for row in inputs.tolist())
    assert set(pairs) == set(itertools.product(range(3), repeat=2))
    assert all(abs(count - 16_000 / 9) < 5 * math.sqrt(16_000 / 9) for count in pairs.values())


@pytest.mark.parametrize(("num_copied", "num_letters"), [(2, 3), (4, 3), (3, 4)])
def test_floors_by_enumerating_letters(num_copied, num_letters):
    most = share = loss = 0.0
    for letters in itertools.product(range(num_letters), repeat=num_copied):
        counts = Counter(letters)
        most += max(counts.values()) / num_copied
        share += sum(counts[letter] / num_copied for letter in letters) / num_copied
        loss -= sum(math.log(counts[letter] / num_copied) for letter in letters) / num_copied
    found = floors(MADSelectiveCopy(num_copied, num_letters), 40)
    total = num_letters**num_copied
    assert found["most_frequent_letter"].value == pytest.approx(most / total)
    assert found["value_in_context"][:2] == pytest.approx((share / total, loss / total))


def test_published_floor():
    found = floors(MADSelectiveCopy.published(), 256)
    assert found["uniform"][:2] == (1 / 14, math.log(14))
    assert MADSelectiveCopy.published().make().spec.num_tokens(256) == 256


def test_lengths_and_options_are_checked():
    spec = MADSelectiveCopy(num_copied=3).make().spec
    assert spec.lengths(8, 10) == (8, 9, 10)
    with pytest.raises(ValueError, match="got low=7, high=10, wanted 8 <= low"):
        spec.lengths(7, 10)
    with pytest.raises(ValueError, match="num_copied is 1, wanted at least 2"):
        MADSelectiveCopy(num_copied=1)
    with pytest.raises(ValueError, match="num_letters is 1, wanted at least 2"):
        MADSelectiveCopy(num_letters=1)
