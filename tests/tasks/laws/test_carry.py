"""Carries at once against Python integers."""

import itertools

import jax
import numpy as np
import pytest

from attn_jax.tasks.laws.carry import add

compiled = jax.jit(add, static_argnums=2)


def value(digits, base):
    return sum(int(digit) * base**i for i, digit in enumerate(digits))


@pytest.mark.parametrize(("base", "num_places"), [(2, 5), (3, 3), (10, 2)])
def test_add_is_right_for_all_pairs_of_numbers(base, num_places):
    numbers = np.array(list(itertools.product(range(base), repeat=num_places)), np.int32)
    a, b = numbers[:, None, :], numbers[None, :, :]
    total = np.asarray(compiled(a + 0 * b, b + 0 * a, base))
    weight = base ** np.arange(num_places)
    assert (total >= 0).all()
    assert (total < base).all()
    assert (total @ weight == (a @ weight + b @ weight) % base**num_places).all()


@pytest.mark.parametrize("base", [2, 10])
def test_a_carry_runs_through_hundreds_of_places(base):
    ones = np.zeros((2, 400), np.int32)
    ones[:, 0] = 1
    nines = np.full((2, 400), base - 1, np.int32)
    nines[1, 300] = 0  # where it stops
    total = np.asarray(compiled(nines, ones, base))
    assert value(total[0], base) == 0
    assert value(total[1], base) == value(nines[1], base) + 1
