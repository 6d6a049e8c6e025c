"""Dyck strings against a grammar, their law and floors against all strings."""

import itertools
import math
from collections import Counter, defaultdict

import jax
import numpy as np
import pytest
from drawn import sample, solve

from attn_jax.tasks.numbers.dyck import Dyck, adjacent_share, floors, opening_probabilities
from attn_jax.testing.check_task import check_task


def shapes(length, max_depth):
    """All strings of ( and ), well nested, by trying every one."""
    for steps in itertools.product((1, -1), repeat=length):
        depths = list(itertools.accumulate(steps))
        if depths[-1] == 0 and min(depths) >= 0 and max(depths) <= max_depth:
            yield steps


def reduced(tokens, num_kinds):
    """What is left when neighbours ( ) of a kind are struck out again and again: nothing, or what is still open."""
    tokens = list(tokens)
    while True:
        for place, (one, other) in enumerate(itertools.pairwise(tokens)):
            if one < num_kinds and other == one + num_kinds:
                del tokens[place : place + 2]
                break
        else:
            return tokens


def draw(config, length, max_length, batch_size):
    return [np.asarray(a) for a in sample(config, jax.random.key(0), batch_size, length, max_length)]


@pytest.mark.parametrize("config", [Dyck(), Dyck(num_kinds=2, max_depth=3, longest=20)])
@pytest.mark.exhaustive
def test_contract(config):
    check_task(config, floor_samples=5_000)


