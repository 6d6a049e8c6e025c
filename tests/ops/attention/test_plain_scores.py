"""The derivative written out for scores that are plain products: JAX's own of the general form, to second order."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.ops.attention import dense
from attn_jax.ops.attention.inputs import check_inputs

B, T, S, N, K, H = 2, 4, 5, 4, 2, 3
MASKS = {
    "an empty row": {"mask": np.tril(np.ones((T, S), bool), -1)},
    "none": {},
    "by row and head": {"mask": np.random.default_rng(1).random((B, N, T, S)) < 0.5},
}


def drawn():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(B, *shape, H)) for shape in ((T, N), (S, K), (S, K))]


def total(options, inputs):
    out, lse, _ = dense.dense_attention(check_inputs(*inputs, None, scale=0.7, **options))
    return jnp.sum(jnp.sin(out)) + jnp.sum(jnp.where(lse > -jnp.inf, lse, 0) ** 2)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", MASKS)
def test_it_is_the_general_form_to_second_order(name, x64, monkeypatch):
    def seen(plain, inputs):
        monkeypatch.setattr(dense, "is_plain", lambda x: plain)
        along = jax.tree.map(jnp.ones_like, inputs)
        function = partial(total, MASKS[name])
        return jax.jvp(function, (inputs,), (along,)), jax.jvp(jax.grad(function), (inputs,), (along,))

    both = jax.jit(lambda inputs: (seen(True, inputs), seen(False, inputs)))
    chex.assert_trees_all_close(*both(drawn()), atol=1e-10)


def test_what_is_done_to_scores_or_weights_goes_the_general_way():
    plain = check_inputs(*drawn(), None, None)
    assert dense.is_plain(plain)
    changes = ("scales", "bias", "score_mod", "soft_cap", "dropout_words")
    assert not any(dense.is_plain(plain._replace(**{name: 1.0})) for name in changes)
    assert not dense.is_plain(plain._replace(value=None))
