"""Induction heads against sequences read by hand, their floors against all sequences."""

import itertools
import math
from collections import Counter

import jax
import numpy as np
import pytest
from drawn import sample

from attn_jax.tasks.recall.induction_heads import InductionHeads, floors
from attn_jax.testing.check_task import check_task


def draw(config, length, max_length, batch_size=64):
    return [np.asarray(a) for a in sample(config, jax.random.key(0), batch_size, length, max_length)]


@pytest.mark.parametrize("loss", ["answers", "all"])
@pytest.mark.exhaustive
def test_contract(loss):
    check_task(InductionHeads(loss=loss), num_samples=128, floor_samples=2560)


@pytest.mark.exhaustive
def test_contract_h3():
    check_task(InductionHeads.h3(), num_samples=64, floor_samples=2048)


@pytest.mark.parametrize("length", [3, 5, 8])
@pytest.mark.parametrize("loss", ["answers", "all"])
def test_what_followed_the_trigger_follows_it_again(length, loss):
    inputs, targets, weights, scored, valid = draw(InductionHeads(loss=loss), length, 8)
    for row in range(64):
        tokens = inputs[row].tolist()
        first = tokens.index(15)
        assert tokens[length] == 15
        assert tokens[: length + 1].count(15) == 2
        assert first <= length - 3
        following = tokens[1 : length + 1] if loss == "all" else [0] * length
        assert targets[row].tolist() == [*following, tokens[first + 1], *[0] * (8 - length)]
        assert not any(tokens[length + 1 :])
    place = np.arange(9)
    assert (scored == (place == length)).all()
    assert (valid == (place <= length)).all()
    assert (weights == (valid if loss == "all" else scored)).all()


def test_triggers_and_symbols_are_uniform():
    inputs, targets, *_ = draw(InductionHeads(num_symbols=4), 6, 7, batch_size=20_000)
    places = np.bincount((inputs[:, :6] == 4).argmax(axis=1), minlength=6)
    assert (abs(places[:4] - 5000) < 5 * math.sqrt(5000)).all()
    assert not places[4:].any()
    answers = np.bincount(targets[:, 6], minlength=4)
    assert (abs(answers - 5000) < 5 * math.sqrt(5000)).all()


@pytest.mark.parametrize(("length", "num_symbols"), [(3, 4), (5, 3)])
def test_floors_by_enumerating_every_sequence(length, num_symbols):
    most = within = loss = total = 0
    for symbols in itertools.product(range(num_symbols), repeat=length - 1):
        counts = Counter(symbols)
        largest = [v for v in counts if counts[v] == max(counts.values())]
        for trigger in range(length - 2):
            answer = symbols[trigger]  # the trigger overwrote none of these
            most += (answer in largest) / len(largest)
            within += counts[answer] / (length - 1)
            loss -= math.log(counts[answer] / (length - 1))
            total += 1
    found = floors(InductionHeads(num_symbols=num_symbols), length)
    assert found["most_frequent_symbol"].value == pytest.approx(most / total)
    assert found["value_in_context"][:2] == pytest.approx((within / total, loss / total))
    assert found["symbols"][:2] == pytest.approx((1 / num_symbols, math.log(num_symbols)))


def test_published_chances():
    assert floors(InductionHeads.mamba(), 256)["uniform"].value == 0.0625
    assert floors(InductionHeads.h3(), 30)["uniform"].value == 0.05
    assert InductionHeads.h3().make().spec.loss_places == "all"
    assert InductionHeads.mamba().make().spec.loss_places == "scored"
    # What counting reaches there, above both.
    assert floors(InductionHeads.h3(), 30)["most_frequent_symbol"].value == pytest.approx(0.1473, abs=5e-5)
    assert floors(InductionHeads.mamba(), 256)["most_frequent_symbol"].value == pytest.approx(0.0961, abs=5e-5)


def test_training_on_everything_dilutes_the_answer():
    answers = floors(InductionHeads(), 9)["symbols"].loss
    assert floors(InductionHeads(loss="all"), 9)["symbols"].loss == pytest.approx((9 * math.log(16) + answers) / 10)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="num_symbols is 1, wanted at least 2"):
        InductionHeads(num_symbols=1)
    with pytest.raises(ValueError, match="num_unused is -1, wanted at least 0"):
        InductionHeads(num_unused=-1)
    with pytest.raises(ValueError, match="loss is 'last', wanted 'answers' or 'all'"):
        InductionHeads(loss="last")
    with pytest.raises(ValueError, match="max_length: got 2, wanted at least 3"):
        sample(InductionHeads(), jax.random.key(0), 2, 2, 2)
    with pytest.raises(ValueError, match=r"InductionHeads: train_lengths are \(2, 2\), wanted 3 <= low <= high$"):
        InductionHeads(train_lengths=(2, 2))
