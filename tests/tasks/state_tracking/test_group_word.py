"""The group word problem against permutations composed one by one, its floors against all words."""

import itertools
import math
from collections import Counter, defaultdict

import jax
import numpy as np
import pytest
from drawn import sample

from attn_jax.tasks.laws.groups import permutations, product_table
from attn_jax.tasks.state_tracking.group_word import GroupWord, floors
from attn_jax.testing.check_task import check_task


def words_and_products(length):
    """All words over S3 with the products of their prefixes, by composing mappings."""
    maps = list(itertools.permutations(range(3)))
    for word in itertools.product(range(6), repeat=length):
        at, products = (0, 1, 2), []
        for g in word:
            at = tuple(maps[g][i] for i in at)
            products.append(maps.index(at))
        yield word, products


@pytest.mark.sampled(1)
@pytest.mark.parametrize("group", ["z60", "a4xz5", "a5", "s3", "s5"])
def test_contract(group):
    check_task(GroupWord(group), num_samples=64, floor_samples=256)


@pytest.mark.exhaustive
def test_contract_by_places():
    check_task(GroupWord("s3", metric="accuracy"), num_samples=128, floor_samples=5_000)


@pytest.mark.parametrize("length", [2, 5, 9])
@pytest.mark.parametrize("group", ["s3", "a5"])
def test_every_place_holds_the_product_so_far(group, length):
    maps = permutations(group).tolist()
    config = GroupWord(group)
    inputs, targets, weights, scored, valid = map(np.asarray, sample(config, jax.random.key(0), 32, length, 9))
    for row in range(32):
        at = maps[0]
        for t in range(length):
            at = [maps[inputs[row, t]][i] for i in at]
            assert maps[targets[row, t]] == at
    assert not inputs[:, length:].any()
    assert not targets[:, length:].any()
    assert (valid == (np.arange(9) < length)).all()
    assert (scored == valid).all()
    assert (weights == valid).all()


def test_words_are_uniform():
    inputs = np.asarray(sample(GroupWord("s3"), jax.random.key(0), 43_200, 3, 3).inputs)
    counts = Counter(map(tuple, inputs.tolist()))
    assert len(counts) == 6**3
    assert all(abs(count - 200) < 5 * math.sqrt(200) for count in counts.values())


def test_other_order_of_products_is_another_task():
    """A twin that multiplies from the right is told apart: the convention is tested, not only some product."""
    inputs, targets, *_ = map(np.asarray, sample(GroupWord("s3"), jax.random.key(0), 64, 4, 4))
    table = product_table("s3")
    left = right = inputs[:, 0]
    for t in range(1, 4):
        left, right = table[left, inputs[:, t]], table[inputs[:, t], right]
    assert (left == targets[:, 3]).all()
    assert (right != targets[:, 3]).any()


@pytest.mark.parametrize("length", [2, 3, 4])
def test_memoryless_floor_is_the_best_of_all_that_see_one_token_and_its_place(length):
    seen = defaultdict(Counter)
    for word, products in words_and_products(length):
        for t in range(length):
            seen[t, word[t]][products[t]] += 1
    total = length * 6**length
    accuracy = sum(max(counts.values()) for counts in seen.values()) / total
    loss = -sum(n * math.log(n / counts.total()) for counts in seen.values() for n in counts.values()) / total
    floor = floors(GroupWord("s3", metric="accuracy"), length)["memoryless"]
    assert floor.value == pytest.approx(accuracy, rel=1e-12)
    assert floor.value == pytest.approx((1 + (length - 1) / 6) / length, rel=1e-12)
    assert floor.loss == pytest.approx(loss, rel=1e-12)


@pytest.mark.parametrize("length", [2, 3])
def test_exact_match_floors_by_enumeration(length):
    found = floors(GroupWord("s3"), length)
    valid = np.ones((1, length), bool)
    for name in ("uniform", "memoryless"):
        score = 0.0
        for word, products in words_and_products(length):
            said = found[name].predict(np.array([word]), valid)[0]
            score += math.prod(said[t, products[t]] for t in range(length))
        assert found[name].value == pytest.approx(score / 6**length, rel=1e-12)


def test_floors_of_the_table():
    found = floors(GroupWord("a5"), 20)
    assert found["uniform"].loss == pytest.approx(4.094, abs=5e-4)
    assert found["memoryless"].value == pytest.approx(60.0**-19, rel=1e-12)
    assert floors(GroupWord("a5", metric="accuracy"), 20)["memoryless"].value == pytest.approx((1 + 19 / 60) / 20)
    assert floors(GroupWord("a5", metric="accuracy"), 20)["uniform"].value == 1 / 60


def test_spec():
    spec = GroupWord().make().spec
    assert (spec.metric, spec.threshold, spec.chance) == ("exact_match", 0.9, "memoryless")
    assert {5, 10, 15, 20} <= set(spec.test_lengths)
    assert spec.lengths(2, 4) == (2, 3, 4)
    with pytest.raises(ValueError, match="got low=1, high=3, wanted 2 <= low <= high"):
        spec.lengths(1, 3)
    with pytest.raises(ValueError, match="max_length: got 1, wanted at least 2"):
        sample(GroupWord(), jax.random.key(0), 2, 1, 1)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="GroupWord: group is 's4', wanted one of 'z60', 'a4xz5', 'a5', 's3', 's5'"):
        GroupWord("s4")
    with pytest.raises(ValueError, match="GroupWord: metric is 'mse', wanted 'exact_match' or 'accuracy'"):
        GroupWord(metric="mse")
    with pytest.raises(ValueError, match="split: got 'dev', wanted one of train, validation, test"):
        sample(GroupWord(), jax.random.key(0), 2, 3, 3, split="dev")
