"""MQAR against a dictionary, the choice of slots against every order in which they can be taken."""

import itertools
import math
from collections import Counter

import jax
import numpy as np
import pytest
from drawn import sample, solve

from attn_jax.tasks.laws.mqar_law import slot_choices
from attn_jax.tasks.recall.mqar import MQAR, floors
from attn_jax.testing.check_task import check_task


def draw(config, length, max_length, batch_size=128, seed=0):
    return [np.asarray(a) for a in sample(config, jax.random.key(seed), batch_size, length, max_length)]


@pytest.mark.parametrize("fill", ["zeros", "uniform"])
@pytest.mark.exhaustive
def test_contract(fill):
    check_task(MQAR(fill=fill), num_samples=128, floor_samples=2560)


def test_a_published_size_is_solved():
    config = MQAR.published(64, 4)
    inputs, targets, _, scored, valid = draw(config, 4, 4, batch_size=16)
    assert inputs.shape == (16, 64)
    assert (solve(config, inputs, valid)[scored] == targets[scored]).all()
    assert (targets[scored] >= 4096).all()


@pytest.mark.exhaustive
def test_contract_where_every_slot_is_taken():
    config = MQAR(vocab_size=12, tokens_per_pair=4, power=1.0, train_lengths=(2, 2), test_lengths=(2, 5))
    check_task(config, num_samples=64, floor_samples=2048)


@pytest.mark.parametrize("length", [2, 4, 5])
@pytest.mark.parametrize("fill", ["zeros", "uniform"])
def test_every_key_is_asked_once_in_a_slot(length, fill):
    inputs, targets, weights, scored, valid = draw(MQAR(fill=fill), length, 5)
    for row in range(128):
        tokens = inputs[row].tolist()
        pairs = dict(zip(tokens[: 2 * length : 2], tokens[1 : 2 * length : 2], strict=True))
        assert len(pairs) == length == len(set(pairs.values()))
        assert all(0 < key < 32 <= value < 64 for key, value in pairs.items())
        asked = np.flatnonzero(scored[row]).tolist()
        assert all(place >= 2 * length and place % 2 == 0 and place < 6 * length for place in asked)
        assert sorted(tokens[place] for place in asked) == sorted(pairs)
        assert [targets[row, place] for place in asked] == [pairs[tokens[place]] for place in asked]
        assert np.count_nonzero(targets[row]) == length
        if fill == "zeros":
            assert np.count_nonzero(tokens) == 3 * length
    assert (weights == scored).all()
    assert (valid == (np.arange(30) < 6 * length)).all()
    assert not inputs[~valid].any()


def test_filler_is_uniform_over_the_whole_vocabulary():
    inputs, _, _, scored, _ = draw(MQAR(vocab_size=8, fill="uniform", train_lengths=(2, 2)), 2, 2, batch_size=8000)
    counts = np.bincount(inputs[:, 4:][~scored[:, 4:]], minlength=8)
    assert (abs(counts - 6000) < 5 * math.sqrt(6000)).all()


def enumerated(num_slots, num_keys, power):
    weights = np.arange(1, num_slots + 1) ** (power - 1)
    table = np.zeros((num_slots, num_keys))
    for order in itertools.permutations(range(num_slots), num_keys):
        left, chance = weights.sum(), 1.0
        for slot in order:
            chance *= weights[slot] / left
            left -= weights[slot]
        for key, slot in enumerate(order):
            table[slot, key] += chance
    return table


@pytest.mark.parametrize(("num_slots", "num_keys", "power"), [(4, 2, 0.01), (6, 3, 0.5), (4, 4, 0.01), (5, 2, 1.0)])
def test_slots_by_enumerating_every_order(num_slots, num_keys, power):
    table = slot_choices(num_slots, num_keys, power)
    assert table == pytest.approx(enumerated(num_slots, num_keys, power), abs=1e-12)


@pytest.mark.exhaustive
def test_slots_of_the_largest_size_are_taken_for_sure():
    # 192 slots and 64 keys: each key takes one slot, no slot is taken twice.
    table = slot_choices(192, 64, 0.01)
    assert table.sum(axis=0) == pytest.approx(np.ones(64), abs=1e-10)
    assert table.sum(axis=1).max() <= 1 + 1e-10


