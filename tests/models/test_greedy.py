"""Greedy decoding: what apply would say, no step too many, nothing after EOS."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from encoder_decoder_checks import VALID, VOCABULARY, S, V, strings

from attn_jax.models import EncoderDecoder, RecurrentEncoderDecoder, greedy_decode


def test_it_says_what_apply_finds_likeliest():
    """The loop: read all that was said, from the start, each time."""
    model = RecurrentEncoderDecoder(8).make(VOCABULARY, S)
    source, _ = strings()
    apply = jax.jit(model.apply)
    decode = jax.jit(partial(greedy_decode, model, max_length=6, bos=V - 2, eos=V - 1))
    for seed in range(4):
        params = jax.tree.map(lambda leaf: 3 * leaf, jax.jit(model.init)(jax.random.key(seed)))
        read, ended = np.full((2, 7), V - 2), np.zeros(2, bool)
        want = np.zeros((2, 6), int)
        for t in range(6):
            token = np.asarray(apply(params, source, VALID, jnp.asarray(read[:, :6])))[:, t].argmax(-1)
            want[:, t], read[:, t + 1] = np.where(ended, 0, token), token
            ended |= token == V - 1
        np.testing.assert_array_equal(decode(params, source, VALID), want)


def count_to(steps, params, tokens, state):
    """Says one more than it has read, and reports each step."""
    jax.debug.callback(lambda: steps.append(1))
    return jax.nn.one_hot(tokens + 1, 60), state


def test_it_stops_when_the_last_row_has_ended():
    steps = []
    counter = EncoderDecoder(None, None, lambda params, source, valid, length: None, partial(count_to, steps), None)
    said = greedy_decode(counter, None, jnp.ones((2, 3), int), None, 50, bos=0, eos=3)
    jax.effects_barrier()
    assert said[0].tolist() == [1, 2, 3] + [0] * 47
    assert len(steps) == 3


@pytest.mark.exhaustive
@pytest.mark.programs(100)
def test_lanes_of_vmap_do_not_wait_for_each_other_to_be_right():
    model = RecurrentEncoderDecoder(8, attention="none").make(VOCABULARY, S)
    source, _ = strings()
    decode = partial(greedy_decode, model, max_length=5, bos=V - 2, eos=V - 1)
    params = jax.vmap(model.init)(jax.random.split(jax.random.key(0), 3))
    lanes = jax.jit(jax.vmap(lambda p: decode(p, source, VALID)))(params)
    for lane in range(3):
        own = jax.jit(lambda p: decode(p, source, VALID))(jax.tree.map(lambda leaf: leaf[lane], params))  # noqa: B023
        np.testing.assert_array_equal(lanes[lane], own)
