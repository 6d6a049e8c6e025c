"""mLSTM and sLSTM: the contract, the paper's equations without a stabiliser in float64 loops, gates at their ends."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.layers.multi_head import merge_heads, project_heads
from attn_jax.mixers.mlstm import MLSTM
from attn_jax.mixers.slstm import SLSTM
from attn_jax.ops.recurrence.linear_attention import linear_attention
from attn_jax.ops.recurrence.mlstm import mlstm, stabilise
from attn_jax.testing import check_mixer

B, T, D, N = 2, 11, 8, 2
H = D // N
CHUNKS = {"recurrent": None, "chunked": 4, "parallel": None}  # 11 places in chunks of 4: one has a gap

OPTIONS = {
    "mlstm recurrent": MLSTM(form="recurrent", head_norm=False),
    "mlstm exponential": MLSTM(forget_gate="exponential", num_heads=2, form="chunked"),
    "slstm exponential": SLSTM(forget_gate="exponential", head_norm=False, num_heads=2),
}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.exhaustive
def test_contract(name):
    check_mixer(OPTIONS[name])


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def normed(heads, params):
    if "g_out" not in params:
        return heads
    return heads / np.sqrt(np.square(heads).mean(-1, keepdims=True) + 1e-6) * params["g_out"]


def matrix_loop(q, k, v, i, f):
    """The paper's equations 19 to 21 as they stand, no stabiliser: one row, one head, one place after the other."""
    y = np.zeros(v.shape)
    for b, n in np.ndindex(q.shape[0], q.shape[2]):
        C, norm = np.zeros((v.shape[-1], q.shape[-1])), np.zeros(q.shape[-1])
        for t in range(q.shape[1]):
            C = f[b, t, n] * C + i[b, t, n] * np.outer(v[b, t, n], k[b, t, n])
            norm = f[b, t, n] * norm + i[b, t, n] * k[b, t, n]
            y[b, t, n] = C @ q[b, t, n] / max(abs(norm @ q[b, t, n]), 1)
    return y


def mlstm_oracle(config, p, x):
    q, k, v = (np.einsum("btd,dnh->btnh", x, p[f"w_{name}"]) for name in "qkv")
    f = x @ p["w_forget"] + p["b_forget"]
    f = sigmoid(f) if config.forget_gate == "sigmoid" else np.exp(f)
    heads = matrix_loop(q, k / np.sqrt(H), v, np.exp(x @ p["w_input"] + p["b_input"]), f)
    heads = heads * sigmoid(np.einsum("btd,dnh->btnh", x, p["w_output"]) + p["b_output"])
    return np.einsum("btnh,nhd->btd", normed(heads, p), p["w_o"])


def slstm_oracle(config, p, x):
    """The paper's equations 8 to 14, no stabiliser."""
    y = np.zeros((*x.shape[:2], N, H))
    w_x, w_h, bias = (p["cell"][name] for name in ("w_x", "w_h", "b"))
    for b, n in np.ndindex(x.shape[0], N):
        h = c = norm = np.zeros(H)
        for t in range(x.shape[1]):
            z, i, f, o = np.split(x[b, t] @ w_x[:, n] + h @ w_h[n] + bias[n], 4)
            i, f = np.exp(i), sigmoid(f) if config.forget_gate == "sigmoid" else np.exp(f)
            c, norm = f * c + i * np.tanh(z), f * norm + i
            h = sigmoid(o) * c / norm
            y[b, t, n] = h
    return normed(y, p).reshape(x.shape)


ORACLES = {MLSTM: mlstm_oracle, SLSTM: slstm_oracle}


def drawn(config, scale=1.0, seed=0):
    """A mixer at D 8 with two heads, parameters away from any start, and x, float64."""
    mixer, rng = replace(config, d_model=D, num_heads=N).make(), np.random.default_rng(seed)
    shapes = jax.eval_shape(mixer.init, jax.random.key(seed))
    params = jax.tree.map(lambda leaf: scale * rng.normal(size=leaf.shape), shapes)
    return mixer, params, rng.normal(size=(B, T, D))


def as32(tree):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), tree)


