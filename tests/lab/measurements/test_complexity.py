"""Work counted as polynomials, against the formulas one writes by hand; and how far layers see."""

import pytest

from attn_jax.lab.measurements.complexity import (
    cheaper_below,
    convolution,
    degrees,
    depth_of,
    growth_of,
    layer_work,
    layers_to_reach,
    recurrence,
    restricted_attention,
    self_attention,
)
from attn_jax.mixers import LSTM, RNN, Attention, ShortConv


@pytest.mark.parametrize(
    ("work", "n", "d", "long"),
    [(self_attention, 2, 1, 4), (recurrence, 1, 2, 4), (convolution, 1, 2, 8), (restricted_attention, 1, 1, 64)],
    ids=lambda work: getattr(work, "__name__", ""),
)
def test_the_rows_of_the_table_by_vaswani_et_al_are_those_of_the_core(work, n, d, long):
    """Two products of 2 n n d; two maps of 2 n d d; 2 k n d d, k = 4; two products of 2 r n d, r = 16."""
    assert degrees(work) == {"n": n, "d": d, "long": long, "wide": long}


def test_work_is_linear_in_the_window_and_in_the_kernel():
    assert growth_of([convolution(64, 16, k=k) for k in (2, 4, 6)], 2) == (1, 2 * 64 * 16 * 16)
    assert growth_of([restricted_attention(64, 16, r=r) for r in (4, 8, 12)], 4).degree == 1


def test_a_layer_of_attention_as_built_has_both_terms():
    """Four projections of 2 n d d, and the core's 4 n n d: of degree 2 in both, and of no single product."""
    assert degrees(layer_work(Attention(num_heads=1))) == {"n": 2, "d": 2, "long": 4, "wide": 8}
    assert degrees(layer_work(RNN())) == {"n": 1, "d": 2, "long": 4, "wide": 4}


@pytest.mark.exhaustive
def test_a_layer_of_attention_is_never_cheaper_than_a_plain_network():
    work = {name: layer_work(m) for name, m in {"a": Attention(num_heads=1), "rnn": RNN(), "lstm": LSTM()}.items()}
    assert degrees(work["lstm"]) == {"n": 1, "d": 2, "long": 16, "wide": 16}
    assert cheaper_below(work["a"], work["rnn"], 64) == 0  # 8 d d a token are more than 4 d d
    assert 1.8 < cheaper_below(work["a"], work["lstm"], 64) < 2  # 8 d d + 4 d n < 16 d d up to n = 2 d
    assert 0.9 < cheaper_below(self_attention, recurrence, 64) < 1


def test_what_grows_as_no_polynomial_is_refused():
    assert growth_of([5.0] * 4, 3) == (0, 5)
    with pytest.raises(ValueError, match=r"counts: got \[1, 2, 4, 8\], wanted those of a polynomial of degree 2"):
        growth_of([1, 2, 4, 8], 1)


def test_a_kernel_of_four_sees_three_places_a_layer():
    assert layers_to_reach(ShortConv(kernel_size=4), 13) == 4
    with pytest.raises(ValueError, match="the last of 13 places does not feel the first within 3 layers"):
        layers_to_reach(ShortConv(kernel_size=4), 13, most=3)


@pytest.mark.exhaustive
def test_a_window_is_crossed_layer_by_layer_and_a_recurrence_step_by_step():
    assert layers_to_reach(Attention(num_heads=2), 64) == 1
    assert layers_to_reach(Attention(num_heads=2, window=7), 64) == 9
    assert layers_to_reach(RNN(), 64) == 1  # one layer, and n steps:
    assert (depth_of(RNN()), depth_of(Attention(num_heads=2))) == ("linear", "constant")
