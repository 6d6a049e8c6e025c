"""What is traced for one platform and lowered for another: which form it has there, its values and derivatives.

The platform at hand is a CPU; a program that is traced as if it were a TPU is lowered for another one, and can be run.
"""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax import Causal
from attn_jax.ops import elsewhere
from attn_jax.ops.attention import paths
from attn_jax.ops.attention.dense import attention_reference
from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.elsewhere import by_platform
from attn_jax.ops.placement import is_meant, meant_for, platform


@pytest.fixture
def traced_for_a_tpu(monkeypatch):
    """Programs are traced as on a TPU, and lowered for this machine's CPU all the same."""
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")


def told_apart(x, w):
    """Twice what it is elsewhere, where it is traced for a CPU; its second result is nobody's derivative."""

    def function(tree):
        factor = {"cpu": 2.0, "tpu": 1.0}[platform()]
        y = factor * tree["w"] * tree["x"] ** 3
        return y, jax.lax.stop_gradient(y) + tree["one"]

    return by_platform(function, {"x": x, "w": w, "one": 1.0})


def uses(x, w):
    """Every way in which a program may use it, as one."""
    first = lambda x: told_apart(x, w)[0]  # noqa: E731
    lossy = lambda x: told_apart(x, w)[0].sum()  # noqa: E731
    _, step = jax.lax.scan(lambda h, _: (first(h), first(h)), x, None, length=2)
    return {
        "values": told_apart(x, w),
        "gradient": jax.grad(lossy)(x),
        "by the weight": jax.grad(lambda w: told_apart(x, w)[0].sum())(w),
        "forward": jax.jvp(first, (x,), (w,))[1],
        "forward over reverse": jax.jvp(jax.grad(lossy), (x,), (w,))[1],
        "reverse over reverse": jax.grad(lambda x: (jax.grad(lossy)(x) * w).sum())(x),
        "transposed": jax.linear_transpose(lambda w: told_apart(x, w)[0], w)(x)[0],
        "vmap": jax.vmap(told_apart, (0, None))(x, w[0]),
        "vmap of a gradient": jax.vmap(jax.grad(lambda x, w: told_apart(x, w)[0]))(x, w),
        "gradient of a vmap": jax.grad(lambda w: jax.vmap(told_apart, (0, None))(x, w)[0].sum())(w[0]),
        "checkpoint": jax.grad(jax.checkpoint(lossy))(x),
        "scan": (step, jax.grad(lambda x: jax.lax.scan(lambda h, _: (first(h), h), x, None, length=2)[0].sum())(x)),
    }


def wanted(x, w, factor):
    """By hand: y = c w x^3."""
    y, dy, ddy = factor * w * x**3, 3 * factor * w * x**2, 6 * factor * w * x
    twice = factor * w * y**3
    return {
        "values": (y, y + 1),
        "gradient": dy,
        "by the weight": factor * x**3,
        "forward": dy * w,
        "forward over reverse": ddy * w,
        "reverse over reverse": ddy * w,
        "transposed": factor * x**3 * x,
        "vmap": (factor * w[0] * x**3, factor * w[0] * x**3 + 1),
        "vmap of a gradient": dy,
        "gradient of a vmap": factor * (x**3).sum(),
        "checkpoint": dy,
        "scan": (np.stack([y, twice]), 3 * factor * w * y**2 * dy),
    }


def compare_uses(factor):
    x, w = np.array([0.5, -1.5]), np.array([0.75, 1.25])
    got = jax.jit(lambda *arrays: uses(*arrays))(*(jnp.asarray(a, jnp.float32) for a in (x, w)))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), got, wanted(x, w, factor))


def test_every_use_is_that_of_the_platform_it_is_lowered_for(traced_for_a_tpu):
    compare_uses(2.0)


def test_where_it_is_lowered_for_the_platform_at_hand_it_is_what_was_traced(monkeypatch):
    monkeypatch.setattr(elsewhere, "meant_for", None)  # not even asked for
    compare_uses(2.0)


