"""MAD's memorisation: one map, the same in all splits, that no sequence shows."""

import math

import jax
import numpy as np
import pytest
from drawn import sample

from attn_jax.tasks.recall.mad_memorisation import MADMemorisation, floors
from attn_jax.testing.check_task import check_task


def draw(config, length, max_length, batch_size=256, seed=0, split="train"):
    drawn = sample(config, jax.random.key(seed), batch_size, np.int32(length), max_length, split=split)
    return [np.asarray(values) for values in drawn]


@pytest.mark.parametrize("config", [MADMemorisation(), MADMemorisation(num_keys=2, map_seed=3)])
@pytest.mark.exhaustive
def test_contract(config):
    check_task(config, num_samples=128, floor_samples=2000)


@pytest.mark.parametrize("length", [2, 8])
def test_sequences_are_written_out(length):
    config = MADMemorisation(num_keys=5)
    inputs, targets, weights, scored, valid = draw(config, length, 8, 64)
    values = config.values()
    for row in range(64):
        keys = inputs[row, :length:2].tolist()
        assert inputs[row].tolist() == [token for key in keys for token in (key, 5)] + [0] * (8 - length)
        assert targets[row].tolist() == [c for key in keys for c in (0, values[key])] + [0] * (8 - length)
    assert (valid == (np.arange(8) < length)).all()
    assert (scored == valid & (np.arange(8) % 2 == 1)).all()
    assert (weights == scored).all()


def test_the_map_is_one_to_one_and_the_same_in_all_splits():
    config = MADMemorisation(num_keys=20)
    assert sorted(config.values().tolist()) == list(range(20))
    seen = {}
    for split in ("train", "validation", "test"):
        inputs, targets, *_ = draw(config, 8, 8, 200, split=split)
        for key, value in zip(inputs[:, ::2].ravel().tolist(), targets[:, 1::2].ravel().tolist(), strict=True):
            assert seen.setdefault(key, value) == value
    assert len(seen) == 20
    assert (MADMemorisation(map_seed=1).values() != MADMemorisation(map_seed=2).values()).any()


def test_keys_are_uniform_and_inputs_never_show_a_value():
    inputs = draw(MADMemorisation(num_keys=8), 8, 8, 4000)[0]
    counts = np.bincount(inputs[:, ::2].ravel(), minlength=8)
    assert (abs(counts - 2000) < 5 * math.sqrt(2000)).all()
    assert (inputs[:, 1::2] == 8).all()


def test_floor_and_sizes():
    assert floors(MADMemorisation.published(), 32)["uniform"][:2] == (1 / 127, math.log(127))
    spec = MADMemorisation().make().spec
    assert spec.lengths(1 + 1, 5) == (2, 4)
    with pytest.raises(ValueError, match="got low=1, high=5, wanted 2 <= low"):
        spec.lengths(1, 5)
    with pytest.raises(ValueError, match="max_length: got 3, wanted at least 2, in steps of 2"):
        sample(MADMemorisation(), jax.random.key(0), 2, 2, 3)
    with pytest.raises(ValueError, match="num_keys is 1, wanted at least 2"):
        MADMemorisation(num_keys=1)
    with pytest.raises(ValueError, match="map_seed is -1, wanted at least 0"):
        MADMemorisation(map_seed=-1)
