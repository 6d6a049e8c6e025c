"""A worked example is what was read, wanted and said, as it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.models.base import EncoderDecoder
from attn_jax.training.probes import WorkedExample
from attn_jax.types import Batch, StringBatch


def measured(model, batch, most=128):
    probe = WorkedExample(most=most).make(model, None)
    return jax.tree.map(np.asarray, jax.jit(probe.measure)(None, batch, None))


def test_the_first_sequence_and_the_likeliest_answers():
    """A model that says one more than it reads."""
    says = lambda params, inputs, valid: jax.nn.one_hot(inputs + 1, 9)  # noqa: E731
    model = type("OneMore", (), {"apply": staticmethod(says)})
    inputs = np.array([[3, 1, 2], [5, 5, 5]], np.int32)
    asked = np.array([[False, True, True]] * 2)
    batch = Batch(inputs, inputs * asked, asked.astype(np.float32), asked, np.ones((2, 3), bool))
    got = measured(model, batch, most=2)
    assert {name: values.tolist() for name, values in got.items()} == {
        "read": [3, 1],
        "valid": [True, True],
        "wanted": [0, 1],
        "scored": [False, True],
        "said": [4, 2],
    }


def test_real_answers_are_as_they_are():
    model = type("Doubling", (), {"apply": staticmethod(lambda params, inputs, valid: 2 * inputs)})
    x, yes = np.array([[[0.5], [1.5]]], np.float32), np.ones((1, 2), bool)
    assert measured(model, Batch(x, x, yes.astype(np.float32), yes, yes))["said"].tolist() == [[1.0], [3.0]]


def test_strings_are_written_until_their_end():
    """The counter of `greedy_decode`: 7 is BOS, from which it says 8, the end."""
    said = lambda params, tokens, state: (jax.nn.one_hot(tokens + 1, 9), state)  # noqa: E731
    apply = lambda params, source, valid, target_in: jnp.zeros((*target_in.shape, 9))  # noqa: E731
    model = EncoderDecoder(None, apply, lambda params, source, valid, length: None, said, None)
    source, target = np.array([[1, 2]], np.int32), np.array([[4, 8, 0]], np.int32)
    yes = np.ones((1, 2), bool)
    batch = StringBatch(source, yes, np.array([[7, 4, 8]], np.int32), target, np.array([[True, True, False]]))
    got = measured(model, batch)
    assert got["said"].tolist() == [8, 0, 0]
    assert got["wanted"].tolist() == [4, 8, 0] and got["scored"].tolist() == [True, True, False]
    assert got["read"].tolist() == [1, 2]


def test_no_places_are_refused():
    with pytest.raises(ValueError, match="most: got 0"):
        WorkedExample(most=0)
