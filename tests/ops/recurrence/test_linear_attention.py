"""Linear attention and its gated form: every form against float64 NumPy loops, derivatives, strong decays."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.ops.recurrence.feature_maps import elu_plus_one, orthogonal_projection, positive_random_features, relu
from attn_jax.ops.recurrence.gated_linear_attention import gated_linear_attention
from attn_jax.ops.recurrence.linear_attention import linear_attention

B, T, N, H, P = 2, 11, 2, 3, 5
FORMS = {"recurrent": {}, "chunked": {"chunk_size": 4}, "parallel": {}}  # 11 places in chunks of 4: one has a gap


def drawn(*, by_channel=False, low=3.0, seed=0):
    """q, k, v, log_decay and a state that is not zero, float64; decays between 1 and exp(-low)."""
    rng = np.random.default_rng(seed)
    log_decay = -low * rng.uniform(size=(B, T, N, H) if by_channel else (B, T, N)) ** 4
    state = rng.normal(size=(B, N, H, P))
    return (*(rng.normal(size=(B, T, N, size)) for size in (H, H, P)), log_decay), state


def oracle(q, k, v, log_decay, state):
    """One row, one head, one place after the other."""
    y, last = np.zeros(v.shape), state.copy()
    for b in range(B):
        for n in range(N):
            for t in range(T):
                keep = np.exp(log_decay[b, t, n]) * np.ones(H)
                last[b, n] = keep[:, None] * last[b, n] + np.outer(k[b, t, n], v[b, t, n])
                y[b, t, n] = q[b, t, n] @ last[b, n]
    return y, last


def as32(*arrays):
    return tuple(np.asarray(x, np.float32) for x in arrays)


def assert_close(got, want, tolerance=1e-5):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert np.isfinite(a).all()
        np.testing.assert_allclose(a, b, atol=tolerance * max(1, np.abs(b).max()), rtol=0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("decay", ["head", "channel"])
@pytest.mark.parametrize("low", [3.0, 30.0])
def test_gated_equals_the_loop(form, decay, low):
    inputs, state = drawn(by_channel=decay == "channel", low=low)
    run = jax.jit(partial(gated_linear_attention, form=form, **FORMS[form]))
    assert_close(run(*as32(*inputs), initial=as32(state)[0]), oracle(*inputs, state))


@pytest.mark.parametrize("decay", ["head", "channel"])
def test_an_error_in_a_form_is_seen(decay):
    """The oracle's broken twin: decays that reach one place too far are refused."""
    (q, k, v, log_decay), state = drawn(by_channel=decay == "channel")
    late = np.roll(log_decay, 1, 1)
    run = jax.jit(partial(gated_linear_attention, form="parallel"))
    got = run(*as32(q, k, v, late), initial=as32(state)[0])
    with pytest.raises(AssertionError):
        assert_close(got, oracle(q, k, v, log_decay, state))


@pytest.mark.parametrize("form", FORMS)
def test_linear_equals_the_loop(form):
    (q, k, v, log_decay), state = drawn()
    run = jax.jit(partial(linear_attention, form=form, **FORMS[form]))
    assert_close(run(*as32(q, k, v), initial=as32(state)[0]), oracle(q, k, v, 0 * log_decay, state))


@pytest.mark.parametrize("form", FORMS)
def test_normalised_is_an_average(form):
    """Against weights written out: each row of them sums to 1."""
    (q, k, v, _), _ = drawn()
    q, k = np.abs(q), np.abs(k)
    weights = np.tril(np.einsum("btnh,bsnh->bnts", q, k))
    want = np.einsum("bnts,bsnp->btnp", weights / weights.sum(-1, keepdims=True), v)
    got, state = jax.jit(partial(linear_attention, normalise=True, form=form, **FORMS[form]))(*as32(q, k, v))
    np.testing.assert_allclose(got, want, atol=1e-5)
    np.testing.assert_allclose(state[..., -1], k.sum(1), rtol=1e-5)


def test_no_features_is_no_division_by_zero():
    zeros = jnp.zeros((1, 3, 1, 2))
    total = lambda q: linear_attention(q, zeros, zeros + 1, normalise=True)[0].sum()  # noqa: E731
    value, gradient = jax.jit(jax.value_and_grad(total))(zeros)
    assert value == 0
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("decay", ["head", "channel"])
def test_gradients_of_all_forms_are_equal_at_decays_near_zero(decay):
    inputs, state = drawn(by_channel=decay == "channel", low=30.0)
    inputs, state = as32(*inputs), as32(state)[0]

    def total(form, inputs, state):
        y, last = gated_linear_attention(*inputs, initial=state, form=form, **FORMS[form])
        return jnp.sin(y).sum() + jnp.cos(last).sum()

    want, *others = (jax.jit(jax.grad(partial(total, form), argnums=(0, 1)))(inputs, state) for form in FORMS)
    for got in others:
        assert_close(got, want)


