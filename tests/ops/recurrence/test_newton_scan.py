"""Newton's method over time against a loop over time: states, all derivatives, what it reports, how deep it is."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from tiers import SECOND

from attn_jax.lab.cost.program import sequential_depth
from attn_jax.ops.recurrence.newton_scan import newton_scan

T, D, P = 9, 3, 4


def mixing(p, h, x):
    """A tanh network whose channels mix."""
    return jnp.tanh(x @ p["x"] + h @ p["h"])


def channelwise(p, h, x):
    """A tanh network that acts channel by channel."""
    return jnp.tanh(x @ p["x"] + h * p["h"][0])


CASES = {"dense": mixing, "elementwise": channelwise, "diagonal": mixing}


def drawn(length=T, radius=0.8, seed=0):
    """Parameters, initial state, inputs; float64."""
    rng = np.random.default_rng(seed)
    h = rng.normal(size=(P, P))
    p = {"x": rng.normal(size=(D, P)), "h": h * radius / np.abs(np.linalg.eigvals(h)).max()}
    return p, rng.normal(size=P), rng.normal(size=(length, D))


def loop(p, h, xs, act=lambda p, h: h @ p["h"]):
    states = []
    for x in xs:
        h = np.tanh(x @ p["x"] + act(p, h))
        states.append(h)
    return np.stack(states)


def in_time(f, p, h, xs):
    return lax.scan(lambda h, x: (f(p, h, x),) * 2, h, xs)[1]


def solved(f, jacobian, p, h, xs, **options):
    return newton_scan(f, p, h, xs, jacobian=jacobian, **{"tolerance": 1e-13} | options)


def derivatives(states, *inputs):
    """Gradients, tangents, the derivative of gradients along a tangent, and the gradient of gradients."""
    gradient = jax.grad(lambda *inputs: jnp.sum(jnp.sin(states(*inputs)) * jnp.arange(P)), argnums=(0, 1, 2))
    along = jax.tree.map(lambda x: jnp.cos(x + 1), inputs)

    def twice(*inputs):
        return sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves(gradient(*inputs)))

    forward = jax.jvp(states, inputs, along)
    return gradient(*inputs), forward, jax.jvp(gradient, inputs, along), jax.grad(twice, argnums=(0, 1, 2))(*inputs)


def require_equal(got, want, tolerance):
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("jacobian", CASES)
def test_equals_the_loop(jacobian, x64):
    p, h, xs = drawn()
    result = jax.jit(partial(solved, CASES[jacobian], jacobian))(p, h, xs)
    act = (lambda p, h: h * p["h"][0]) if jacobian == "elementwise" else (lambda p, h: h @ p["h"])
    require_equal(result.states, loop(p, h, xs, act), 1e-12)
    assert bool(result.converged)
    assert result.residual <= 1e-13
    assert 1 < result.iterations <= T


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("jacobian", "most"),
    [pytest.param("dense", 32, marks=SECOND), ("elementwise", 32), ("diagonal", 32), ("diagonal", 1)],
)
def test_every_mode_of_differentiation(jacobian, most, x64):
    """Exact whatever the solver was: the approximate Jacobian, and states finished step by step, too."""
    inputs = jax.tree.map(jnp.asarray, drawn())
    f = CASES[jacobian]

    def states(*inputs):
        return solved(f, jacobian, *inputs, max_iterations=most).states

    got, want = (jax.jit(partial(derivatives, g))(*inputs) for g in (states, partial(in_time, f)))
    require_equal(got, want, 1e-9)


def test_a_derivative_by_the_diagonal_alone_is_refused(x64):
    """The broken twin: "elementwise" said of a network that mixes channels; right states, a wrong derivative."""
    inputs = jax.tree.map(jnp.asarray, drawn())
    wrong = partial(solved, mixing, "elementwise")
    require_equal(jax.jit(wrong)(*inputs).states, loop(*drawn()), 1e-12)
    forms = (lambda *i: wrong(*i).states, partial(in_time, mixing))
    got, want = (jax.jit(jax.jacfwd(form))(*inputs) for form in forms)
    with pytest.raises(AssertionError):
        require_equal(got, want, 1e-3)


def test_what_a_step_captures_is_differentiated_too(x64):
    p, h, xs = jax.tree.map(jnp.asarray, drawn())

    @partial(jax.jit, static_argnums=1)
    @jax.grad
    def slope(w, scan):
        return jnp.sum(scan(lambda p, h, x: mixing({"x": p["x"], "h": w}, h, x), p, h, xs))

    got = slope(p["h"], lambda *a: newton_scan(*a, tolerance=1e-13).states)
    require_equal(got, slope(p["h"], in_time), 1e-11)


def test_a_large_spectral_radius_takes_many_iterations_and_is_finished_exactly(x64):
    p, h, xs = drawn(length=60, radius=4.0)
    solve = jax.jit(partial(solved, mixing, "dense"), static_argnames=("tolerance", "max_iterations", "unconverged"))
    small = solve(*drawn(length=60, radius=0.5), tolerance=1e-6)
    assert bool(small.converged)
    assert small.iterations <= 6
    result = solve(p, h, xs, tolerance=1e-6, max_iterations=6)
    assert (bool(result.converged), int(result.iterations)) == (False, 6)
    assert result.residual > 1e-6
    require_equal(result.states, jax.jit(partial(in_time, mixing))(p, h, xs), 1e-12)
    whole = solve(p, h, xs, tolerance=1e-12, max_iterations=60)
    assert bool(whole.converged)
    assert whole.iterations > 6
    unknown = solve(p, h, xs, max_iterations=6, unconverged="nan")
    assert bool(jnp.isnan(unknown.states).all())


@pytest.mark.parametrize("unconverged", ["finish", "nan"])
def test_lanes_are_independent(unconverged, x64):
    """One lane converges, one does not, one has NaN in its inputs: each is what it is alone."""
    lanes = [drawn(length=30, radius=radius) for radius in (0.5, 4.0, 0.5)]
    lanes[2][2][10] = np.nan
    solve = partial(solved, mixing, "dense", max_iterations=7, tolerance=1e-9, unconverged=unconverged)
    together = jax.jit(jax.vmap(solve))(*jax.tree.map(lambda *leaves: np.stack(leaves), *lanes))
    assert together.converged.tolist() == [True, False, False]
    assert together.iterations[0] < 7
    alone = jax.jit(solve)
    together = jax.tree.map(np.asarray, together)
    for at, lane in enumerate(lanes):
        require_equal(jax.tree.map(lambda leaf, at=at: leaf[at], together), alone(*lane), 1e-12)
    assert np.isfinite(together.states[0]).all()
    if unconverged == "finish":
        assert np.isfinite(together.states[1]).all()
        assert np.isfinite(together.states[2, :10]).all()
        assert np.isnan(together.states[2, 10:]).all()


@pytest.mark.parametrize("length", [1, 2, 7, 16])
def test_finishing_reaches_every_length(length, x64):
    p, h, xs = drawn(length=length, radius=3.0)
    solve = partial(solved, mixing, "diagonal", max_iterations=1, tolerance=-1.0)  # never reached
    result = jax.jit(solve)(p, h, xs)
    assert not result.converged
    require_equal(result.states, loop(p, h, xs), 1e-12)


def depth(length, trips, jacobian="dense"):
    p, h, xs = jax.tree.map(lambda x: jax.ShapeDtypeStruct(np.shape(x), "float32"), drawn(length=length))
    solve = partial(newton_scan, CASES[jacobian], jacobian=jacobian, unconverged="nan")
    return sequential_depth(solve, p, h, xs, trips=trips)


@pytest.mark.parametrize("jacobian", CASES)
def test_an_iteration_is_logarithmically_deep(jacobian):
    """Five steps more a doubling (a product and a sum each way, one to interleave); a loop's depth doubles."""
    short, long = (depth(length, 2, jacobian) - depth(length, 1, jacobian) for length in (64, 1024))
    assert 0 < long - short <= 5 * 4
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(np.shape(x), "float32"), drawn(length=1024))
    with pytest.raises(AssertionError):  # the broken twin
        assert sequential_depth(partial(in_time, mixing), *shapes) <= long


