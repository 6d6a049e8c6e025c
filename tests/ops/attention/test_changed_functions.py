"""Outside jit a function means what it means at the call: a global, attribute or captured number may have changed."""

import dataclasses
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.masks import Causal, Mask, MaskFn, SlidingWindow
from attn_jax.ops.attention.retrieval import attend
from attn_jax.ops.attention.scores import ALiBi, ScoreMod, ScoreModification, compose
from attn_jax.ops.programs import Program, program_of
from attn_jax.ops.recurrence.newton_scan import newton_scan

T = 6
ARRAYS = [jnp.asarray(np.random.default_rng(0).normal(size=(1, T, 1, 4)), jnp.float32) for _ in range(3)]
GLOBAL = 1
BOX = SimpleNamespace(n=1)


def near(n, q, k):
    return (q - k <= n) & (k <= q)


def by_global(b, h, q, k):
    return near(GLOBAL, q, k)


def by_attribute(b, h, q, k):
    return near(BOX.n, q, k)


class Callable:
    """An object that is called, and whose method is passed."""

    def __init__(self):
        self.n = 1

    def __call__(self, b, h, q, k):
        return near(self.n, q, k)

    def method(self, b, h, q, k):
        return near(self.n, q, k)


def capturing():
    """(a function of a captured number, what sets the number)."""
    n = 1

    def function(b, h, q, k):
        return near(n, q, k)

    def to(number):
        nonlocal n
        n = number

    return function, to


@dataclasses.dataclass(frozen=True)
class Own(Mask):
    """A class of the user's that reads what is no field of it."""

    more: int = 0

    def __call__(self, b, h, q, k):
        return near(GLOBAL + self.more, q, k)


@dataclasses.dataclass(frozen=True, eq=False)
class OwnMod(ScoreModification):
    """The same of scores."""

    by: float

    def __call__(self, score, b, h, q, k):
        return score * (GLOBAL * self.by)


def times(score, b, h, q, k):
    return score * GLOBAL


def times_params(params, score, b, h, q, k):
    return score * params * GLOBAL


@jax.custom_jvp
def straight_through(x):
    return x


@straight_through.defjvp
def _straight_through_jvp(primals, tangents):
    return primals[0], tangents[0] * GLOBAL  # read where a derivative is taken, and there alone


def through(score, b, h, q, k):
    return jax.nn.relu(straight_through(score))


OBJECT, (CAPTURED, SET_CAPTURED) = Callable(), capturing()
MASKS = {
    "global": by_global,
    "attribute": by_attribute,
    "captured": CAPTURED,
    "object": OBJECT,
    "method": OBJECT.method,
    "partial": partial(by_global),
    "MaskFn": MaskFn(by_global),
    "combined": Causal() & by_global,
    "own class": Own(),
    "own class, combined": ~~Own() & Causal(),
}
MODS = {
    "function": times,
    "ScoreMod": ScoreMod(times_params, 1.0),
    "own class": OwnMod(1.0),
    "composed": compose(ALiBi(jnp.zeros(1)), times),
    "composed of classes": compose(ALiBi(jnp.zeros(1)), OwnMod(1.0)),
}
implementations = pytest.mark.parametrize("implementation", ["dense", "blockwise"])


@pytest.fixture
def change(monkeypatch):
    """Sets the number wherever a function reads it, and back after the test."""

    def to(n):
        monkeypatch.setitem(globals(), "GLOBAL", n)
        BOX.n = OBJECT.n = n
        SET_CAPTURED(n)

    yield to
    to(1)


@pytest.mark.sampled(1)
@implementations
@pytest.mark.programs(110)
def test_masks_are_read_at_the_call(implementation, change):
    plain = partial(dot_product_attention, *ARRAYS, implementation=implementation)
    want = {n: plain(local_window_size=(n, 0)) for n in (1, 3)}
    for name, mask in MASKS.items():
        for n in (1, 3, 1):
            change(n)
            np.testing.assert_allclose(plain(mask=mask), want[n], atol=1e-6, err_msg=f"{name}, {n}")


@pytest.mark.sampled(1)
@implementations
@pytest.mark.programs(40)
def test_modifications_are_read_at_the_call(implementation, change):
    plain = partial(dot_product_attention, *ARRAYS, implementation=implementation)
    want = {n: plain(scale=n / 2) for n in (1, 3)}
    for name, mod in MODS.items():
        for n in (1, 3, 1):
            change(n)
            np.testing.assert_allclose(plain(score_mod=mod), want[n], atol=1e-6, err_msg=f"{name}, {n}")


