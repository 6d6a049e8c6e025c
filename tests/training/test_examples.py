"""A finite training set: so many different examples and no more, each pass all of them, and None as it was before."""

from dataclasses import replace
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_runs import make_plan

from attn_jax.config import TrainConfig
from attn_jax.errors import ConfigError
from attn_jax.tasks import Copy, Parity
from attn_jax.training.examples import example_indices
from attn_jax.training.step import train_batch
from attn_jax.training.streams import stream_key


@partial(jax.jit, static_argnums=(1, 2, 3))
def orders(seed, steps, batch_size, num_examples):
    """[steps * B] the examples in the order that they are drawn."""
    each = jax.vmap(lambda step: example_indices(seed, step, batch_size, num_examples))
    return each(jnp.arange(steps)).ravel()


@pytest.mark.parametrize(("batch_size", "num_examples"), [(4, 6), (7, 3), (8, 100), (1, 1)])
def test_every_pass_is_a_permutation(batch_size, num_examples):
    drawn = np.asarray(orders(3, 40 * num_examples // batch_size + 1, batch_size, num_examples))
    passes = drawn[: len(drawn) // num_examples * num_examples].reshape(-1, num_examples)
    assert (np.sort(passes, axis=1) == np.arange(num_examples)).all()


def test_every_example_is_as_likely_everywhere():
    """Chi-squared of 2,000 passes over 10 examples, and of who follows whom."""
    passes = np.asarray(orders(0, 2000, 10, 10)).reshape(-1, 10)
    places = np.array([np.bincount(column, minlength=10) for column in passes.T])
    assert ((places - 200) ** 2 / 200).sum() < 81 + 5 * np.sqrt(2 * 81)
    follows = np.zeros((10, 10))
    np.add.at(follows, (passes[:, :-1].ravel(), passes[:, 1:].ravel()), 1)
    assert (np.diag(follows) == 0).all()
    off = follows[~np.eye(10, dtype=bool)]
    assert ((off - 200) ** 2 / 200).sum() < 89 + 5 * np.sqrt(2 * 89)


def test_the_order_is_the_seeds():
    assert not np.array_equal(orders(0, 5, 4, 20), orders(1, 5, 4, 20))


def sequences(plan, seed, steps):
    """The different inputs that are drawn, by length."""
    batch = jax.jit(partial(train_batch, plan))
    found = {}
    for step in range(steps):
        inputs, valid = (np.asarray(x) for x in (batch(seed, step).inputs, batch(seed, step).valid))
        for row, places in zip(inputs, valid, strict=True):
            found.setdefault(int(places.sum()), set()).add(row.tobytes())
    return found


def test_exactly_so_many_sequences_are_ever_drawn():
    plan = replace(make_plan(lengths=(20,)), num_examples=6)
    (one,), (other,) = (sequences(plan, seed, 12).values() for seed in (0, 1))
    assert (len(one), len(other), len(one & other)) == (6, 6, 0)
    (fresh,) = sequences(replace(plan, num_examples=None), 0, 12).values()
    assert len(fresh) == 48


def test_so_many_of_each_length():
    found = sequences(replace(make_plan(lengths=(18, 20)), num_examples=2), 0, 20)
    assert [len(rows) for rows in found.values()] == [2, 2]


def test_none_draws_the_bits_that_it_drew_before():
    plan = make_plan()
    key_length, key_data = jax.random.split(stream_key("train", 3, 7))
    length = jax.random.choice(key_length, jnp.array(plan.train_lengths))
    chex.assert_trees_all_equal(train_batch(plan, 3, 7), Parity().make().sample(key_data, 4, length, 4, split="train"))


def test_strings_too():
    plan = make_plan(lengths=(12,))
    plan = replace(plan, objective=plan.objective._replace(sample=Copy().make().strings), num_examples=3)
    batch = jax.jit(partial(train_batch, plan))
    rows = {row.tobytes() for step in range(6) for row in np.asarray(batch(0, step).source)}
    assert len(rows) == 3


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(ConfigError, match=r"^train.num_examples: got 0, wanted a number of at least 1"):
        TrainConfig(num_examples=0)
    with pytest.raises(ConfigError, match=r"^train.num_examples: got 8 beside 1000000 steps of 4096 sequences, wanted"):
        TrainConfig(1_000_000, batch_size=4096, num_examples=8)
