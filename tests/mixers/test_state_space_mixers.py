"""lru, s4d and mamba: the contract, the papers' formulas as loops, equal forms, eigenvalues that stay in the circle."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.mixers import lru, s4d
from attn_jax.mixers.lru import LRU
from attn_jax.mixers.mamba import Mamba
from attn_jax.mixers.s4d import S4D
from attn_jax.testing import check_mixer

D, T = 5, 9

OPTIONS = {
    "lru ring": LRU(d_inner=24, r_min=0.5, r_max=0.9, max_phase=1.0, normalise=False, glu=False, form="associative"),
    "s4d bilinear": S4D(d_state=4, init="inv", discretisation="bilinear", glu=False, dt_max=1.0, form="chunked"),
    "mamba signed": Mamba(
        d_state=3, expand=1, kernel_size=2, dt_rank=3, transition="signed", dt_max=2.0, form="associative"
    ),
}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.exhaustive
def test_contract(name):
    check_mixer(OPTIONS[name])


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def gated(params, y):
    """gelu (its tanh form), then the gated linear unit."""
    if "glu" not in params:
        return y
    u = 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
    value, gate = np.split(u @ params["glu"]["w"] + params["glu"]["b"], 2, -1)
    return value * sigmoid(gate)


def lru_oracle(config, p, x):
    """One row, [T, D]; complex matrices of the parts that are stored."""
    eigenvalue = np.exp(-np.exp(p["nu"]) + 1j * np.exp(p["theta"]))
    into, out = np.split(p["in"]["w"], 2, 1), np.split(p["out"]["w"], 2, 0)
    h, y = np.zeros(len(eigenvalue), complex), []
    for x_t in x:
        b = x_t @ (into[0] + 1j * into[1])
        h = eigenvalue * h + (np.exp(p["log_g"]) * b if config.normalise else b)
        y.append((h @ (out[0] + 1j * out[1])).real + p["d"] * x_t)
    return gated(p, np.array(y))


def s4d_oracle(config, p, x):
    """One row, [T, D], a channel at a time: the recurrence over all N eigenvalues, conjugates written out."""
    y = np.zeros(x.shape)
    for channel in range(x.shape[1]):
        A = -np.exp(p["log_real"][channel]) + 1j * p["imaginary"][channel]
        C = p["c"][channel, :, 0] + 1j * p["c"][channel, :, 1]
        A, C, dt = np.concatenate([A, A.conj()]), np.concatenate([C, C.conj()]), np.exp(p["log_dt"][channel])
        if config.discretisation == "zoh":
            a, b = np.exp(dt * A), (np.exp(dt * A) - 1) / A
        else:
            a, b = (1 + dt * A / 2) / (1 - dt * A / 2), dt / (1 - dt * A / 2)
        s = np.zeros(len(A), complex)
        for t, x_t in enumerate(x[:, channel]):
            s = a * s + b * x_t
            total = C @ s
            assert abs(total.imag) < 1e-9
            y[t, channel] = total.real + p["d"][channel] * x_t
    return gated(p, y)


def mamba_oracle(config, p, x):
    """One row, [T, D], a state of a channel at a time."""
    W, E = p["conv"]["w"].shape
    N, R = p["log_a"].shape[1], p["dt"]["w"].shape[0]
    h, past, y = np.zeros((E, N)), [np.zeros(E)] * W, []
    for x_t in x:
        u, z = np.split(x_t @ p["in"]["w"], 2)
        past = [u, *past[:-1]]
        u = sum(w * before for w, before in zip(p["conv"]["w"], past, strict=True)) + p["conv"]["b"]
        u = u * sigmoid(u)
        low, B, C = np.split(u @ p["select"]["w"], [R, R + N])
        dt = np.log1p(np.exp(low @ p["dt"]["w"] + p["dt"]["b"]))
        out = np.zeros(E)
        for e in range(E):
            for n in range(N):
                a = np.exp(-dt[e] * np.exp(p["log_a"][e, n]))
                a = 2 * a - 1 if config.transition == "signed" else a
                h[e, n] = a * h[e, n] + dt[e] * B[n] * u[e]
            out[e] = h[e] @ C + p["d"][e] * u[e]
        y.append((out * z * sigmoid(z)) @ p["out"]["w"])
    return np.array(y)


ORACLES = {LRU: lru_oracle, S4D: s4d_oracle, Mamba: mamba_oracle}
VALUES = [
    LRU(d_inner=7),
    LRU(normalise=False, glu=False),
    S4D(d_state=6),
    S4D(d_state=4, init="inv", discretisation="bilinear", glu=False),
    S4D(d_state=6, form="sequential"),
    S4D(d_state=4, discretisation="bilinear", form="associative"),
    Mamba(d_state=3, dt_max=1.0),
    Mamba(d_state=2, expand=1, kernel_size=2, dt_rank=2, transition="signed", dt_max=1.0),
]


def drawn(config, seed=0):
    """A mixer, parameters away from any start, and x, float64."""
    mixer, rng = replace(config, d_model=D).make(), np.random.default_rng(seed)
    params = jax.eval_shape(mixer.init, jax.random.key(seed))
    params = jax.tree.map(lambda leaf: 0.7 * rng.normal(size=leaf.shape), params)
    return mixer, params, rng.normal(size=(2, T, D))


def as32(tree):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), tree)


@pytest.mark.parametrize("config", VALUES, ids=repr)
def test_a_sequence_equals_the_loop(config):
    mixer, params, x = drawn(config)
    y = jax.jit(mixer.apply)(as32(params), as32(x))
    want = np.stack([ORACLES[type(config)](config, params, row) for row in x])
    np.testing.assert_allclose(y, want, atol=2e-5 * max(1.0, np.abs(want).max()))


@pytest.mark.parametrize(
    "change",
    [
        (LRU(), {"normalise": False}),
        (S4D(d_state=4, dt_max=1.0), {"discretisation": "bilinear"}),
        (Mamba(d_state=2, dt_max=1.0), {"transition": "signed"}),
    ],
    ids=str,
)
def test_the_loops_tell_the_options_apart(change):
    config, other = change[0], replace(change[0], **change[1])
    _, params, x = drawn(config)
    oracle = ORACLES[type(config)]
    assert np.abs(oracle(config, params, x[0]) - oracle(other, params, x[0])).max() > 1e-3


def test_s4d_as_a_convolution_is_its_recurrence_in_gradients_too():
    recurrence, params, x = drawn(S4D(d_state=6, form="sequential"))
    convolution = S4D(d_model=D, d_state=6, form="convolution").make()
    params, x = as32((params, x))
    both = [
        jax.jit(jax.grad(lambda p, x, m=m: jnp.sum(jnp.sin(m.apply(p, x))), (0, 1)))(params, x)
        for m in (convolution, recurrence)
    ]
    for one, other in zip(*map(jax.tree.leaves, both), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5 * max(1.0, float(jnp.abs(other).max())))


def test_s4ds_filter_does_not_know_the_length():
    config = S4D(d_model=D, d_state=6)
    params = jax.jit(config.make().init)(jax.random.key(0))
    read = jax.jit(s4d.kernel, static_argnums=(0, 2))
    np.testing.assert_allclose(read(config, params, 5), read(config, params, 9)[:5], atol=1e-6)


@pytest.mark.parametrize(
    ("config", "want"),
    [
        (S4D(d_state=6), [0, np.pi, 2 * np.pi]),
        (S4D(d_state=4, init="inv"), [12 / np.pi, 4 / (3 * np.pi)]),
    ],
    ids=["lin", "inv"],
)
def test_s4d_starts_as_the_paper_says(config, want):
    params = jax.jit(replace(config, d_model=300, dt_min=0.01, dt_max=0.02).make().init)(jax.random.key(0))
    np.testing.assert_allclose(-np.exp(params["log_real"]), -0.5, rtol=1e-6)
    np.testing.assert_allclose(params["imaginary"], np.tile(want, (300, 1)), rtol=1e-6)
    dt = np.exp(params["log_dt"])
    assert 0.01 * 0.999 < dt.min() < 0.0105
    assert 0.0195 < dt.max() < 0.02 * 1.001


def test_lru_starts_on_its_ring_with_states_of_unit_variance():
    """White noise in, |h|^2 = 1 on average whatever the eigenvalue: what the normalisation is for."""
    config = LRU(d_model=8, d_inner=64, r_min=0.9, r_max=0.97, max_phase=1.0)
    mixer = config.make()
    params = jax.jit(mixer.init)(jax.random.key(0))
    values = np.asarray(lru.eigenvalues(params))
    assert 0.9 <= np.abs(values).min() < np.abs(values).max() <= 0.97
    assert 0 <= np.angle(values).min() < np.angle(values).max() <= 1.0
    x = jax.random.normal(jax.random.key(1), (8, 400, 8))
    hidden = np.asarray(jax.jit(mixer.inspect)(params, x)["hidden"])[:, 150:]
    assert 0.85 < np.mean(np.abs(hidden) ** 2) < 1.15
    plain = {name: leaf for name, leaf in params.items() if name != "log_g"}
    without = np.asarray(jax.jit(replace(config, normalise=False).make().inspect)(plain, x)["hidden"])[:, 150:]
    assert np.mean(np.abs(without) ** 2) > 4


def test_lru_with_real_eigenvalues_is_the_plain_scan():
    mixer = LRU(d_model=3, glu=False, normalise=False).make()
    decay = np.array([0.5, 0.9, 0.1])
    eye, none = jnp.eye(3), jnp.zeros((3, 3))
    params = as32(
        {
            "nu": np.log(-np.log(decay)),
            "theta": np.full(3, -np.inf),
            "in": {"w": jnp.concatenate([eye, none], 1)},
            "out": {"w": jnp.concatenate([eye, none], 0)},
            "d": np.zeros(3),
        }
    )
    x = np.random.default_rng(0).normal(size=(1, T, 3))
    h, want = np.zeros(3), []
    for x_t in x[0]:
        h = decay * h + x_t
        want.append(h)
    np.testing.assert_allclose(jax.jit(mixer.apply)(params, as32(x))[0], want, atol=1e-5)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("scale", [0.0, 1.0, 10.0])
def test_no_parameters_leave_the_unit_circle(scale):
    """At the start strictly within; far away (exponentials of up to e^40) never outside, and never NaN."""
    rng = np.random.default_rng(0)

    def away(params):
        return jax.tree.map(lambda leaf: np.float32(leaf + scale * rng.normal(size=leaf.shape)), jax.device_get(params))

    sizes = [np.abs(lru.eigenvalues(away(jax.jit(LRU(d_model=64).make().init)(jax.random.key(0)))))]
    for kind in ("zoh", "bilinear"):
        config = S4D(d_model=4, d_state=8, discretisation=kind)
        params = jax.jit(config.make().init)(jax.random.key(0))
        params = away(params) | ({"log_dt": params["log_dt"]} if kind == "bilinear" else {})
        sizes.append(np.abs(s4d.discretise(config, params)[0]))
    for size in sizes:
        assert np.isfinite(size).all()
        assert size.max() < 1 if scale == 0 else size.max() <= 1 + 1e-6


@pytest.mark.parametrize(("kind", "lowest"), [("unit", 0.0), ("signed", -1.0)])
def test_mambas_transition_spans_its_range(kind, lowest):
    config = Mamba(d_model=4, d_state=2, transition=kind)
    mixer = config.make()
    params = jax.jit(mixer.init)(jax.random.key(0))
    x = 30 * jax.random.normal(jax.random.key(1), (2, 20, 4))
    steep = params | {"dt": {"w": 50 * params["dt"]["w"], "b": params["dt"]["b"]}}
    a = jax.jit(mixer.inspect)(steep, x)["transition"]
    assert lowest <= a.min() < lowest + 1e-3
    assert 0.9 < a.max() <= 1


def running_parity():
    """Parameters of a Mamba of one state: h' = (1 - 2 bit) h + bit, read from the inputs (bit, 1)."""
    one = float(4 * sigmoid(4.0))  # silu(4), what channel 0 holds for a bit and channel 1 always
    gate = float(sigmoid(1.0))  # silu(1)
    return as32(
        {
            "in": {"w": np.array([[4.0, 0, 0, 0], [0, 4.0, 1.0, 0]])},  # u = 4 bit, 4; z = 1, 0
            "conv": {"w": np.ones((1, 2)), "b": np.zeros(2)},
            "select": {"w": np.array([[1 / one, 1 / (20 * one**2), 0], [0, 0, 1 / one]])},  # low = bit, B, C = 1
            "dt": {"w": np.array([[40.0, 0]]), "b": np.array([-20.0, -20.0])},  # dt = 20 bit
            "log_a": np.zeros((2, 1)),
            "d": np.zeros(2),
            "out": {"w": np.array([[1 / gate, 0], [0, 0]])},
        }
    )


