"""Reading arguments costs little: no signature is bound, nothing is traced again."""

import inspect

import jax
import jax.numpy as jnp
import pytest

from attn_jax.ops.arguments import floats, integers, random_key, takes


@takes(x=floats, y=floats, at=integers, absent=floats)
def call(x, y=None, *more, at=None, **rest):
    return x, y, more, at, rest


def test_arguments_are_read_wherever_they_stand(monkeypatch):
    bound, bind = [], inspect.Signature.bind  # which takes as long as a small call
    monkeypatch.setattr(inspect.Signature, "bind", lambda self, *a, **k: [bound.append(self), bind(self, *a, **k)][1])
    for given, named in (
        (([1.0], [2.0]), {"at": [3]}),
        (([1.0],), {"y": [2.0], "at": [3]}),
        ((), {"at": [3], "y": [2.0], "x": [1.0]}),
        (([1.0], [2.0], 5, 6), {"at": [3], "other": 7}),
    ):
        x, y, more, at, rest = call(*given, **named)
        assert (x.tolist(), y.tolist(), at.tolist()) == ([1.0], [2.0], [3])
        assert (more, rest) == (given[2:], {key: named[key] for key in named if key == "other"})
    assert call([1.0])[1] is None
    assert call([1.0], None)[1] is None
    with pytest.raises(ValueError, match="y: got dtype"):
        call([1.0], [2])
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
        call(y=[2.0])
    assert inspect.signature(call) not in bound


def test_raw_keys_are_those_of_the_implementation_of_the_day(monkeypatch):
    random_key("key", jax.random.PRNGKey(0))
    with jax.default_prng_impl("rbg"):
        random_key("key", jax.random.PRNGKey(0))
        with pytest.raises(ValueError, match="key: got uint32"):
            random_key("key", jnp.zeros(2, jnp.uint32))
    monkeypatch.delattr(jax, "eval_shape")
    random_key("key", jnp.zeros(2, jnp.uint32))
    with pytest.raises(ValueError, match="key: got uint32"):
        random_key("key", jnp.zeros(4, jnp.uint32))