VALUES = [
    *(MLSTM(form=form, forget_gate=gate) for form in CHUNKS for gate in ("sigmoid", "exponential")),
    MLSTM(head_norm=False),
    SLSTM(),
    SLSTM(forget_gate="exponential"),
    SLSTM(head_norm=False),
]


@pytest.mark.sampled(5)
@pytest.mark.parametrize("config", VALUES, ids=repr)
def test_a_sequence_equals_the_equations_without_stabiliser(config, x64):
    """In float64, where they do not overflow."""
    mixer, params, x = drawn(config)
    y = jax.jit(mixer.apply)(jax.tree.map(jnp.asarray, params), jnp.asarray(x))
    assert y.dtype == jnp.float64
    np.testing.assert_allclose(y, ORACLES[type(config)](config, params, x), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("config", [MLSTM(), SLSTM()], ids=repr)
def test_the_loop_tells_the_options_apart(config):
    """An oracle that did not read an option would agree with both."""
    _, params, x = drawn(config)
    want = ORACLES[type(config)](config, params, x)
    bare = {name: leaf for name, leaf in params.items() if name != "g_out"}
    other = ORACLES[type(config)](replace(config, forget_gate="exponential"), params, x)
    for y in (other, ORACLES[type(config)](config, bare, x)):
        assert np.abs(y - want).max() > 0.1


@pytest.mark.parametrize("form", CHUNKS)
def test_float32_at_gates_whose_exponentials_overflow_it(form):
    """exp(+-100) is past float32; the loop is in float64. The pieces hand their stabiliser on."""
    rng = np.random.default_rng(1)
    q, k, v = (rng.normal(size=(B, T, N, H)) for _ in range(3))
    log_input, log_forget = rng.uniform(-100, 100, (B, T, N)), rng.uniform(-30, 0, (B, T, N))
    inputs = as32((q, k, v, log_input, log_forget))
    run = jax.jit(partial(mlstm, form=form, chunk_size=CHUNKS[form]))
    want = matrix_loop(q, k, v, np.exp(log_input), np.exp(log_forget))
    first, state = run(*(x[:, :7] for x in inputs))
    second, _ = run(*(x[:, 7:] for x in inputs), initial=state)
    scale = np.maximum(1, np.abs(want))  # where n . q passes through 0, y is large
    for got in (run(*inputs)[0], jnp.concatenate([first, second], 1)):
        np.testing.assert_array_less(np.abs(got - want) / scale, 2e-3)  # inputs near 100 have 4e-6 of rounding


def test_open_gates_are_linear_attention_with_normaliser():
    """Input gate exp(0), forget gate 1, where the weights sum to at least 1; below, the divisor is 1."""
    rng = np.random.default_rng(2)
    q, k, v = as32([rng.uniform(1, 2, size=(B, T, N, H)) for _ in range(3)])
    gates = jnp.zeros((B, T, N))
    want, state = jax.jit(partial(linear_attention, normalise=True))(q, k, v)
    run = jax.jit(mlstm)
    got, (memory, m) = run(q, k, v, gates, gates)
    np.testing.assert_allclose(got, want, rtol=1e-5)
    np.testing.assert_allclose(memory, state, rtol=1e-5)
    assert (m == 0).all()
    small = run(q / 1e4, k, v, gates, gates)[0]
    np.testing.assert_allclose(small, linear_attention(q / 1e4, k, v)[0], rtol=1e-5)


def test_the_mixer_with_open_gates_is_linear_attention():
    mixer, params, x = drawn(MLSTM(head_norm=False))
    params, x = as32((params, x))
    params |= as32({"w_input": np.zeros((D, N)), "b_input": np.zeros(N), "w_forget": np.zeros((D, N))})
    params |= as32({"b_forget": np.full(N, 200), "w_output": np.zeros((D, N, H)), "b_output": np.full((N, H), 200)})
    params |= {"w_q": params["w_q"] / 1e3}  # the sums of weights are below 1, and the divisor is 1

    def open_gates(params, x):
        q, k, v = project_heads(params, x)
        return merge_heads(params, linear_attention(q, k / np.sqrt(H), v)[0])

    want = jax.jit(open_gates)(params, x)
    np.testing.assert_allclose(jax.jit(mixer.apply)(params, x), want, rtol=1e-4, atol=1e-6)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("config", [MLSTM(), SLSTM(forget_gate="exponential")], ids=repr)
@pytest.mark.parametrize("head_norm", [True, False])
def test_gates_at_50_stay_finite(config, head_norm):
    """Value and gradient, first and second; signs of the gates mixed over places, heads and channels."""
    mixer, params, x = drawn(replace(config, head_norm=head_norm))
    params, x = as32((params, x))
    if isinstance(config, MLSTM):
        params |= {name: 50 * jnp.sign(params[name]) for name in ("b_input", "b_forget", "b_output")}
        params |= {name: 20 * params[name] for name in ("w_input", "w_forget")}
    else:
        params["cell"]["b"] = 50 * jnp.sign(params["cell"]["b"])
        params["cell"]["w_x"] = 20 * params["cell"]["w_x"]
    total = lambda p: jnp.sum(jnp.sin(mixer.apply(p, x)))  # noqa: E731
    along = lambda p: jax.jvp(jax.grad(total), (p,), (jax.tree.map(jnp.ones_like, p),))  # noqa: E731
    y, (gradient, curve) = jax.jit(lambda p: (mixer.apply(p, x), along(p)))(params)
    for leaf in [y, *jax.tree.leaves(gradient)]:
        assert np.isfinite(leaf).all()
    if head_norm or isinstance(config, SLSTM):  # otherwise y grows as 1 / (n . q), its curvature as the cube of it
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(curve))


