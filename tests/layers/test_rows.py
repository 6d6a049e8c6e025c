"""The product of rows and weights: jax's own, whatever form its gradient is computed in."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.layers.rows import rows_product

# wide to narrow, both narrow, as jax has it; and how many barriers keep a transpose out of the gradient's product
FORMS = {"turned gradient": (8, 3, 1), "turned rows": (16, 20, 1), "plain": (5, 7, 0)}


def plain(x, w, dtype):
    return jnp.matmul(x, w, preferred_element_type=dtype)


def drawn(d_in, d_out):
    rng = np.random.default_rng(0)
    return rng.normal(size=(6, d_in)), rng.normal(size=(d_in, d_out))


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_the_plain_product_to_second_order(name, x64):
    inputs = drawn(*FORMS[name][:2])

    def total(product, inputs):
        return jnp.sum(jnp.sin(product(*inputs, jnp.float64)))

    def seen(product, inputs):
        along = jax.tree.map(jnp.ones_like, inputs)
        moved = jax.jvp(partial(total, product), (inputs,), (along,))
        return moved, jax.jvp(jax.grad(partial(total, product)), (inputs,), (along,))

    both = jax.jit(lambda inputs: (seen(rows_product, inputs), seen(plain, inputs)))
    chex.assert_trees_all_close(*both(inputs), atol=1e-12)


@pytest.mark.parametrize("name", FORMS)
def test_the_form_of_the_gradient_goes_by_the_shape(name):
    d_in, d_out, barriers = FORMS[name]
    x, w = (jnp.asarray(a, jnp.bfloat16) for a in drawn(d_in, d_out))
    pull = jax.make_jaxpr(jax.grad(lambda w: rows_product(x, w, jnp.float32).sum()))(w)
    assert str(pull).count("optimization_barrier") == barriers
    assert pull.out_avals[0].dtype == jnp.bfloat16


def test_an_accelerator_is_given_the_plain_product(monkeypatch):
    monkeypatch.setattr("attn_jax.layers.rows.on_cpu", lambda: False)
    x, w = drawn(8, 3)
    pull = jax.make_jaxpr(jax.grad(lambda w: rows_product(x, w, jnp.float32).sum()))(w)
    assert "optimization_barrier" not in str(pull)
