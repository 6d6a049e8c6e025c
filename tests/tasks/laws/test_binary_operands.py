"""The draw of two binary numbers: exactly uniform where it can be counted, and laid out as the question says."""

import itertools
from collections import Counter
from fractions import Fraction

import jax
import numpy as np
import pytest

from attn_jax.tasks.laws.binary_operands import draw_operands, nonzero_bits

COMPILED = jax.jit(draw_operands, static_argnums=(1, 3))


def draw(length, max_length, batch_size):
    return [np.asarray(x) for x in COMPILED(jax.random.key(0), batch_size, np.int32(length), max_length)]


def value(bits):
    return sum(int(bit) << i for i, bit in enumerate(bits))


def count_numbers(draw_nonzero, num_bits):
    """How often each number comes up over all draws of its bits and one full round of the word."""
    every = list(itertools.product((0, 1), repeat=num_bits))
    rounds = 2**num_bits - 1
    bits = np.array([[*row, 1, 1] for row in every for _ in range(rounds)], np.int32)  # two bits beyond the number
    words = np.array([[word] for _ in every for word in range(rounds)], np.uint32)
    drawn = np.asarray(draw_nonzero(bits, words, np.arange(num_bits + 2), np.int32(num_bits)))
    assert not drawn[:, num_bits:].any()
    return Counter(map(value, drawn))


@pytest.mark.parametrize("num_bits", [1, 2, 3, 5, 7])
def test_all_draws_and_a_full_round_of_the_word_give_each_number_alike(num_bits):
    alike = dict.fromkeys(range(1, 2**num_bits), 2**num_bits)
    assert count_numbers(jax.jit(nonzero_bits), num_bits) == alike
    assert (count_numbers(spare_one, num_bits) == alike) == (num_bits == 1)


def spare_one(bits, word, significance, num_bits):
    """A broken twin: every draw of 0 becomes 1, which is then twice as likely as any other number."""
    bits = np.where(significance < num_bits, bits, 0)
    return np.where(bits.any(axis=1, keepdims=True), bits, np.arange(bits.shape[1]) == 0)


def test_words_choose_the_spare_number_by_a_remainder_that_is_uniform_enough():
    words = np.random.default_rng(0).integers(0, 2**32, (20, 1), dtype=np.uint32)
    words[:3, 0] = 0, 2**32 - 2, 2**32 - 1
    compiled = jax.jit(nonzero_bits)
    for num_bits in (1, 2, 3, 10, 31, 32, 33, 40):
        m = 2 ** min(num_bits, 32) - 1
        spare = np.asarray(compiled(np.zeros((20, 40), np.int32), words, np.arange(40), np.int32(num_bits)))
        assert list(map(value, spare)) == [1 + int(word) % m for word in words[:, 0]]
        backwards = np.asarray(compiled(np.zeros((20, 40), np.int32), words, 39 - np.arange(40), np.int32(num_bits)))
        assert (backwards[:, ::-1] == spare).all()
        rest = 2**32 % m  # so many remainders come up once more than the others
        variation = Fraction(rest * (m - rest), m * 2**32) / 2**num_bits if num_bits <= 32 else Fraction(1, 2**num_bits)
        assert variation < Fraction(1, 2**32)


@pytest.mark.parametrize(("length", "max_length"), [(4, 4), (4, 80), (7, 80), (70, 80)])
def test_questions_hold_the_operands(length, max_length):
    question, a, b = draw(length, max_length, 256)
    for row in range(256):
        tokens = question[row, :length].tolist()
        assert not question[row, length:].any()
        assert tokens.count(2) == 1
        length_a = tokens.index(2)
        assert 1 <= length_a <= length - 2
        assert value(tokens[:length_a]) == value(a[row]) > 0
        assert value(tokens[length_a + 1 :]) == value(b[row]) > 0


def test_lengths_and_numbers_are_uniform():
    question, a, b = draw(6, 8, 40_000)
    lengths = (question == 2).argmax(axis=1)
    assert set(lengths) == {1, 2, 3, 4}
    assert (abs(np.bincount(lengths)[1:] - 10_000) < 5 * np.sqrt(7500)).all()
    pairs = Counter((n, value(x), value(y)) for n, x, y in zip(lengths, a, b, strict=True) if n == 2)
    assert set(pairs) == {(2, x, y) for x in range(1, 4) for y in range(1, 8)}
    mean = 10_000 / 21
    assert all(abs(count - mean) < 5 * np.sqrt(mean) for count in pairs.values())
