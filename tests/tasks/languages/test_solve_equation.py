"""Solve equation against Python's own parser, and its floor against counts of answers and values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawn import sample, solve

from attn_jax.tasks.languages.solve_equation import SolveEquation, _find_digit, floors
from attn_jax.testing.check_task import check_task

SYMBOLS = "01234+-()?="


def draw(length, max_length, batch_size):
    return [np.asarray(a) for a in sample(SolveEquation(), jax.random.key(0), batch_size, length, max_length)]


@pytest.mark.exhaustive
def test_contract():
    check_task(SolveEquation(), floor_samples=4096)


@pytest.mark.exhaustive
def test_contract_other_modulus():
    check_task(SolveEquation(6), num_samples=64, floor_samples=4096)


@pytest.mark.parametrize("length", [3, 4, 5, 6, 7, 30])
def test_layout(length):
    inputs, targets, weights, scored, valid = draw(length, 30, 64)
    padding = [0] * (30 - length)
    for row in range(64):
        text = "".join(SYMBOLS[token] for token in inputs[row, :length].tolist())
        left, right = text.split("=")
        assert left.count("?") == 1
        solutions = [digit for digit in range(5) if (eval(left.replace("?", str(digit))) - int(right)) % 5 == 0]
        assert len(solutions) == 1
        assert inputs[row, length:].tolist() == [11, *padding]
        assert targets[row].tolist() == [*[0] * length, *solutions, *padding]
    assert (scored == (np.arange(31) == length)).all()
    assert (weights == scored).all()
    assert (valid == (np.arange(31) <= length)).all()


@pytest.mark.parametrize("text", ["(-?)=2", "((-?)--2)=3", "(1-(2-(-?)))=0"])
def test_the_oracle_undoes_nested_negatives(text):
    tokens = np.array([[*map(SYMBOLS.index, text), 11]])
    answer = solve(SolveEquation(), tokens, np.ones(tokens.shape, bool))[0, -1]
    left, right = text.split("=")
    assert eval(left.replace("?", str(answer))) % 5 == int(right)


def test_the_unknown_is_the_next_digit_from_every_place():
    text = "(-2)+(3-1)  "  # the last two places lie beyond the length
    is_digit = np.tile([s.isdigit() for s in text], (10, 1))
    is_digit[:, 10:] = True
    numbers = jnp.asarray((np.arange(10) + 0.5) / 10, jnp.float32)
    found = _find_digit(jnp.asarray(is_digit), numbers, jnp.asarray(10))
    assert found.tolist() == [2, 2, 2, 6, 6, 6, 6, 8, 8, 2]


def test_the_answer_is_uniform_and_the_value_says_nothing_of_it():
    inputs, targets, *_ = draw(12, 12, 25_000)
    answers, values = targets[:, 12], inputs[:, 11]
    counts = np.bincount(answers * 5 + values, minlength=25)
    assert len(counts) == 25
    assert (abs(counts - 1000) < 5 * np.sqrt(1000)).all()
    assert floors(SolveEquation(), 12)["uniform"].value == 0.2


@pytest.mark.parametrize(("length", "sign"), [(3, 1), (4, -1), (5, 1), (6, -1)])
def test_short_equations_are_read_off(length, sign):
    inputs, targets, *_ = draw(length, 6, 64)
    assert (targets[:, length] == sign * inputs[:, length - 1] % 5).all()


def test_lengths_start_at_three():
    lengths = SolveEquation().make().spec.lengths
    assert lengths(3, 5) == (3, 4, 5)
    with pytest.raises(ValueError, match="got low=2, high=5, wanted 3 <= low"):
        lengths(2, 5)
    with pytest.raises(ValueError, match="max_length: got 2, wanted at least 3"):
        sample(SolveEquation(), jax.random.key(0), 2, 2, 2)
    with pytest.raises(ValueError, match="SolveEquation: modulus is 1, wanted 2 to 100"):
        SolveEquation(1)
