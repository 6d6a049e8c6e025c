"""The modular table against Python's own arithmetic, its splits against the whole table."""

import itertools
import math
from collections import Counter

import jax
import numpy as np
import pytest
from drawn import sample

from attn_jax.tasks.numbers.modular_table import ModularTable, floors
from attn_jax.testing.check_task import check_task

OPERATIONS = ("+", "-", "x", "/")


def draw(config, length, max_length, batch_size=256, seed=0, split="train"):
    drawn = sample(config, jax.random.key(seed), batch_size, np.int32(length), max_length, split=split)
    return [np.asarray(values) for values in drawn]


def triples(config, split, batch_size=4000):
    inputs, targets, *_ = draw(config, 4, 4, batch_size, split=split)
    return set(zip(inputs[:, 0].tolist(), inputs[:, 2].tolist(), targets[:, 3].tolist(), strict=True))


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.exhaustive
def test_contract(operation):
    check_task(ModularTable(operation=operation), num_samples=128, floor_samples=2000)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_splits_are_the_whole_table_and_share_nothing(operation):
    config = ModularTable(7, operation, train_share=0.4)
    parts = [triples(config, split) for split in ("train", "validation", "test")]
    divide = operation == "/"
    whole = {(a, b) for a, b in itertools.product(range(7), range(divide, 7))}
    assert sum(map(len, parts)) == len(whole) == config.num_equations
    assert {(a, b) for part in parts for a, b, _ in part} == whole
    assert len(parts[0]) == round(0.4 * len(whole))
    assert abs(len(parts[1]) - len(parts[2])) <= 1
    for a, b, c in set().union(*parts):
        assert {"+": a + b - c, "-": a - b - c, "x": a * b - c, "/": b * c - a}[operation] % 7 == 0


def test_layout():
    inputs, targets, weights, scored, valid = draw(ModularTable(11), 4, 4, 64)
    assert (inputs[:, 1::2] == [11, 12]).all()
    assert not targets[:, :3].any()
    assert (scored == [False, False, False, True]).all()
    assert (weights == scored).all()
    assert valid.all()


def test_equations_of_a_split_are_drawn_alike():
    config = ModularTable(5, train_share=0.6)
    inputs = draw(config, 4, 4, 15_000)[0]
    counts = Counter(map(tuple, inputs.tolist()))
    assert len(counts) == 15
    assert all(abs(count - 1000) < 5 * math.sqrt(1000) for count in counts.values())


def test_seed_picks_what_is_trained_on():
    assert triples(ModularTable(7), "train") == triples(ModularTable(7), "train")
    assert triples(ModularTable(7), "train") != triples(ModularTable(7, split_seed=1), "train")


@pytest.mark.parametrize("operation", ["+", "x"])
def test_floors(operation):
    found = floors(ModularTable(operation=operation), 4)
    assert found["uniform"][:2] == (1 / 97, math.log(97))
    answers = Counter(c for _, _, c in triples(ModularTable(7, operation), "test"))
    constant = floors(ModularTable(7, operation), 4)["best_constant"]
    assert constant.value == pytest.approx(answers[0] / answers.total())
    assert constant.loss is None


def test_chance_is_the_better_constant():
    assert ModularTable().make().spec.chance == "uniform"
    times = ModularTable(operation="x")
    assert times.make().spec.chance == "best_constant"
    assert floors(times, 4)["best_constant"].value > 1.5 / 97


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modulus": 91}, "modulus is 91, wanted a prime of at least 5"),
        ({"modulus": 3}, "modulus is 3, wanted a prime"),
        ({"operation": "*"}, r"operation is '\*', wanted one of '\+', '-', 'x', '/'"),
        ({"train_share": 1.0}, "train_share is 1.0, wanted a share of 1 that leaves no split empty"),
        ({"modulus": 5, "train_share": 0.98}, "leaves no split empty"),
        ({"split_seed": -1}, "split_seed is -1, wanted at least 0"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        ModularTable(**options)


def test_there_is_one_length():
    spec = ModularTable().make().spec
    assert spec.lengths(1, 9) == (4,)
    with pytest.raises(ValueError, match="got low=5, high=9, wanted a range that holds 4, the only one"):
        spec.lengths(5, 9)
    with pytest.raises(ValueError, match="max_length: got 3, wanted 4, the only one"):
        sample(ModularTable(), jax.random.key(0), 2, 3, 3)