@pytest.mark.parametrize("kind", ["signed", "unit"])
def test_a_state_that_flips_counts_modulo_two(kind):
    """One state suffices with transitions in [-1, 1]; with those in [0, 1] the same parameters fail."""
    mixer = Mamba(d_model=2, d_state=1, expand=1, kernel_size=1, dt_rank=1, transition=kind).make()
    bits = np.random.default_rng(0).integers(0, 2, (3, 60))
    x = as32(np.stack([bits, np.ones_like(bits)], -1))
    error = np.abs(np.asarray(jax.jit(mixer.apply)(running_parity(), x))[..., 0] - np.cumsum(bits, 1) % 2).max()
    assert error < 1e-3 if kind == "signed" else error > 0.5


@pytest.mark.sampled(1)
@pytest.mark.parametrize("config", [LRU(), S4D(d_state=4), Mamba(d_state=2)], ids=lambda c: type(c).__name__)
def test_second_derivatives_equal_differences_of_gradients(config, x64):
    mixer, params, x = drawn(config)
    params, x = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64) / 2, (params, x[:, :3]))  # tame third ones
    direction = jax.tree.map(lambda leaf: np.cos(np.arange(leaf.size)).reshape(leaf.shape), params)
    gradient = jax.jit(jax.grad(lambda p: jnp.sum(jnp.sin(mixer.apply(p, x)))))
    tangents = jax.tree.map(lambda leaf: np.stack([leaf, -2 * leaf]), direction)
    curves = jax.jit(jax.vmap(lambda d: jax.jvp(gradient, (params,), (d,))[1]))(tangents)
    ahead, behind = (jax.tree.map(lambda p, d, s=s: p + s * 1e-5 * d, params, direction) for s in (1, -1))
    for a, b, curve in zip(*map(jax.tree.leaves, (gradient(ahead), gradient(behind), curves)), strict=True):
        np.testing.assert_allclose(curve[0], (a - b) / 2e-5, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(curve[1], (b - a) / 1e-5, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: LRU(r_min=0.9, r_max=0.5), "r_min, r_max: got 0.9, 0.5, wanted 0 <= r_min < r_max <= 1"),
        (lambda: LRU(max_phase=0.0), "max_phase: got 0.0"),
        (lambda: LRU(form="log"), "form: got 'log'"),
        (lambda: S4D(d_state=5), "d_state: got 5, wanted an even number"),
        (lambda: S4D(init="legs"), "init: got 'legs', wanted one of 'lin', 'inv'"),
        (lambda: S4D(discretisation="euler"), "discretisation: got 'euler'"),
        (lambda: S4D(dt_min=0.0), "dt_min, dt_max: got 0.0"),
        (lambda: Mamba(transition="real"), "transition: got 'real', wanted one of 'unit', 'signed'"),
        (lambda: Mamba(kernel_size=0), "kernel_size: got 0, wanted at least 1"),
    ],
)
def test_a_wrong_option_is_refused_at_once(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()