def test_for_a_platform_that_is_named_nothing_else_is_kept():
    x = jax.ShapeDtypeStruct((2,), jnp.float32)
    assert "elsewhere" in str(jax.make_jaxpr(told_apart)(x, x))
    with meant_for("tpu"):
        assert is_meant() and platform() == "tpu"
        assert "elsewhere" not in str(jax.make_jaxpr(lambda *arrays: told_apart(*arrays))(x, x))
    assert not is_meant() and platform() == "cpu"


def test_equal_programs_have_equal_texts():
    x = jax.ShapeDtypeStruct((2,), jnp.float32)
    first, second = (str(jax.make_jaxpr(lambda *arrays: told_apart(*arrays))(x, x)) for _ in range(2))
    assert first == second


def lowered(T, *platforms, **options):
    """The text of causal attention, eight heads, lowered for each platform."""
    x = jax.ShapeDtypeStruct((1, T, 8, 16), jnp.float32)
    run = jax.jit(lambda q, k, v: dot_product_attention(q, k, v, is_causal=True, **options))
    traced = run.trace(x, x, x)
    return {name: traced.lower(lowering_platforms=(name,)).as_text() for name in platforms}


def test_attention_chooses_its_path_by_the_platform_it_is_lowered_for():
    found = lowered(600, "cpu", "cuda", "tpu")
    assert {name: "x600x600x" in text for name, text in found.items()} == {"cpu": False, "cuda": True, "tpu": True}


@pytest.mark.exhaustive
def test_attention_chooses_its_blocks_by_the_platform_it_is_lowered_for():
    found = lowered(4096, "cpu", "tpu")
    assert {name: "x4096x4096x" in text for name, text in found.items()} == {"cpu": False, "tpu": False}
    assert {name: "512x512x" in text for name, text in found.items()} == {"cpu": False, "tpu": True}


@pytest.mark.exhaustive
@pytest.mark.parametrize("implementation", ["dense", "blockwise"])
def test_a_name_is_that_path_everywhere(implementation):
    (text,) = lowered(1200, "tpu", implementation=implementation).values()
    assert ("x1200x1200x" in text) == (implementation == "dense")


@pytest.mark.exhaustive
def test_a_function_that_captured_a_traced_array_is_called_here_alone():
    """It could not be called again when the program is lowered."""

    def attention(x, slope):
        return dot_product_attention(x, x, x, score_mod=lambda s, b, h, q, k: s - slope * (q - k))

    arrays = jax.ShapeDtypeStruct((1, 600, 1, 4), jnp.float32), jax.ShapeDtypeStruct((), jnp.float32)
    assert "x600x600x" not in jax.jit(attention).trace(*arrays).lower(lowering_platforms=("tpu",)).as_text()


def gradient(run):
    return jax.value_and_grad(lambda q, k, v: (run(q, k, v) ** 2).sum(), (0, 1, 2))


@pytest.mark.exhaustive
@pytest.mark.parametrize("T", [40, 300])
def test_attention_lowered_elsewhere_is_attention(T, traced_for_a_tpu):
    random = np.random.default_rng(0)
    arrays = [jnp.asarray(random.standard_normal((2, T, 2, 4)), jnp.float32) for _ in range(3)]
    options = {"is_causal": True, "mask": ~Causal(-60), "logits_soft_cap": 5.0}
    ours = partial(dot_product_attention, **options)
    got, want = (jax.jit(gradient(run))(*arrays) for run in (ours, partial(attention_reference, **options)))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=2e-4, atol=1e-5), got, want)


def operations(run, x):
    """Every operation of the compiled program, with its type, in order."""
    text = jax.jit(gradient(run)).lower(x, x, x).compile().as_text()
    return re.findall(r"= (\S+ [\w-]+)\(", text)


def test_a_program_for_the_platform_at_hand_is_as_it_was(monkeypatch):
    x = jax.ShapeDtypeStruct((2, 20, 2, 8), jnp.float32)
    got = operations(lambda *arrays: dot_product_attention(*arrays, is_causal=True), x)
    monkeypatch.setattr(paths, "by_platform", lambda function, arguments: function(arguments))
    assert got == operations(lambda *arrays: dot_product_attention(*arrays, is_causal=True), x)
    assert len(got) > 20
