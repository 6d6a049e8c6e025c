"""Modular sums against Python's, in all three layouts; floors against all sequences."""

import itertools
import math
from collections import Counter, defaultdict

import jax
import numpy as np
import pytest
from drawn import as_strings, sample, solve

from attn_jax.tasks.languages.parity import Parity
from attn_jax.tasks.state_tracking.modular_sum import ModularSum, floors
from attn_jax.testing.check_task import check_task

LABELS = ("outcome", "steps", "written")
STEPS, WRITTEN = ModularSum(labels="steps"), ModularSum(labels="written")


def sums_of(numbers, modulus=5):
    return [sum(numbers[: t + 1]) % modulus for t in range(len(numbers))]


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.exhaustive
def test_contract(labels):
    check_task(ModularSum(labels=labels), num_samples=128, floor_samples=5_000)


@pytest.mark.exhaustive
def test_contract_of_a_large_modulus():
    check_task(ModularSum(modulus=61, labels="written"), num_samples=64, floor_samples=512)


@pytest.mark.parametrize("length", [2, 5, 9])
@pytest.mark.parametrize("labels", LABELS)
def test_layout(labels, length):
    config = ModularSum(labels=labels)
    places = {"outcome": 10, "steps": 9, "written": 18}[labels]
    inputs, targets, weights, scored, valid = map(np.asarray, sample(config, jax.random.key(0), 64, length, 9))
    for row in range(64):
        x = inputs[row, :length].tolist()
        s = sums_of(x)
        wanted_inputs, wanted_targets, asked = {
            "outcome": ([*x, 5], [*[0] * length, s[-1]], [0] * length + [1]),
            "steps": (x, s, [1] * length),
            "written": ([*x, 5, *s[:-1]], [*[0] * length, *s], [0] * length + [1] * length),
        }[labels]
        padding = [0] * (places - len(wanted_inputs))
        assert inputs[row].tolist() == wanted_inputs + padding
        assert targets[row].tolist() == wanted_targets + padding
        assert scored[row].tolist() == asked + padding
        assert valid[row].tolist() == [1] * len(wanted_inputs) + padding
    assert (weights == scored).all()


@pytest.mark.parametrize("labels", ["outcome", "written"])
def test_one_number_is_its_own_sum(labels):
    inputs, targets, _, scored, _ = map(np.asarray, sample(ModularSum(labels=labels), jax.random.key(0), 16, 1, 3))
    assert (inputs[:, 1] == 5).all()
    assert (targets[:, 1] == inputs[:, 0]).all()
    assert (scored == (np.arange(scored.shape[1]) == 1)).all()


def test_numbers_and_sums_are_uniform():
    inputs, targets, *_ = map(np.asarray, sample(STEPS, jax.random.key(0), 10_000, 6, 6))
    for values in (inputs, targets):
        counts = np.stack([(values == v).sum(axis=0) for v in range(5)])
        assert (abs(counts - 2000) < 5 * math.sqrt(1600)).all()
    followed = Counter(zip(targets[:, 2].tolist(), targets[:, 3].tolist(), strict=True))
    assert len(followed) == 25
    assert all(abs(count - 400) < 5 * math.sqrt(400) for count in followed.values())


def test_labels_are_three_views_of_the_same_draw():
    outcome, steps, written = (sample(ModularSum(labels=labels), jax.random.key(3), 8, 6, 6) for labels in LABELS)
    assert (outcome.inputs[:, :6] == steps.inputs).all()
    assert (written.inputs[:, :6] == steps.inputs).all()
    assert (written.targets[:, 6:] == steps.targets).all()
    assert (outcome.targets[:, 6] == steps.targets[:, 5]).all()


def test_strings_hold_numbers_and_sums():
    found = as_strings(WRITTEN, jax.random.key(1), 16, 3, 5)
    source, target, target_in = (
        np.asarray(values).tolist() for values in (found.source, found.target, found.target_in)
    )
    for x, y, before in zip(source, target, target_in, strict=True):
        s = sums_of(x[:3])
        assert x[3:] == [0, 0]
        assert y == [*s, 6, 0, 0]
        assert before == [5, *s, 0, 0]
    assert WRITTEN.make().strings is not None
    assert ModularSum().make().strings is None
    assert STEPS.make().spec.strings_vocab_size is None


def test_modulus_two_is_parity():
    for labels, other in (("outcome", "end"), ("steps", "running")):
        batch = sample(ModularSum(modulus=2, labels=labels), jax.random.key(0), 64, 7, 8)
        wanted = solve(Parity(labels=other), np.asarray(batch.inputs), np.asarray(batch.valid))
        assert (wanted == np.asarray(batch.targets)).all()


@pytest.mark.parametrize("length", [2, 3, 4])
def test_memoryless_floor_is_the_best_of_all_that_see_one_token_and_its_place(length):
    for labels in ("steps", "written"):
        seen = defaultdict(Counter)
        for x in itertools.product(range(3), repeat=length):
            s = sums_of(x, 3)
            read = x if labels == "steps" else (None, *s)
            for t in range(length):
                seen[t, read[t]][s[t]] += 1
        total = length * 3**length
        accuracy = sum(max(counts.values()) for counts in seen.values()) / total
        loss = -sum(n * math.log(n / counts.total()) for counts in seen.values() for n in counts.values()) / total
        spec = ModularSum(3, labels).make().spec
        floor = floors(ModularSum(3, labels), length)[spec.chance]
        assert floor.value == pytest.approx(accuracy, rel=1e-12)
        assert floor.loss == pytest.approx(loss, rel=1e-12)


def test_nothing_short_of_all_numbers_helps_the_outcome():
    for hidden in range(4):
        counts = defaultdict(Counter)
        for x in itertools.product(range(3), repeat=4):
            counts[x[:hidden] + x[hidden + 1 :]][sum(x) % 3] += 1
        assert all(count == Counter({0: 1, 1: 1, 2: 1}) for count in counts.values())
    floor = floors(ModularSum(3), 4)["uniform"]
    assert floor[:2] == (1 / 3, math.log(3))
    assert list(floors(ModularSum(), 4)) == ["uniform"]


def test_shortest_lengths():
    assert ModularSum().make().spec.lengths(1, 3) == (1, 2, 3)
    assert WRITTEN.make().spec.lengths(1, 3) == (1, 2, 3)
    with pytest.raises(ValueError, match="got low=1, high=3, wanted 2 <= low <= high"):
        STEPS.make().spec.lengths(1, 3)
    with pytest.raises(ValueError, match="max_length: got 0, wanted at least 1"):
        sample(ModularSum(), jax.random.key(0), 2, 0, 0)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="ModularSum: modulus is 1, wanted at least 2"):
        ModularSum(1)
    with pytest.raises(ValueError, match="labels is 'every', wanted one of 'outcome', 'steps', 'written'"):
        ModularSum(labels="every")
