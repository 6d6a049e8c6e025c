"""Associative recall against a dictionary, its floors against enumeration."""

import itertools
import math
from collections import Counter

import jax
import numpy as np
import pytest
from drawn import sample

from attn_jax.tasks import AssociativeRecall
from attn_jax.tasks.recall.associative_recall import expected_max_count, floors
from attn_jax.testing.check_task import check_task


def draw(length, max_length=6, batch_size=512, config=None, seed=0):
    config = config or AssociativeRecall()
    return [np.asarray(a) for a in sample(config, jax.random.key(seed), batch_size, np.int32(length), max_length)]


def partitions(total, largest):
    if total == 0:
        yield ()
    for first in range(min(total, largest), 0, -1):
        for rest in partitions(total - first, first):
            yield (first, *rest)


def expected_max_by_partitions(num_draws, num_values):
    """Sums over the shapes of the counts: how many sequences have this shape, times its largest part."""
    total = 0
    for shape in partitions(num_draws, num_draws):
        if len(shape) <= num_values:
            sequences = math.factorial(num_draws) // math.prod(map(math.factorial, shape))
            alike = math.prod(map(math.factorial, Counter(shape).values()))
            total += shape[0] * sequences * math.perm(num_values, len(shape)) // alike
    return total / num_values**num_draws


@pytest.mark.exhaustive
def test_contract():
    check_task(AssociativeRecall())


@pytest.mark.exhaustive
def test_contract_other_sizes():
    check_task(AssociativeRecall(num_keys=5, num_values=3), num_samples=64, floor_samples=4096)


@pytest.mark.parametrize("length", [2, 5, 6])
def test_every_query_is_answered_by_the_dictionary(length):
    inputs, targets, weights, scored, valid = draw(length)
    for row in range(len(inputs)):
        tokens = inputs[row].tolist()
        pairs = dict(zip(tokens[: 2 * length : 2], tokens[1 : 2 * length : 2], strict=True))
        assert len(pairs) == length
        assert all(key < 16 <= value < 32 for key, value in pairs.items())
        queries = tokens[2 * length : 3 * length]
        assert sorted(queries) == sorted(pairs)
        assert targets[row].tolist() == [0] * 2 * length + [pairs[q] - 16 for q in queries] + [0] * 3 * (6 - length)
    place = np.arange(18)
    assert (scored == ((place >= 2 * length) & (place < 3 * length))).all()
    assert (weights == scored).all()
    assert (valid == (place < 3 * length)).all()
    assert not inputs[~valid].any()


def test_keys_values_and_orders_are_uniform():
    inputs, _, _, _, _ = draw(3, max_length=4, batch_size=24_000)
    for column, lowest in ((0, 0), (2, 0), (4, 0), (1, 16), (3, 16), (5, 16)):
        counts = np.bincount(inputs[:, column] - lowest, minlength=16)
        assert len(counts) == 16
        assert (abs(counts - 1500) < 5 * math.sqrt(1500)).all()
    places = (inputs[:, 6:9, None] == inputs[:, None, 0:6:2]).argmax(axis=2)
    orders = Counter(map(tuple, places.tolist()))
    assert set(orders) == set(itertools.permutations(range(3)))
    assert all(abs(count - 4000) < 5 * math.sqrt(4000) for count in orders.values())


def test_most_frequent_value_is_the_published_plateau():
    for length, published in ((2, 0.531), (3, 0.394), (4, 0.337), (6, 0.288), (8, 0.258)):
        exact = expected_max_by_partitions(length, 16) / length
        assert exact == pytest.approx(published, abs=6e-4)
        floor = floors(AssociativeRecall(), length)["most_frequent_value"]
        assert floor.value == pytest.approx(exact, rel=1e-12)
        assert floor.loss is None


@pytest.mark.parametrize(("length", "num_values"), [(1, 4), (4, 2), (5, 4), (3, 16)])
def test_floors_by_enumerating_every_context(length, num_values):
    most = within = loss = 0.0
    for values in itertools.product(range(num_values), repeat=length):
        counts = Counter(values)
        most += max(counts.values()) / length
        within += sum((counts[v] / length) / length for v in values)
        loss -= sum(math.log(counts[v] / length) / length for v in values)
    total = num_values**length
    found = floors(AssociativeRecall(num_values=num_values), length)
    assert found["most_frequent_value"].value == pytest.approx(most / total, rel=1e-12)
    assert found["value_in_context"].value == pytest.approx(within / total, rel=1e-12)
    assert found["value_in_context"].loss == pytest.approx(loss / total, rel=1e-12, abs=1e-15)
    assert found["uniform"][:2] == (1 / num_values, math.log(num_values))
    assert float(expected_max_count(length, num_values)) == pytest.approx(most / total * length)


def test_predictors_count_what_was_read():
    inputs, valid = np.array([[0, 17, 3, 17, 1, 19, 3, 0, 1]]), np.ones((1, 9), bool)
    found = floors(AssociativeRecall(), 3)
    within = found["value_in_context"].predict(inputs, valid)
    most = found["most_frequent_value"].predict(inputs, valid)
    assert within[0, 0].tolist() == [1 / 16] * 16
    assert within[0, 6, [1, 3]].tolist() == [2 / 3, 1 / 3]
    assert most[0, 6, 1] == 1
    assert most[0, 2, 1] == 1


def test_lengths_end_where_keys_do():
    spec = AssociativeRecall(num_keys=4).make().spec
    assert spec.train_lengths == (4, 4)
    assert spec.test_lengths == (2, 3, 4)
    assert spec.lengths(2, 4) == (2, 3, 4)
    with pytest.raises(ValueError, match=r"high=5, wanted 2 <= .* <= 4; num_keys is 4, and D pairs want D keys"):
        spec.lengths(2, 5)
    with pytest.raises(ValueError, match="got low=1, high=3, wanted 2 <= low"):
        spec.lengths(1, 3)
    with pytest.raises(ValueError, match="max_length: got 17, wanted 2 to 16; num_keys is 16, and D pairs want D keys"):
        sample(AssociativeRecall(), jax.random.key(0), 2, 3, 17)


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="num_values is 1, wanted at least 2"):
        AssociativeRecall(num_values=1)
    with pytest.raises(ValueError, match="num_keys is 0, wanted at least 2"):
        AssociativeRecall(num_keys=0)
