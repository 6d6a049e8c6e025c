"""The elementwise linear recurrence against a NumPy loop, and its derivatives against those of a plain `lax.scan`."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from tiers import diagonal

from attn_jax.lab.cost.program import sequential_depth
from attn_jax.ops.recurrence import linear_scan as module
from attn_jax.ops.recurrence.linear_scan import SCAN_FORMS, fastest_form, linear_scan

B, T, P = 2, 11, 3
compiled = jax.jit(linear_scan, static_argnames=("form", "axis"))


def loop(a, b, initial):
    """[B, T, P] state by state."""
    a = np.broadcast_to(a, b.shape)
    h, states = initial, []
    for t in range(b.shape[1]):
        h = a[:, t] * h + b[:, t]
        states.append(h)
    return np.stack(states, 1)


def drawn(kind, seed=0):
    """a, b, initial in double precision, |a| < 1."""
    rng = np.random.default_rng(seed)
    a, b, initial = rng.uniform(0.3, 1, (B, T, P)), rng.normal(size=(B, T, P)), rng.normal(size=(B, P))
    if kind == "complex":
        a, b = a * np.exp(1j * rng.normal(size=a.shape)), b + 1j * rng.normal(size=b.shape)
        initial = initial * (1 - 2j)
    return a, b, initial


def plain(a, b, initial):
    """The recurrence as JAX differentiates it without any rule of ours."""
    return jnp.swapaxes(lax.scan(plain_step, initial, (jnp.swapaxes(a, 0, 1), jnp.swapaxes(b, 0, 1)))[1], 0, 1)


def plain_step(h, inputs):
    h = inputs[0] * h + inputs[1]
    return h, h


def loss(scan, a, b, initial):
    h = scan(a, b, initial)
    return jnp.sum(jnp.sin(h.real) + h.imag**2)


def derivatives(scan, *inputs):
    """Gradients, tangents, the derivative of gradients along a tangent, and the gradient of gradients."""
    gradient = jax.grad(partial(loss, scan), argnums=(0, 1, 2))
    along = tuple(x[::-1] * 0.7 for x in inputs)

    def twice(*inputs):
        return sum(jnp.sum(jnp.cos(g.real)) for g in gradient(*inputs))

    forward = jax.jvp(scan, inputs, along)
    return gradient(*inputs), forward, jax.jvp(gradient, inputs, along), jax.grad(twice, argnums=(0, 1, 2))(*inputs)


def of_form(form, a, b, initial):
    return linear_scan(a, b, initial, form=form)[0]


def require_equal(got, want, tolerance):
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize("form", SCAN_FORMS)
def test_equals_the_loop(form, kind, strict_ranks, x64):
    a, b, initial = drawn(kind)
    h, last = compiled(a, b, initial, form=form)
    require_equal((h, last), (loop(a, b, initial), loop(a, b, initial)[:, -1]), 1e-13)
    assert h.dtype == b.dtype
    h, last = compiled(a, b, form=form)
    require_equal((h, last), (loop(a, b, 0 * initial), loop(a, b, 0 * initial)[:, -1]), 1e-13)


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("form", "kind"), diagonal(SCAN_FORMS, ["real", "complex"]))
def test_every_mode_of_differentiation(form, kind, x64):
    inputs = tuple(map(jnp.asarray, drawn(kind)))
    got, want = (jax.jit(partial(derivatives, scan))(*inputs) for scan in (partial(of_form, form), plain))
    require_equal(got, want, 1e-12)


def test_a_rule_without_the_decays_tangent_is_refused(x64):
    """The broken twin: the comparison above sees a rule that forgets what the decay contributes."""

    @jax.custom_jvp
    def broken(a, b, initial):
        return plain(a, b, initial)

    broken.defjvp(lambda primals, tangents: (broken(*primals), plain(primals[0], *tangents[1:])))
    inputs = tuple(map(jnp.asarray, drawn("real")))
    with pytest.raises(AssertionError):
        require_equal(*(jax.jit(partial(derivatives, scan))(*inputs) for scan in (broken, plain)), 1e-12)


@pytest.mark.parametrize("form", SCAN_FORMS)
def test_a_decay_that_broadcasts(form, x64):
    """Constant in time, shared by parts of a state, of lower rank; and gradients in its own shape."""
    _, b, initial = drawn("real")
    for shape in ((P,), (1, T, 1), (B, 1, P)):
        a = np.random.default_rng(1).uniform(0.5, 1, shape)
        require_equal(compiled(a, b, initial, form=form)[0], loop(a, b, initial), 1e-13)
    slope = jax.jit(jax.grad(lambda a: jnp.sum(linear_scan(a, b, initial, form=form)[0])))
    gradient, full = slope(np.full((1, P), 0.9)), slope(np.full((B, T, P), 0.9))
    require_equal(gradient, full.sum((0, 1))[None], 1e-12)


@pytest.mark.parametrize("form", SCAN_FORMS)
def test_two_pieces_equal_the_whole(form, x64):
    """From a state, at lengths 0, 1 and others that no chunk divides; along another axis; and under vmap."""
    a, b, initial = drawn("complex")
    whole = loop(a, b, initial)
    for cut in (0, 1, 7):
        first, state = compiled(a[:, :cut], b[:, :cut], initial, form=form)
        second, last = compiled(a[:, cut:], b[:, cut:], state, form=form)
        require_equal((np.concatenate([first, second], 1), last), (whole, whole[:, -1]), 1e-13)
    moved = compiled(np.moveaxis(a, 1, 2), np.moveaxis(b, 1, 2), initial, form=form, axis=-1)[0]
    require_equal(moved, np.moveaxis(whole, 1, 2), 1e-13)
    rows = jax.jit(jax.vmap(partial(linear_scan, form=form, axis=0)))
    require_equal(rows(a, b, initial)[0], whole, 1e-13)


def test_low_precision_is_accumulated_in_float32():
    """1,000 times 1 / 8 at decay 1: in bfloat16 the sum would stand still at 64."""
    b = jnp.full((1, 1000), 0.125, jnp.bfloat16)
    h, last = compiled(jnp.bfloat16(1), b, form="sequential")
    assert (h.dtype, last.dtype, last.tolist()) == (jnp.bfloat16, jnp.float32, [125.0])
    h, last = compiled(jnp.bfloat16(1), b, jnp.zeros(1, jnp.bfloat16), form="associative")
    assert (h.dtype, last.dtype, float(h[0, 499])) == (jnp.bfloat16, jnp.bfloat16, 62.5)


def test_padding_holds_the_state():
    a, b, initial = (x.astype(np.float32) for x in drawn("real"))
    valid = (np.arange(T) < 4)[None, :, None]
    _, last = linear_scan(np.where(valid, a, 1), np.where(valid, b, 0), initial)
    np.testing.assert_allclose(last, loop(a, b, initial)[:, 3], rtol=1e-5)


def depth(form, length):
    args = [jax.ShapeDtypeStruct((1, length, 2), "float32")] * 2
    return sequential_depth(partial(linear_scan, form=form), *args)


def test_the_sequential_depth_is_what_the_forms_say():
    """The associative form: five steps a doubling (a product and a sum each way, one to interleave)."""
    assert depth("sequential", 256) >= 256
    assert depth("chunked", 256) <= 4 * 16 + 8
    assert depth("associative", 256) <= 5 * 8 + 2
    with pytest.raises(AssertionError):  # the broken twin: the sequential form is not logarithmic
        assert depth("sequential", 256) <= 5 * 8 + 2


def test_the_backward_pass_of_the_sequential_form_is_one_scan_that_saves_nothing():
    """Beside the one of the forward pass, which has the same decays: no residuals but a and the states themselves."""
    args = [jax.ShapeDtypeStruct((1, 256, 2), "float32")] * 2
    gradient = jax.grad(lambda a, b: jnp.sum(linear_scan(a, b, form="sequential")[0]), argnums=(0, 1))
    scans = [eqn for eqn in jax.make_jaxpr(gradient)(*args).eqns if eqn.primitive.name == "scan"]
    inner = re.findall(r"= scan\[", str(jax.make_jaxpr(gradient)(*args)))
    assert len(inner) == 2
    assert all(len(eqn.outvars) <= 2 for eqn in scans)


def test_the_form_that_is_picked(monkeypatch):
    assert {fastest_form(dtype, "cpu") for dtype in (jnp.bfloat16, jnp.float32, jnp.complex64)} <= set(SCAN_FORMS)
    assert fastest_form(jnp.float32, "an unknown one") == "associative"
    for form in SCAN_FORMS:
        monkeypatch.setitem(module._FASTEST, ("cpu", "complex"), form)
        assert fastest_form(jnp.complex64) == form
    args = [jax.ShapeDtypeStruct((1, 256, 2), "complex64")] * 2
    monkeypatch.setitem(module._FASTEST, ("cpu", "complex"), "associative")
    assert sequential_depth(linear_scan, *args) == sequential_depth(partial(linear_scan, form="associative"), *args)


@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        ((np.ones((2, 3)), np.ones((2, 3))), {"form": "fast"}, "form: got 'fast', wanted None or one of sequential"),
        ((np.ones((2, 3), int), np.ones((2, 3))), {}, "a: got dtype int"),
        ((np.ones((2, 3)), np.ones((2, 3), bool)), {}, "b: got dtype bool"),
        ((np.ones((2, 4)), np.ones((2, 3))), {}, "a: got shape (2, 4), wanted one that broadcasts"),
        ((np.ones((1, 2, 3)), np.ones((2, 3))), {}, "a: got shape (1, 2, 3)"),
        ((np.ones(3), np.ones(3)), {}, "axis: got 1 for b of shape (3,)"),
        ((np.ones((2, 3)), np.ones((2, 3)), np.ones(3)), {}, "initial: got shape (3,), wanted that of b without time"),
        ((np.ones((2, 3)) * 1j, np.ones((2, 3)), np.ones(2)), {}, "initial: got dtype float32, wanted complex64"),
    ],
)
def test_a_wrong_argument_is_named(arguments, options, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        linear_scan(*arguments, **options)