def test_the_sampler_takes_slots_as_enumerated():
    num_rows = 20_000
    inputs, _, _, scored, _ = draw(MQAR(), 2, 3, batch_size=num_rows)
    expected = enumerated(4, 2, 0.01) * num_rows
    for key in range(2):
        is_asked = scored & (inputs == inputs[:, 2 * key : 2 * key + 1])
        counts = is_asked[:, 4:12:2].sum(axis=0)
        assert (abs(counts - expected[:, key]) < 5 * np.sqrt(expected[:, key])).all()


def test_keys_and_values_are_uniform():
    inputs, *_ = draw(MQAR(vocab_size=8, train_lengths=(2, 2)), 2, 3, batch_size=12_000)
    for places, choices in (((0, 2), range(1, 4)), ((1, 3), range(4, 8))):
        joint = Counter(map(tuple, inputs[:, places].tolist()))
        assert set(joint) == set(itertools.permutations(choices, 2))
        assert all(abs(count - 12_000 / len(joint)) < 5 * math.sqrt(12_000 / len(joint)) for count in joint.values())


def test_published_floors():
    for (num_tokens, num_pairs), likeliest in (((64, 4), 0.2882), ((128, 8), 0.1548), ((256, 16), 0.0826)):
        config = MQAR.published(num_tokens, num_pairs)
        assert config.make().spec.num_tokens(num_pairs) == num_tokens
        found = floors(config, num_pairs)
        assert found["uniform"][:2] == pytest.approx((1 / 8192, math.log(8192)))
        assert found["value_half"][:2] == pytest.approx((1 / 4096, math.log(4096)))
        assert found["value_in_context"][:2] == pytest.approx((1 / num_pairs, math.log(num_pairs)))
        assert found["likeliest_pair"].value == pytest.approx(likeliest, abs=5e-5)


def test_with_uniform_slots_place_tells_nothing():
    assert floors(MQAR(power=1.0), 6)["likeliest_pair"].value == pytest.approx(1 / 6)


def test_lengths_end_where_keys_do():
    spec = MQAR(vocab_size=12, train_lengths=(2, 2)).make().spec
    assert spec.lengths(2, 5) == (2, 3, 4, 5)
    mend = r"; vocab_size is 12 and holds 5 keys, and D pairs want 2 D \+ 2"
    with pytest.raises(ValueError, match=f"got low=2, high=6, wanted 2 <= low <= high <= 5{mend}$"):
        spec.lengths(2, 6)
    assert MQAR(vocab_size=14).make().spec.lengths(2, 6) == (2, 3, 4, 5, 6)
    with pytest.raises(ValueError, match=r"got low=1, high=5, wanted 2 <= low <= high <= 5$"):
        spec.lengths(1, 5)
    with pytest.raises(
        ValueError,
        match=r"max_length: got 32, wanted 2 to 31; vocab_size is 64 and holds 31 keys, and D pairs want 2 D \+ 2",
    ):
        sample(MQAR(), jax.random.key(0), 2, 3, 32)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="vocab_size is 7, wanted an even number of at least 6"):
        MQAR(vocab_size=7)
    with pytest.raises(ValueError, match="tokens_per_pair is 2, wanted an even number of at least 4"):
        MQAR(tokens_per_pair=2)
    with pytest.raises(ValueError, match=r"power is 0\.0, wanted a number above 0"):
        MQAR(power=0.0)
    with pytest.raises(
        ValueError, match=r"MQAR: train_lengths are \(40, 40\), wanted 2 <= low .* <= 31: vocab_size is 64"
    ):
        MQAR(train_lengths=(40, 40))
    with pytest.raises(ValueError, match="fill is 'noise', wanted 'zeros' or 'uniform'"):
        MQAR(fill="noise")
    with pytest.raises(ValueError, match=r"got \(100, 4\), wanted one of \(64, 4\), \(128, 8\)"):
        MQAR.published(100, 4)