def test_overflow_starts_again_from_the_exact_states():
    """A relu network that doubles and is reset by its input: products of Jacobians overflow float32 on the way."""

    def f(p, h, x):
        return jax.nn.relu(p * h - 1e6 * jnp.maximum(h - 1e4, 0) + x)

    inputs = 2.0, np.zeros(1, np.float32), np.ones((64, 1), np.float32)
    states = jax.jit(lambda *inputs: newton_scan(f, *inputs, max_iterations=64).states)(*inputs)
    np.testing.assert_allclose(states, jax.jit(partial(in_time, f))(*inputs), rtol=1e-5)


def test_a_state_of_any_shape_where_channels_do_not_mix():
    initial, xs = np.zeros((2, 3), np.float32), np.ones((T, 2, 3), np.float32)
    solve = partial(newton_scan, lambda p, h, x: jnp.tanh(p * h + x), jacobian="elementwise")
    result = jax.jit(solve)(0.5, initial, xs)
    assert result.states.shape == (T, 2, 3)
    assert bool(result.converged)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"jacobian": "full"}, "jacobian: got 'full', wanted one of dense, elementwise, diagonal"),
        ({"unconverged": "raise"}, "unconverged: got 'raise', wanted one of finish, nan"),
        ({"max_iterations": 0}, "max_iterations: got 0, wanted at least 1"),
        ({"initial": np.zeros(P, int)}, "initial: got dtype int"),
        ({"initial": np.zeros((2, P))}, f"initial: got shape (2, {P}), wanted [P]"),
        ({"xs": (np.zeros((T, D)), np.zeros(T + 1))}, f"xs: got shapes [({T}, {D}), ({T + 1},)], wanted arrays"),
        ({"f": lambda p, h, x: h[:2]}, f"f: returns float32[2], wanted a state like initial, float32[{P}]"),
        ({"f": lambda p, h, x: (h, h)}, f"f: returns float32[{P}], float32[{P}], wanted a state"),
    ],
)
def test_a_wrong_argument_is_named(changes, sentence):
    arguments = {"f": lambda p, h, x: h, "params": None, "initial": np.zeros(P, np.float32), "xs": np.zeros((T, D))}
    with pytest.raises(ValueError, match=re.escape(sentence)):
        newton_scan(**arguments | changes)
