"""What the user's functions compute, as a key of compiled programs: it is the same in every trace, or it is none."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.ops import programs
from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.eager import _code, _split
from attn_jax.ops.attention.inputs import check_inputs
from attn_jax.ops.attention.scores import ScoreModification
from attn_jax.ops.attention.user_functions import PLACES, check_function
from attn_jax.ops.programs import key_of
from attn_jax.ops.recent import Recent

ARRAYS = [jnp.asarray(np.random.default_rng(0).normal(size=(1, 6, 1, 4)), jnp.float32) for _ in range(3)]
BY = 1.0  # what rules and callbacks read
LOG = []


@jax.custom_vjp
def turned(x):
    return x * 2


turned.defvjp(lambda x: (turned(x), (x, BY)), lambda saved, g: (saved[1] * g * BY,))


@jax.custom_jvp
def pushed(x):
    return x * 2


pushed.defjvp(lambda primals, tangents: (pushed(*primals), (tangents if isinstance(BY, float) else primals)[0] * BY))


def of_a_callback(make):
    """A function whose callback is made anew in every trace."""

    def function(x):
        jax.debug.callback(make(), x)
        return x + 1

    return function


def captured(value):
    return lambda x: LOG.append((value, x))


def counting():
    count = 0

    def callback(x):
        nonlocal count
        count += 1

    return callback


def of_a_pure_callback(x):
    like = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return jax.pure_callback(lambda x: x, like, x, vmap_method="expand_dims")


TABLE = jnp.arange(3.0)
REPEATED = {
    "custom_vjp": turned,
    "custom_jvp": pushed,
    "callback": of_a_callback(lambda: lambda x: None),
    "callback that captures": of_a_callback(lambda: captured(1)),
    "callback with options": of_a_callback(lambda: partial(print, "x", end="")),
    "pure_callback": of_a_pure_callback,
    "print": lambda x: [jax.debug.print("{}", x), x][1],
    "list": lambda x: x + jnp.array([1.0, 2.0, 3.0])[0],
    "fresh array": lambda x: x + np.asarray(TABLE)[0],
    "JAX array": lambda x: x + TABLE[0],
}


def key(function, dtype=jnp.float32):
    return key_of(jax.make_jaxpr(lambda x: function(x))(jax.ShapeDtypeStruct((5, 7), dtype)))


@pytest.mark.parametrize("name", REPEATED)
def test_two_traces_are_of_one_program(name):
    assert key(REPEATED[name]) == key(REPEATED[name])


def test_a_mask_with_a_rule_is_of_one_program():
    """There is nothing to differentiate it by."""
    assert key(lambda q: jax.nn.relu(q.astype(float)) > 1, jnp.int32) == key(
        lambda q: jax.nn.relu(q.astype(float)) > 1, jnp.int32
    )


@pytest.mark.parametrize("function", [turned, pushed])
def test_rules_that_read_another_number_or_array_are_others(function, monkeypatch):
    found = [key(function)]
    for by in (2.0, jnp.ones(()), 2 * jnp.ones(())):
        monkeypatch.setitem(globals(), "BY", by)
        found.append(key(function))
    assert all(a != b for at, a in enumerate(found) for b in found[:at])


def test_callbacks_that_read_something_else_are_others():
    fresh = key(of_a_callback(lambda: captured([])))
    assert fresh != key(of_a_callback(lambda: captured([])))  # one list is not another
    for a, b in ((1, 2), (1, True), (0.0, -0.0), ("a", "b"), ((1,), (2,))):
        assert key(of_a_callback(lambda a=a: captured(a))) != key(of_a_callback(lambda b=b: captured(b)))


def test_a_callback_whose_cell_was_set_is_another():
    kept = counting()
    before = key(of_a_callback(lambda: kept))
    assert before == key(of_a_callback(counting))
    kept(0)
    assert before != key(of_a_callback(counting))


def test_the_table_of_programs_is_bounded(monkeypatch):
    monkeypatch.setattr(programs, "_PROGRAMS", recent := Recent(2))
    for by in range(4):
        key(lambda x, by=by: x * by)
    assert len(recent) == 2


@dataclasses.dataclass(frozen=True, eq=False)
class Everything(ScoreModification):
    """A rule of derivatives and two effects."""

    by: float = 1.0

    def __call__(self, score, b, h, q, k):
        jax.debug.callback(lambda h: LOG.append(h), h)
        jax.debug.print("h")
        return turned(score) * self.by


@pytest.mark.parametrize("implementation", ["dense", "blockwise"])
def test_equal_calls_compile_once_and_their_effects_happen_each_time(implementation, capsys, compiles):
    call = partial(dot_product_attention, *ARRAYS, score_mod=Everything(), implementation=implementation)
    found, said = [], []
    for _ in range(3):
        LOG.clear()
        found.append(compiles(call))
        said.append((len(LOG), capsys.readouterr().out))
    assert found[0] and found[1:] == [0, 0]
    assert said[0] == said[1] == said[2]
    assert said[0][0]


@dataclasses.dataclass(frozen=True, eq=False)
class Reading(ScoreModification):
    """Reads what is no field of it."""

    def __call__(self, score, b, h, q, k):
        return SOURCE(score, h)


SOURCE = None


def codes(monkeypatch, source, times=3):
    """The keys of equal calls, None where one is not compiled."""
    monkeypatch.setattr("attn_jax.ops.attention.eager._MET", Recent(512))
    monkeypatch.setitem(globals(), "SOURCE", source)
    x = check_inputs(*ARRAYS, None, None, score_mod=Reading())
    return [_code(*_split(x)) for _ in range(times)]


def test_constants_are_compiled_when_they_are_met_again(monkeypatch):
    for source in (lambda score, h: score + jnp.array([1.0, 2.0, 3.0])[h % 3], lambda score, h: score + TABLE[h % 3]):
        first, second, third = codes(monkeypatch, source)
        assert first is None
        assert second == third is not None


def test_what_no_trace_repeats_is_never_compiled(monkeypatch):
    draw = np.random.default_rng(0)
    for source in (
        lambda score, h: score + jnp.asarray(draw.normal(size=3), jnp.float32)[h % 3],
        lambda score, h: score + jnp.asarray(np.ones(programs.SMALL + 1, np.float32))[h],
        lambda score, h: [jax.debug.callback(LOG.copy().append, h), score][1],
    ):
        assert codes(monkeypatch, source) == [None] * 3


def test_a_plain_class_is_compiled_at_once(monkeypatch):
    first, second = codes(monkeypatch, lambda score, h: score * h, 2)
    assert first == second is not None


def test_functions_are_checked_as_they_are_now(monkeypatch):
    """JAX keeps its trace of a function by the object."""

    def mask(b, h, q, k):
        return (q >= k) if BY == 1.0 else q - k

    check_function("mask", mask)
    monkeypatch.setitem(globals(), "BY", 2.0)
    with pytest.raises(ValueError, match="mask: the function returns int32, wanted one array of bool"):
        check_function("mask", mask)


REDUCING = {
    "keys": lambda score, b, h, q, k: score.sum(-1, keepdims=True),
    "queries": lambda score, b, h, q, k: (score * 0.0 + q).max(1, keepdims=True) + h,
    "heads": lambda score, b, h, q, k: jnp.mean(h * 1.0) + 0.0 * q,
}


@pytest.mark.parametrize("axis", REDUCING)
def test_a_function_that_reduces_is_refused(axis):
    with pytest.raises(ValueError, match=f"score_mod: .* by reducing over {axis}, wanted elementwise"):
        check_function("score_mod", REDUCING[axis], score_dtype=jnp.float32)
    with pytest.raises(ValueError, match=r"mask: .* by reducing over keys"):
        check_function("mask", lambda b, h, q, k: (q == k).any(-1, keepdims=True))


def test_functions_of_some_places_are_not_refused():
    table = jnp.ones((3, 4))
    for function in (
        lambda score, b, h, q, k: table[h, 0],
        lambda score, b, h, q, k: (table[h] * table[h]).sum(-1),  # over features
        lambda score, b, h, q, k: -jnp.abs(q - k) * 1.0,
        lambda score, b, h, q, k: jnp.where(k == 0, 0.0, -jnp.inf),
        lambda score, b, h, q, k: jnp.zeros((), score.dtype),
        lambda score, b, h, q, k: jnp.full(PLACES[3], 1.0) * k.ndim,
    ):
        check_function("score_mod", function, score_dtype=jnp.float32)