@pytest.mark.sampled(1)
@pytest.mark.parametrize("config", [MLSTM(head_norm=False), SLSTM()], ids=repr)
def test_the_derivative_that_leaves_the_stabiliser_out_is_the_derivative(config, x64):
    """Against central differences of the float64 loop, which has no stabiliser; gradient and one curve."""
    mixer, params, x = drawn(config)
    x = x[:1, :4]
    rng = np.random.default_rng(3)
    direction = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), params)
    moved = lambda s: jax.tree.map(lambda p, d: p + s * d, params, direction)  # noqa: E731
    want = [np.sum(np.sin(ORACLES[type(config)](config, moved(s), x))) for s in (-1e-5, 0.0, 1e-5)]
    line = lambda s: jnp.sum(jnp.sin(mixer.apply(moved(s), jnp.asarray(x))))  # noqa: E731
    slope, curve = jax.jit(lambda s: (jax.grad(line)(s), jax.jvp(jax.grad(line), (s,), (1.0,))[1]))(0.0)
    np.testing.assert_allclose(slope, (want[2] - want[0]) / 2e-5, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(curve, (want[2] - 2 * want[1] + want[0]) / 1e-10, rtol=1e-3, atol=1e-2)


def test_a_stabiliser_rounded_to_few_bits_still_cancels():
    """m near 50 in bfloat16 is off by 1/8; the memory beside it is kept at the rounded one."""
    rng = np.random.default_rng(4)
    q, k, v = as32([rng.uniform(1, 2, size=(1, 4, 1, H)) for _ in range(3)])
    gates = jnp.asarray(rng.uniform(49, 51, (1, 4, 1)), jnp.float32), jnp.full((1, 4, 1), -0.5)
    state = jnp.zeros((1, 1, H, H + 1)), jnp.zeros((1, 1), jnp.bfloat16)
    low, (_, m) = jax.jit(mlstm)(q, k, v, *gates, initial=state)
    np.testing.assert_allclose(low, matrix_loop(q, k, v, *np.exp(np.float64(gates))), rtol=1e-4)
    assert m.dtype == jnp.bfloat16


def test_padding_holds_and_both_gates_are_at_most_one():
    mixer, params, x = drawn(MLSTM(forget_gate="exponential"), scale=3.0)
    params, x = as32((params, x))
    valid = jnp.arange(T) < jnp.array([[T], [3]])
    seen = jax.jit(mixer.inspect)(params, jnp.where(valid[..., None], x, jnp.nan), valid)
    assert (seen["write"][1, 3:] == 0).all()
    assert (seen["keep"][1, 3:] == 1).all()
    assert (seen["stabiliser"][1, 3:] == seen["stabiliser"][1, 2]).all()
    for name in ("write", "keep"):
        assert seen[name].min() >= 0
        assert seen[name].max() <= 1 + 1e-5
    write, keep = (np.asarray(seen[name])[0] for name in ("write", "keep"))
    np.testing.assert_allclose(np.maximum(write, keep), 1, atol=1e-4)  # one of the two sets the stabiliser


def test_gates_of_slstm_make_its_outputs():
    """c' = keep c + write tanh(z), n' = keep n + write, h' = read c' / n', whatever the stabiliser is."""
    mixer, params, x = drawn(SLSTM(forget_gate="exponential"))
    seen = jax.tree.map(np.asarray, jax.jit(mixer.inspect)(*as32((params, x))))
    c = n = h = np.zeros((B, N, H))
    for t in range(T):
        past = np.einsum("bnh,nhk->bnk", h, params["cell"]["w_h"])
        z, _, _, o = np.split(np.tensordot(x[:, t], params["cell"]["w_x"], 1) + past + params["cell"]["b"], 4, -1)
        c, n = (seen["keep"][:, t] * a + seen["write"][:, t] * b for a, b in ((c, np.tanh(z)), (n, 1)))
        h = sigmoid(o) * c / n
        np.testing.assert_allclose(seen["read"][:, t], sigmoid(o), atol=1e-4)
        np.testing.assert_allclose(seen["hidden"][:, t], h, atol=1e-3)
    assert max(seen["keep"].max(), seen["write"].max()) <= 1 + 1e-6


def test_a_head_of_slstm_sees_its_own_outputs_only():
    """d h[t, head] / d h[0, other head] is 0 by the cell, and not by its own head."""
    mixer, params, x = drawn(SLSTM())
    params, x = as32((params, x))
    state = mixer.init_state(params, 1, T)

    def last(h):
        return mixer.extend(params, x[:1, :3], (h, *state[1:]))[0][0, -1].reshape(N, H)

    reach = np.abs(np.asarray(jax.jit(jax.jacrev(last))(state[0]))[:, :, 0]).sum((1, 3))  # [N, H, 1, N, H]
    assert (np.diag(reach) > 1e-3).all()
    assert (reach[~np.eye(N, dtype=bool)] == 0).all()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: MLSTM(forget_gate="tanh"), "forget_gate: got 'tanh', wanted one of 'sigmoid', 'exponential'"),
        (lambda: SLSTM(forget_gate="tanh"), "forget_gate: got 'tanh'"),
        (lambda: SLSTM(num_heads=0), "num_heads: got 0, wanted at least 1"),
        (lambda: SLSTM(d_model=9, num_heads=2).make(), "num_heads: got 2, wanted a divisor of d_model=9"),
        (
            lambda: mlstm(*[jnp.ones((1, 2, 3, 4))] * 3, *[jnp.ones((1, 3, 2))] * 2),
            r"log_input: got shape \(1, 3, 2\), wanted \[B, T, N\] = \(1, 2, 3\)",
        ),
        (
            lambda: mlstm(
                *[jnp.ones((1, 2, 3, 4))] * 3,
                *[jnp.ones((1, 2, 3))] * 2,
                initial=(jnp.ones((1, 3, 4, 5)), jnp.ones((1, 2))),
            ),
            r"initial: got m of shape \(1, 2\), wanted \[B, N\] = \(1, 3\)",
        ),
    ],
)
def test_a_wrong_argument_is_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_the_stabiliser_is_the_loop():
    rng = np.random.default_rng(5)
    log_input, log_forget, m = rng.normal(size=(B, T, N)), -rng.uniform(size=(B, T, N)), rng.normal(size=(B, N))
    got = jax.jit(stabilise)(*as32((log_input, log_forget, m)))[2]
    for t in range(T):
        m = np.maximum(log_forget[:, t] + m, log_input[:, t])
        np.testing.assert_allclose(got[:, t], m, atol=1e-5)
