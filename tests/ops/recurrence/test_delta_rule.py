"""The delta rule: every form against float64 NumPy loops, derivatives, strong decays, several writes a place."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.ops.recurrence.delta_rule import delta_product, delta_rule
from attn_jax.ops.recurrence.linear_attention import linear_attention

B, T, N, H, P, M = 2, 11, 2, 3, 5, 2
FORMS = {"recurrent": {}, "chunked": {"chunk_size": 4}, "parallel": {}}  # 11 places in chunks of 4: one has a gap


def drawn(*, low=3.0, double=False, seed=0):
    """q, k (M unit keys a place), v, beta, log_decay and a state that is not zero, float64."""
    rng = np.random.default_rng(seed)
    k = rng.normal(size=(B, T, M, N, H))
    beta = rng.uniform(size=(B, T, M, N)) * (2 if double else 1)
    log_decay = -low * rng.uniform(size=(B, T, N)) ** 4
    q, v = rng.normal(size=(B, T, N, H)), rng.normal(size=(B, T, M, N, P))
    return (q, k / np.linalg.norm(k, axis=-1, keepdims=True), v, beta, log_decay), rng.normal(size=(B, N, H, P))


def oracle(q, k, v, beta, log_decay, state):
    """The transition written out as a matrix, one row, one head, one write after the other."""
    y, last = np.zeros((*q.shape[:3], P)), state.copy()
    for b, n in np.ndindex(B, N):
        for t in range(T):
            last[b, n] = np.exp(log_decay[b, t, n]) * last[b, n]
            for m in range(k.shape[2]):
                key, rate = k[b, t, m, n], beta[b, t, m, n]
                transition = np.eye(H) - rate * np.outer(key, key)
                last[b, n] = transition @ last[b, n] + rate * np.outer(key, v[b, t, m, n])
            y[b, t, n] = last[b, n].T @ q[b, t, n]
    return y, last


def as32(*arrays):
    return tuple(np.asarray(x, np.float32) for x in arrays)


def assert_close(got, want, tolerance=1e-5):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert np.isfinite(a).all()
        np.testing.assert_allclose(a, b, atol=tolerance * max(1, np.abs(b).max()), rtol=0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("low", "double"), [(3.0, False), (30.0, True)])
def test_several_writes_equal_the_loop(form, low, double):
    (*inputs, log_decay), state = drawn(low=low, double=double)
    run = jax.jit(partial(delta_product, form=form, **FORMS[form]))
    got = run(*as32(*inputs), log_decay=as32(log_decay)[0], initial=as32(state)[0])
    assert_close(got, oracle(*inputs, log_decay, state))


@pytest.mark.parametrize("form", FORMS)
def test_without_decay_equals_the_loop(form):
    (q, k, v, beta, log_decay), state = drawn()
    run = jax.jit(partial(delta_rule, form=form, **FORMS[form]))
    got = run(*as32(q, k[:, :, 0], v[:, :, 0], beta[:, :, 0]), initial=as32(state)[0])
    assert_close(got, oracle(q, k[:, :, :1], v[:, :, :1], beta[:, :, :1], 0 * log_decay, state))


def test_an_error_in_the_order_is_seen():
    """The oracle's broken twin: the writes of a place in the other order are refused."""
    (q, k, v, beta, log_decay), state = drawn(double=True)
    swapped = as32(q, *(x[:, :, ::-1] for x in (k, v, beta)))
    got = jax.jit(delta_product)(*swapped, log_decay=as32(log_decay)[0], initial=as32(state)[0])
    with pytest.raises(AssertionError):
        assert_close(got, oracle(q, k, v, beta, log_decay, state))


def test_a_decay_of_1_is_none_and_one_write_is_the_rule():
    (q, k, v, beta, _), _ = drawn()
    q, k, v, beta = as32(q, k[:, :, :1], v[:, :, :1], beta[:, :, :1])
    rule, one_write = jax.jit(delta_rule), (q, k[:, :, 0], v[:, :, 0], beta[:, :, 0])
    want = rule(*one_write)
    assert_close(jax.jit(delta_product)(q, k, v, beta), want)
    assert_close(rule(*one_write, log_decay=np.zeros((B, T, N), np.float32)), want)


def test_orthogonal_keys_make_it_linear_attention():
    """What was never written at a key is not taken away: with beta 1 the first H places are linear attention."""
    q, v, k = as32(*np.random.default_rng(0).normal(size=(2, 1, 4, 1, 4)), np.eye(4)[None, :, None])
    assert_close(jax.jit(delta_rule)(q, k, v, np.ones((1, 4, 1), np.float32)), jax.jit(linear_attention)(q, k, v))