def test_digits_survive_a_strong_decay_nearby():
    """Between two places that forget little, the decay is exact although the places before forget e^-30 each."""
    places = np.arange(64)[None, :, None, None]
    log_decay, k = as32(*(np.broadcast_to(x, (1, 64, 1, 2)) for x in (np.where(places < 62, -30, -0.1), places == 61)))
    ones = np.ones((1, 64, 1, 2), np.float32)
    run = jax.jit(partial(gated_linear_attention, form="parallel"))
    for decay in (log_decay, log_decay[..., 0]):
        y, _ = run(ones, k, ones[..., :1], decay)
        np.testing.assert_allclose(np.asarray(y)[0, 61:, 0, 0], 2 * np.exp([0, -0.1, -0.2]), rtol=3e-7)


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
    log_decay, state = -rng.uniform(size=(1, 5, 1, 2)), rng.normal(size=(1, 1, 2, 2))

    def total(q, k, v, log_decay, state):
        y, last = gated_linear_attention(
            q, k, v, log_decay, initial=state, form=form, chunk_size=3 if form == "chunked" else None
        )
        return jnp.sin(y).sum() + jnp.cos(last).sum()

    assert_derivatives(total, (q, k, v, log_decay, state))


def test_pieces_equal_the_whole_and_vmap_the_rows():
    inputs, state = drawn()
    inputs, state = as32(*inputs), as32(state)[0]
    run = jax.jit(gated_linear_attention)
    y, last = run(*inputs, initial=state)
    first, between = run(*(x[:, :4] for x in inputs), initial=state)
    second, after = run(*(x[:, 4:] for x in inputs), initial=between)
    assert_close((np.concatenate([first, second], 1), after), (y, last))
    one = jax.vmap(lambda xs, s: gated_linear_attention(*(x[None] for x in xs), initial=s[None]))
    rows = jax.jit(one)(inputs, state)
    assert_close((rows[0][:, 0], rows[1][:, 0]), (y, last))


def test_dtypes():
    inputs, state = drawn()
    q, k, v, log_decay = (np.asarray(x, jnp.bfloat16) for x in inputs)
    for function in (partial(gated_linear_attention, log_decay=log_decay), linear_attention):
        run = jax.jit(function)
        y, last = run(q, k, v)
        assert (y.dtype, last.dtype) == (jnp.bfloat16, jnp.float32)
        assert run(q, k, v, initial=np.asarray(state, jnp.bfloat16))[1].dtype == jnp.bfloat16


def test_feature_maps():
    x = jnp.array([-2.0, 0.0, 1.5])
    np.testing.assert_allclose(elu_plus_one(x), [np.exp(-2), 1, 2.5], rtol=1e-6)
    np.testing.assert_array_equal(relu(x), [0, 0, 1.5])


def test_random_features_estimate_softmax():
    """The mean over directions tends to exp(q . k / sqrt(H)); the directions of a block are orthogonal."""
    rng = np.random.default_rng(0)
    q, k = 0.7 * rng.normal(size=(2, 6, 4))
    directions = np.asarray(jax.jit(orthogonal_projection, static_argnums=(1, 2))(jax.random.key(0), 20_000, 4))
    np.testing.assert_allclose(directions[:4] @ directions[:4].T, np.diag(np.sum(directions[:4] ** 2, -1)), atol=1e-5)
    features = jax.jit(positive_random_features)
    a, b = (np.asarray(features(x, directions)) for x in as32(q, k))
    np.testing.assert_allclose(np.sum(a * b, -1), np.exp(np.sum(q * k, -1) / 2), rtol=0.1)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"k": jnp.ones((1, 2, 1, 3))}, "k: got shape"),
        ({"v": jnp.ones((1, 3, 1, 2))}, "v: got shape"),
        ({"q": jnp.ones((1, 2, 1, 2), int)}, "q: got dtype int32"),
        ({"log_decay": jnp.ones((1, 2))}, "log_decay: got shape"),
        ({"initial": jnp.ones((1, 1, 2, 3))}, r"initial: got shape \(1, 1, 2, 3\), wanted \[B, N, H, P\]"),
        ({"form": "scan"}, "form: got 'scan'"),
        ({"chunk_size": 0}, "chunk_size: got 0"),
    ],
)
def test_what_does_not_fit_is_named(change, sentence):
    ones = jnp.ones((1, 2, 1, 2))
    with pytest.raises(ValueError, match=sentence):
        gated_linear_attention(**({"q": ones, "k": ones, "v": ones, "log_decay": 0 * ones} | change))
