"""What a mixer that has just begun lets through: gradients and sight over 128 places, and what its state keeps."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.lab.measurements.start_flow import flow_rows
from attn_jax.mixers.base import Mixer, MixerConfig
from attn_jax.types import Array, Key, Params

LENGTH = 128
SEEDS = range(4)
WIDTH = 32
_BEHIND = 64  # places back that a state is asked for
_SEQUENCES = 768  # the first half of them teach the reading, the others are read
_RIDGE = 1e-3
_SEEN = 1e-7  # of the place that is seen best: less is lost in float32's rounding
_SOUND = 1e-30  # a gradient below it has no digits in float32


def flow_of(config: MixerConfig) -> dict[str, Any]:
    """Of a mixer at its start: the slope of the gradient, what arrives of position 1, what its state keeps.

    "slope": log10 a step of the gradient k steps back, with respect to the state, or of what has none of one size, to
    the inputs, mean over 4 seeds; None of what has nothing in its state. "reach": log10 of |d y_128 / d x_k| over that
    of the place that is seen best, at k = 1, 2, 4, 8 ... places from the start; None where nothing arrives.
    "sees_first": whether of position 1 more does than 1e-7, which float32 rounds away; None where it is more than
    float32 can hold.
    "kept": of how many places back a linear reading of the state tells what was read, the sum of its R^2 over 64 places
    (Jaeger 2001); None where the state grows with the length, holds no numbers that can be read, or there is none.
    """
    return {"slope": _slope(config)} | _seen(config) | _kept(config)


@dataclass(frozen=True, eq=False)
class _Taken(MixerConfig):
    """A mixer as `flow_rows` takes one: with a hash, never without parameters, and with a state of their shapes too."""

    of: MixerConfig | None = None

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)  # the user's configuration may hold what has none

    def make(self) -> Mixer:
        assert self.of is not None  # a default follows one
        mixer = replace(self.of, d_model=self.d_model).make()

        def init(key: Key) -> Params:
            return {"its": mixer.init(key), "none": jnp.zeros(())}

        def apply(params: Params, x: Array, valid: Array | None = None, *, key: Key | None = None) -> Array:
            return mixer.apply(params["its"], x, valid, key=key)

        def init_state(params: Params, batch_size: int, max_length: int, *, dtype: Any = jnp.float32) -> Any:
            its = jax.tree.map(_made, params["its"])
            return mixer.init_state(its, batch_size, max_length, dtype=dtype)  # pyright: ignore[reportOptionalCall]

        def extend(params: Params, x: Array, state: Any, valid: Array | None = None) -> tuple[Array, Any]:
            return mixer.extend(params["its"], x, state, valid)  # pyright: ignore[reportOptionalCall]

        decodes = mixer.init_state is not None and mixer.extend is not None
        return Mixer(init, apply, *((init_state, extend) if decodes else (None, None)), mixer.inspect, mixer.causal)


def _made(leaf: Any) -> Any:
    """An array, of a shape too: a state that begins as the parameters say is asked for with their shapes."""
    return jnp.zeros(leaf.shape, leaf.dtype) if isinstance(leaf, jax.ShapeDtypeStruct) else leaf


def _slope(config: MixerConfig) -> float | None:
    """The mean over seeds, of what has something that a gradient goes through."""
    mixer = replace(config, d_model=WIDTH).make()
    if mixer.init_state is not None and not jax.tree.leaves(_state_shapes(mixer, LENGTH)):
        return None
    return _mean([row["slope"] for row in flow_rows({"it": _Taken(of=config)}, SEEDS, length=LENGTH)])


def _seen(config: MixerConfig) -> dict[str, Any]:
    """How much of each place arrives at the last one."""
    mixer = replace(config, d_model=WIDTH).make()
    norms = np.asarray(jax.jit(partial(_arriving, mixer))(jax.random.key(0)), float)  # [T]
    places = [2**power for power in range(LENGTH.bit_length())]
    if not np.isfinite(norms).all():
        return {"reach": {str(k): None for k in places}, "sees_first": None}
    best = max(norms.max(), _SOUND)
    return {
        "reach": {str(k): round(float(np.log10(norms[k - 1] / best)), 2) if norms[k - 1] > 0 else None for k in places},
        "sees_first": bool(norms[0] > _SEEN * best),
    }


def _arriving(mixer: Mixer, key: Array) -> Array:
    """|d (v . y_T) / d x_k| [T] of a random direction v."""
    for_params, for_x, for_v = jax.random.split(key, 3)
    params, x = mixer.init(for_params), jax.random.normal(for_x, (1, LENGTH, WIDTH))
    v = jax.random.normal(for_v, (WIDTH,))
    gradient = jax.grad(lambda x: mixer.apply(params, x, None)[0, -1] @ v)(x)[0]
    largest = jnp.max(jnp.abs(gradient), -1)
    scaled = gradient / jnp.where(largest > 0, largest, 1)[:, None]  # squares of 1e-23 are 0 in float32
    return largest * jnp.sqrt(jnp.sum(scaled**2, -1))


def _kept(config: MixerConfig) -> dict[str, Any]:
    """How many places back can be read off the state."""
    mixer = replace(config, d_model=WIDTH).make()
    if not _has_one_size(mixer):
        return {"kept": None}
    if not jax.tree.leaves(_state_shapes(mixer, LENGTH)):
        return {"kept": 0.0}
    rng = np.random.default_rng(0)
    x = rng.normal(size=(_SEQUENCES, _BEHIND, WIDTH)).astype(np.float32)
    state = np.asarray(jax.jit(partial(_last_state, mixer))(jax.random.key(0), x), float)
    if not np.isfinite(state).all():
        return {"kept": None}
    direction = rng.normal(size=WIDTH) / WIDTH**0.5
    return {"kept": round(capacity(state, (x @ direction)[:, ::-1]), 2)}


def capacity(state: np.ndarray, read: np.ndarray) -> float:
    """The sum over places of the R^2 with which a linear map of the state tells them, taught on half of the rows.

    Args:
      state: [N, P].
      read: [N, K], what was read at each place.

    >>> x = np.random.default_rng(0).normal(size=(400, 3))
    >>> round(capacity(x[:, :2], x), 1)
    2.0
    """
    half = len(state) // 2
    middle, spread = state[:half].mean(0), state[:half].std(0)
    scaled = np.concatenate([(state - middle) / np.where(spread > 0, spread, 1), np.ones((len(state), 1))], 1)
    taught, asked = scaled[:half], scaled[half:]
    ridge = _RIDGE * half * np.eye(min(taught.shape))
    if taught.shape[1] <= half:
        said = asked @ np.linalg.solve(taught.T @ taught + ridge, taught.T @ read[:half])
    else:  # the same map, by a system of as many equations as rows: a state of 100,000 numbers has no square
        said = asked @ (taught.T @ np.linalg.solve(taught @ taught.T + ridge, read[:half]))
    wrong = ((said - read[half:]) ** 2).mean(0) / read[half:].var(0)
    return float(np.maximum(1 - wrong, 0).sum())


def _last_state(mixer: Mixer, key: Array, x: Array) -> Array:
    """The state after x [N, T, D], [N, P]."""
    assert mixer.init_state is not None and mixer.extend is not None  # asked before
    params: Params = mixer.init(key)
    state = mixer.extend(params, x, mixer.init_state(params, *x.shape[:2]), None)[1]
    numbers = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    parts = [part for leaf in numbers for part in ((leaf.real, leaf.imag) if jnp.iscomplexobj(leaf) else (leaf,))]
    return jnp.concatenate([part.reshape(len(x), -1) for part in parts], -1)


def _has_one_size(mixer: Mixer) -> bool:
    """Whether it has a state, as large a one for more places as for 128, and floats in it if it has anything."""
    if mixer.init_state is None:
        return False
    short, long = (jax.tree.leaves(_state_shapes(mixer, n)) for n in (LENGTH, 2 * LENGTH))
    return short == long and (not short or any(jnp.issubdtype(leaf.dtype, jnp.inexact) for leaf in short))


def _state_shapes(mixer: Mixer, length: int) -> Any:
    """Of the state of one sequence that may become so long."""
    start = mixer.init_state
    assert start is not None  # asked before
    return jax.eval_shape(lambda key: start(mixer.init(key), 1, length), jax.random.key(0))


def _mean(values: list[float]) -> float | None:
    known = [value for value in values if np.isfinite(value)]
    return round(float(np.mean(known)), 4) if known else None
