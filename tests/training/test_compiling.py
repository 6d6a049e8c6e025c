"""How programs are compiled: an XLA that lacks an option compiles without it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.training import compiling


def test_what_runs_twice_and_what_runs_long_give_the_same():
    x = jnp.arange(6.0).reshape(2, 3)
    program = lambda x: jnp.tanh(x) @ x.T  # noqa: E731
    long, quick = (compiling.compiled(program, x, quickly=quickly)(x) for quickly in (False, True))
    np.testing.assert_allclose(long, quick, rtol=1e-6)


def test_an_option_that_another_compiler_lacks_is_left_out(monkeypatch):
    x = jnp.arange(3.0)
    for name, quickly in (("_OLDER", True), ("_FASTER", False)):
        monkeypatch.setattr(compiling, name, {"xla_cpu_no_such_option": True})
        np.testing.assert_array_equal(compiling.compiled(jnp.square, x, quickly=quickly)(x), x**2)
    monkeypatch.setattr(compiling, "_TWICE", {"xla_cpu_no_such_option": True})
    with pytest.raises(jax.errors.JaxRuntimeError, match="xla_cpu_no_such_option"):
        compiling.compiled(jnp.square, x, quickly=True)
