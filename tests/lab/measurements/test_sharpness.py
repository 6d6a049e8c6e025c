"""Sharpness of the softmax against closed forms; the worked example against fractions and the library."""

from functools import partial

import numpy as np
import pytest

from attn_jax.lab.measurements import worked_example
from attn_jax.lab.measurements.sharpness import retrieval_rows, sharpness_rows
from attn_jax.ops.attention.similarities import cosine, dot_product, scaled_dot_product


def equal(query, keys):
    """No key is more alike than another."""
    return 0 * dot_product(query, keys)


def test_of_equal_scores_all_keys_share_and_the_steepness_is_known():
    """|diag(1/16) - 1/16 1/16| = sqrt(15) / 16."""
    row = sharpness_rows({"equal": equal}, [2], [0])[0]
    assert row["keys"] == pytest.approx(16, rel=1e-5)
    assert row["steep"] == pytest.approx(np.sqrt(15) / 16, rel=1e-5)
    assert row["steep in the mean"] == pytest.approx(row["steep"], rel=1e-5)


@pytest.mark.exhaustive
def test_the_dot_product_saturates_as_heads_grow_and_the_scaled_one_does_not():
    forms = {"dot": dot_product, "scaled": scaled_dot_product, "cosine 8": partial(cosine, strength=8.0)}
    rows = {(row["similarity"], row["H"]): row for row in sharpness_rows(forms, [4, 1024], [100])}
    assert rows["dot", 1024]["keys"] < 1.3 < 5 < rows["dot", 4]["keys"]
    assert abs(rows["scaled", 1024]["keys"] - rows["scaled", 4]["keys"]) < 1
    assert rows["cosine 8", 4]["keys"] < 5 < 15 < rows["cosine 8", 1024]["keys"]
    assert rows["dot", 1024]["steep"] < 1e-3 < 0.02 < rows["dot", 1024]["steep in the mean"]


@pytest.mark.exhaustive
def test_retrieval_is_exact_as_the_scale_grows():
    rows = {row["scale"]: row for row in retrieval_rows([0.25, 1.0, 16.0], [100])}
    assert rows[0.25]["weight"] < 0.25 < 0.5 < rows[1.0]["weight"] < 0.75
    assert rows[16.0]["weight"] > 0.99
    assert rows[16.0]["found"] > 0.99


def test_the_worked_example_by_hand_is_exact():
    hand = worked_example.steps()
    np.testing.assert_allclose(hand["similarities"], [0, np.log(2), np.log(3)], rtol=1e-15)
    np.testing.assert_allclose(hand["weights"], [float(weight) for weight in worked_example.WEIGHTS], rtol=1e-15)
    np.testing.assert_allclose(hand["value"], [7, 5], rtol=1e-15)
    assert [float(x) for x in worked_example.RESULT] == [7, 5]


@pytest.mark.exhaustive
def test_the_library_computes_the_worked_example():
    rows = worked_example.differences()
    assert len(rows) == 7
    assert max(row["difference"] for row in rows) < 2e-6
