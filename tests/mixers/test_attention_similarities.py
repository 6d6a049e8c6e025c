"""Attention by each similarity: the contract, loops in float64, what it starts at, and what is refused beside it."""

import math

import jax
import numpy as np
import pytest
from attention_loops import D, drawn, require_loops

from attn_jax.mixers import Attention
from attn_jax.testing import check_mixer

FORMS = {
    "scaled_dot learned": Attention(num_heads=2, learn_scale=True),
    "dot": Attention(num_heads=2, similarity="dot", window=2),
    "dot scaled": Attention(num_heads=2, similarity="dot", logit_scale=0.3, causal=False),
    "bilinear grouped": Attention(num_heads=4, num_kv_heads=2, similarity="bilinear", sinks=True, qk_norm=True),
    "cosine": Attention(num_heads=2, similarity="cosine", logit_scale=8.0),
    "cosine learned": Attention(num_heads=4, num_kv_heads=2, similarity="cosine", learn_scale=True),
    "additive": Attention(num_heads=2, similarity="additive", logit_scale=0.5, sinks=True),
    "additive grouped learned": Attention(
        num_heads=4, num_kv_heads=2, similarity="additive", learn_scale=True, use_bias=True
    ),
    "additive both ways": Attention(num_heads=2, similarity="additive", causal=False),
}


# what stands in another row too is left to the loops below
@pytest.mark.parametrize("name", [name for name in FORMS if f"{name} learned" not in FORMS and name != "additive"])
@pytest.mark.exhaustive
def test_contract(name):
    check_mixer(FORMS[name])


@pytest.mark.parametrize("name", FORMS)
def test_loops_in_float64_whole_by_token_and_inspected(name):
    require_loops(FORMS[name])


def test_what_each_form_learns_and_starts_at():
    """The projections are drawn alike in all forms; what comes beside them is the similarity's own."""
    configs = {
        form: Attention(D, 4, num_kv_heads=2, similarity=form, learn_scale=form not in ("scaled_dot", "dot"))
        for form in ("scaled_dot", "dot", "bilinear", "cosine", "additive")
    } | {"learned": Attention(D, 4, num_kv_heads=2, learn_scale=True)}
    starts = jax.jit(lambda: {name: config.make().init(jax.random.key(3)) for name, config in configs.items()})()
    starts = jax.tree.map(np.asarray, starts)
    plain = starts["scaled_dot"]
    assert set(plain) == set(starts["dot"]) == {"w_q", "w_k", "w_v", "w_o"}
    own = {name: {key: leaf.shape for key, leaf in start.items() if key not in plain} for name, start in starts.items()}
    assert own["bilinear"] == {"w_bilinear": (4, 4, 4), "log_scale": (4,)}
    assert own["cosine"] == own["learned"] == {"log_scale": (4,)}
    hidden = {"w_hidden_q": (4, 4, 4), "w_hidden_k": (2, 4, 4), "v_hidden": (4, 4)}
    assert own["additive"] == hidden | {"log_scale": (4,)}
    for start in starts.values():
        for name, leaf in plain.items():
            np.testing.assert_array_equal(start[name], leaf)
    np.testing.assert_allclose(np.exp(starts["learned"]["log_scale"]), 0.5, rtol=1e-6)
    assert not starts["cosine"]["log_scale"].any()
    limit = math.sqrt(6 / 8)
    for name in ("w_hidden_q", "w_hidden_k"):
        assert 0.8 * limit < np.abs(starts["additive"][name]).max() <= limit
    assert 0.8 * limit < np.abs(starts["bilinear"]["w_bilinear"]).max() <= limit
    spared = configs["additive"].make().spared(starts["additive"])
    assert [name for name, left in spared.items() if left] == ["log_scale"]


@pytest.mark.parametrize("name", ["bilinear grouped", "cosine learned", "additive grouped learned"])
def test_everything_is_learned(name):
    mixer, params, x = drawn(FORMS[name])
    gradients = jax.jit(jax.grad(lambda params: (mixer.apply(params, x) ** 2).sum()))(params)
    for key, leaf in gradients.items():
        assert np.abs(leaf).max() > 1e-4 or key == "b_k", key  # b_k of a dot product shifts a row's scores alike


def test_the_plain_product_at_the_scaled_ones_scale_is_the_scaled_one():
    """Identity as W changes nothing either, and turned queries and keys come after it."""
    forms = (
        Attention(D, 2, head_positions="rotary"),
        Attention(D, 2, head_positions="rotary", similarity="dot", logit_scale=8**-0.5),
        Attention(D, 2, head_positions="rotary", similarity="bilinear", logit_scale=8**-0.5),
    )
    _, params, x = drawn(forms[0])
    params["w_bilinear"] = np.broadcast_to(np.eye(8, dtype=np.float32), (2, 8, 8))
    scaled, *others = jax.jit(lambda params, x: [form.make().apply(params, x) for form in forms])(params, x)
    for other in others:
        np.testing.assert_allclose(other, scaled, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"similarity": "euclid"}, "similarity: got 'euclid', wanted one of 'scaled_dot', 'dot', 'bilinear', 'cosine'"),
        ({"logit_scale": 0.0}, r"logit_scale: got 0.0, wanted a number > 0, or None for the form's own"),
        ({"similarity": "additive", "head_positions": "rotary"}, "'additive' beside head_positions='rotary', wanted a"),
        ({"similarity": "additive", "window": 3}, "window: got 3 beside similarity='additive', wanted None"),
        (
            {"similarity": "additive", "implementation": "blockwise"},
            "implementation: got 'blockwise' beside similarity=",
        ),
        ({"similarity": "cosine", "qk_norm": True}, "qk_norm: got True beside similarity='cosine', wanted False"),
    ],
)
def test_what_makes_no_sense_together_is_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        Attention(**options)