@implementations
def test_a_later_jit_sees_what_changed_before_it(implementation, change):
    """A jit of one's own keeps its trace, by JAX's rule; another one of the same function does not get it."""
    for n in (1, 3):
        change(n)
        for mask in (by_global, Own()):
            run = jax.jit(lambda mask=mask: dot_product_attention(*ARRAYS, mask=mask, implementation=implementation))
            np.testing.assert_allclose(run(), dot_product_attention(*ARRAYS, mask=SlidingWindow(n)), atol=1e-6)


@implementations
@pytest.mark.programs(80)
def test_a_rule_of_derivatives_is_read_at_the_call(implementation, change):
    def loss(query):
        return dot_product_attention(query, *ARRAYS[1:], score_mod=through, implementation=implementation).sum()

    once = jax.grad(loss)(ARRAYS[0])
    change(3)
    np.testing.assert_allclose(jax.grad(loss)(ARRAYS[0]), 3 * once, atol=1e-5)


def test_what_a_function_captured_is_read_at_the_call():
    """Arrays are inputs of the program, so that new ones compile nothing."""
    table = jnp.zeros(T)

    def mod(score, b, h, q, k):
        return score + table[k]

    attention = partial(dot_product_attention, *ARRAYS, score_mod=mod, implementation="blockwise")
    np.testing.assert_allclose(attention(), dot_product_attention(*ARRAYS), atol=1e-6)
    table = 9.0 * jnp.arange(T)
    np.testing.assert_allclose(attention()[0, :, 0], jnp.broadcast_to(ARRAYS[2][0, -1, 0], (T, 4)), atol=1e-2)


@pytest.mark.programs(50)
def test_similarities_and_steps_are_read_at_the_call(change):
    query, keys, values = ARRAYS[0][0, 0, 0], ARRAYS[1][0, :, 0], ARRAYS[2][0, :, 0]
    for n in (1, 3):
        change(n)
        found = attend(query, keys, values, similarity=lambda query, keys: GLOBAL * (keys @ query))
        np.testing.assert_allclose(found.similarities, n * (keys @ query), rtol=1e-6)
        states = newton_scan(step, 1.0, jnp.zeros(1), jnp.ones((2, 1))).states
        np.testing.assert_allclose(states[:, 0], [1, 1 + n])


def step(params, h, x):
    return GLOBAL * h * params + x


def traced(function, *dtypes):
    return program_of(jax.make_jaxpr(lambda *xs: function(*xs))(*(jax.ShapeDtypeStruct((2,), d) for d in dtypes)))


def test_equal_programs_are_one_and_others_are_not():
    """Equal ones share what is compiled; each of the others differs in one thing from the first."""
    table = jnp.ones(2)
    first = traced(lambda x: jnp.sin(x) * 2.0 + table, jnp.float32)
    assert isinstance(first, Program)
    assert first is traced(lambda y: jnp.sin(y) * 2.0 + table, jnp.float32)
    others = [
        lambda x: jnp.sin(x) * 3.0 + table,
        lambda x: jnp.cos(x) * 2.0 + table,
        lambda x: jnp.sin(x) * x + table,
        lambda x: jnp.sin(x + table) * 2.0,
        lambda x: jnp.cumsum(x),
        lambda x: jnp.cumsum(x, 0, jnp.int32),
        lambda x: x * 0.0,
        lambda x: x * -0.0,
        lambda x: jax.lax.cond(x[0] > 0, lambda: x, lambda: 2 * x),
        lambda x: jax.lax.cond(x[0] > 0, lambda: x, lambda: 3 * x),
        lambda x: jax.lax.fori_loop(0, 3, lambda i, y: y + x, x),
        lambda x: jax.lax.fori_loop(0, 4, lambda i, y: y + x, x),
    ]
    made = [first, traced(others[0], jnp.float16), *(traced(function, jnp.float32) for function in others)]
    assert len({id(program) for program in made}) == len(made)


def test_a_new_object_of_the_same_function_compiles_nothing(compiles):
    """Fresh lambdas, as in a loop, with fresh arrays."""

    def call(at):
        table = jnp.full(1, float(at))
        return dot_product_attention(
            *ARRAYS,
            mask=Causal() & (lambda b, h, q, k: q - k < 4),
            score_mod=lambda s, b, h, q, k, table=table: jax.nn.relu(s) + table[h],
            implementation="blockwise",
        )

    assert [compiles(call, at) for at in range(3)][2:] == [0]