def test_a_rate_of_2_flips_a_sign():
    """The parity of the ones seen, which no rate within [0, 1] can hold."""
    bits = np.array([1, 0, 1, 1, 0, 1])
    k, beta, one = as32(np.ones((1, 6, 1, 1)), 2.0 * bits.reshape(1, 6, 1), np.ones((1, 1, 1, 1)))
    y, _ = jax.jit(delta_rule)(k, k, 0 * k, beta, initial=one)
    np.testing.assert_array_equal(np.ravel(y), 1 - 2 * (np.cumsum(bits) % 2))


def test_gradients_of_all_forms_are_equal_at_decays_near_zero():
    inputs, state = drawn(low=30.0, double=True)
    inputs, state = as32(*inputs), as32(state)[0]

    def total(form, inputs, state):
        *inputs, log_decay = inputs
        y, last = delta_product(*inputs, log_decay=log_decay, initial=state, form=form, **FORMS[form])
        return jnp.sin(y).sum() + jnp.cos(last).sum()

    want, *others = (jax.jit(jax.grad(partial(total, form), argnums=(0, 1)))(inputs, state) for form in FORMS)
    for got in others:
        assert_close(got, want)


def assert_derivatives(total, args):
    """Forward, reverse, and forward over reverse along one direction, against central differences, in one program."""
    rng = np.random.default_rng(2)
    direction = tuple(rng.normal(size=x.shape) for x in args)
    gradient = jax.grad(total, argnums=tuple(range(len(args))))
    slopes = jax.jit(lambda args: (*jax.jvp(total, args, direction), *jax.jvp(gradient, args, direction)))
    (value, slope, grad, second), (up, _, grad_up, _), (down, _, grad_down, _) = (
        jax.device_get(slopes(tuple(x + step * t for x, t in zip(args, direction, strict=True))))
        for step in (0, 1e-5, -1e-5)
    )
    assert np.isfinite(value)
    np.testing.assert_allclose(slope, (up - down) / 2e-5, rtol=1e-6)
    np.testing.assert_allclose(sum((g * t).sum() for g, t in zip(grad, direction, strict=True)), slope, rtol=1e-9)
    for got, one, other in zip(second, grad_up, grad_down, strict=True):
        np.testing.assert_allclose(got, (one - other) / 2e-5, atol=1e-6)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("form", FORMS)
def test_every_derivative(form, x64):
    rng = np.random.default_rng(1)
    q, k, v = (rng.normal(size=(1, 5, 1, 2)) for _ in range(3))
    beta, log_decay = rng.uniform(size=(2, 1, 5, 1))
    state = rng.normal(size=(1, 1, 2, 2))

    def total(q, k, v, beta, log_decay, state):
        size = 3 if form == "chunked" else None
        y, last = delta_rule(q, k, v, beta, log_decay=-log_decay, initial=state, form=form, chunk_size=size)
        return jnp.sin(y).sum() + jnp.cos(last).sum()

    assert_derivatives(total, (q, k, v, beta, log_decay, state))


def test_padding_of_zeros_holds_the_state():
    """Key, rate and log decay 0: as many places as one likes leave the memory as it was."""
    (q, k, v, beta, log_decay), state = drawn()
    inputs = as32(q, k[:, :, 0], v[:, :, 0], beta[:, :, 0], log_decay)
    ends = [1] * 7 + [0] * 4
    *padded, padded_decay = as32(*(np.einsum("bt...,t->bt...", x, ends) for x in inputs))
    run = jax.jit(delta_rule, static_argnames=("form", "chunk_size"))
    _, held = run(*padded, log_decay=padded_decay, initial=as32(state)[0], form="chunked", chunk_size=4)
    *short, short_decay = (x[:, :7] for x in inputs)
    assert_close(held, run(*short, log_decay=short_decay, initial=as32(state)[0])[1])


def test_dtypes():
    (q, k, v, beta, _), _ = drawn()
    inputs = [np.asarray(x, jnp.bfloat16) for x in (q, k, v, beta)]
    y, last = jax.jit(delta_product)(*inputs)
    assert (y.dtype, last.dtype) == (jnp.bfloat16, jnp.float32)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"k": jnp.ones((1, 2, 1, 3))}, "k: got shape"),
        ({"beta": jnp.ones((1, 2, 2))}, r"beta: got shape \(1, 2, 2\), wanted \[B, T, N\]"),
        ({"log_decay": jnp.ones((1, 2, 1, 2))}, "log_decay: got shape"),
        ({"form": "scan"}, "form: got 'scan'"),
    ],
)
def test_what_does_not_fit_is_named(change, sentence):
    ones = jnp.ones((1, 2, 1, 2))
    with pytest.raises(ValueError, match=sentence):
        delta_rule(**({"q": ones, "k": ones, "v": ones, "beta": ones[..., 0]} | change))


def test_several_writes_want_an_axis_of_writes():
    ones = jnp.ones((1, 2, 1, 2))
    with pytest.raises(ValueError, match=r"wanted \[B, T, M, N, H\]"):
        delta_product(ones, ones, ones, ones[..., 0])