@pytest.mark.parametrize("length", [4, 8, 14])
def test_strings_are_well_nested_and_bounded(length):
    config = Dyck(num_kinds=3, max_depth=3)
    inputs, targets, weights, scored, valid = draw(config, length, 14, 256)
    deepest = 0
    for row in range(256):
        read = inputs[row, : length - 1].tolist()
        assert not inputs[row, length - 1 :].any()
        prefixes = [reduced(read[: t + 1], 3) for t in range(length - 1)]
        assert all(
            token < 3 for prefix in prefixes for token in prefix
        )  # what is left is open, nothing is closed twice
        assert len(prefixes[-1]) == 1  # and the last bracket closes it
        deepest = max(deepest, *map(len, prefixes))
        closes = [token >= 3 for token in read[1:]] + [True]
        assert scored[row].tolist() == closes + [False] * (14 - length)
        assert sum(closes) == length // 2
        wanted = [prefix[-1] if close else 0 for prefix, close in zip(prefixes, closes, strict=True)]
        assert targets[row].tolist() == wanted + [0] * (14 - length)
    assert deepest == min(3, length // 2)
    assert (weights == scored).all()
    assert (valid == (np.arange(13) < length - 1)).all()


@pytest.mark.parametrize("max_depth", [2, 3])
def test_strings_are_uniform(max_depth):
    inputs, *_ = draw(Dyck(num_kinds=2, max_depth=max_depth), 6, 10, 16_000)
    found = Counter(map(tuple, inputs[:, :5].tolist()))
    num_strings = 2**3 * len(list(shapes(6, max_depth)))
    assert len(found) == num_strings
    mean = 16_000 / num_strings
    assert all(abs(count - mean) < 5 * math.sqrt(mean) for count in found.values())


def test_opening_probabilities_by_enumeration():
    found = opening_probabilities(3, 8)
    ahead = defaultdict(Counter)  # (remaining, depth) -> which way strings go on
    for steps in shapes(8, 3):
        for t, depth in enumerate([0, *itertools.accumulate(steps)][:-1]):
            ahead[8 - t, depth][steps[t]] += 1
    # A string that passes through a state continues in every way alike, so shares over all strings are those over ways.
    for (remaining, depth), ways in ahead.items():
        assert found[remaining, depth] == pytest.approx(ways[1] / ways.total(), rel=1e-6)
    assert (found[1:, 0][1::2] == 1).all()  # with nothing open something opens
    assert (found[:, 3] == 0).all()


def test_no_string_is_longer_than_its_table():
    """A twin without the bound on depth is told apart."""
    inputs, *_ = draw(Dyck(num_kinds=2, max_depth=20), 14, 14, 256)
    assert max(len(reduced(row[: t + 1], 2)) for row in inputs.tolist() for t in range(13)) > 3


@pytest.mark.parametrize(("length", "max_depth"), [(4, 2), (6, 2), (8, 3), (10, 4), (10, 9)])
def test_adjacent_share_by_enumeration(length, max_depth):
    closings = adjacent = 0
    for steps in shapes(length, max_depth):
        closings += length // 2
        adjacent += sum(pair == (1, -1) for pair in itertools.pairwise(steps))
    assert float(adjacent_share(max_depth, length)) == pytest.approx(adjacent / closings, rel=1e-12)


def test_adjacent_share_without_a_bound_is_narayanas():
    for length in (4, 10, 40):
        assert adjacent_share(length, length) == pytest.approx((length + 2) / (2 * length))


@pytest.mark.parametrize("length", [4, 6])
def test_memoryless_floor_is_the_best_of_all_that_see_one_token(length):
    seen = defaultdict(Counter)
    for steps in shapes(length, 2):
        for kinds in itertools.product(range(3), repeat=length // 2):
            new, stack, tokens, tops = iter(kinds), [], [], []
            for step in steps:
                if step == 1:
                    stack.append(next(new))
                    tokens.append(stack[-1])
                else:
                    tokens.append(3 + stack.pop())
                tops.append(stack[-1] if stack else None)
            for t in range(length - 1):
                if steps[t + 1] == -1:
                    seen[t, tokens[t]][tops[t]] += 1
    total = sum(counts.total() for counts in seen.values())
    loss = -sum(n * math.log(n / counts.total()) for counts in seen.values() for n in counts.values()) / total
    best = sum(max(counts.values()) for counts in seen.values()) / total
    found = floors(Dyck(num_kinds=3, max_depth=2), length)
    assert found["memoryless"].loss == pytest.approx(loss, rel=1e-12)
    assert found["memoryless"].value == pytest.approx(best, rel=1e-12)
    assert found["uniform"][:2] == (1 / 3, math.log(3))


def test_solve_says_the_top_everywhere():
    answers = solve(Dyck(2), np.array([[1, 0, 2, 3, 0, 0]]), np.array([[1, 1, 1, 1, 1, 0]], bool))
    assert answers.tolist() == [[1, 0, 1, 0, 0, 0]]


def test_published_sizes():
    spec = Dyck.published(2, 5).make().spec
    assert spec.train_lengths == (4, 180)
    assert spec.test_lengths[-1] == 360
    assert Dyck.published(128, 3).make().spec.test_lengths[-1] == 168
    assert all(
        length % 2 == 0 for longest in (4, 6, 84, 180) for length in Dyck(longest=longest).make().spec.test_lengths
    )
    with pytest.raises(ValueError, match="num_kinds=3, max_depth=4, wanted 2, 8, 32 or 128 and 3 or 5"):
        Dyck.published(3, 4)


def test_even_lengths_only():
    spec = Dyck().make().spec
    assert spec.lengths(4, 9) == (4, 6, 8)
    with pytest.raises(ValueError, match="got low=2, high=9, wanted 4 <= low <= high"):
        spec.lengths(2, 9)
    with pytest.raises(ValueError, match="max_length: got 7, wanted at least 4, in steps of 2"):
        sample(Dyck(), jax.random.key(0), 2, 6, 7)


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="Dyck: num_kinds is 1, wanted at least 2"):
        Dyck(num_kinds=1)
    with pytest.raises(ValueError, match="Dyck: max_depth is 1, wanted at least 2"):
        Dyck(max_depth=1)
    with pytest.raises(ValueError, match="Dyck: longest is 5, wanted an even number, at least 4"):
        Dyck(longest=5)
