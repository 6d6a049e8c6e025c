"""What a mixer that has just begun lets through: gradients and sight over 128 places, and what its state keeps."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.lab.measurements.start_flow import flow_rows
from attn_jax.mixers.base import Mixer, MixerConfig
from attn_jax.types import Array, Params

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
    the inputs, mean over 4 seeds. "reach": log10 of |d y_128 / d x_k| over that of the place that is seen best, at k =
    1, 2, 4, 8 ... places from the start; None where nothing arrives. "sees_first": whether of position 1 more does than
    1e-7, which float32 rounds away.
    "kept": of how many places back a linear reading of the state tells what was read, the sum of its R^2 over 64 places
    (Jaeger 2001); None where the state grows with the length, and keeps all, or there is none.
    """
    slopes = [row["slope"] for row in flow_rows({"it": config}, SEEDS, length=LENGTH)]
    return {"slope": _mean(slopes)} | _seen(config) | _kept(config)


def _seen(config: MixerConfig) -> dict[str, Any]:
    """How much of each place arrives at the last one."""
    mixer = replace(config, d_model=WIDTH).make()
    norms = np.asarray(jax.jit(partial(_arriving, mixer))(jax.random.key(0)), float)  # [T]
    best = max(norms.max(), _SOUND)
    places = [2**power for power in range(LENGTH.bit_length())]
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
    rng = np.random.default_rng(0)
    x = rng.normal(size=(_SEQUENCES, _BEHIND, WIDTH)).astype(np.float32)
    state = np.asarray(jax.jit(partial(_last_state, mixer))(jax.random.key(0), x), float)
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
    ridge = _RIDGE * half * np.eye(scaled.shape[1])
    said = asked @ np.linalg.solve(taught.T @ taught + ridge, taught.T @ read[:half])
    wrong = ((said - read[half:]) ** 2).mean(0) / read[half:].var(0)
    return float(np.maximum(1 - wrong, 0).sum())


def _last_state(mixer: Mixer, key: Array, x: Array) -> Array:
    """The state after x [N, T, D], [N, P]."""
    assert mixer.init_state is not None and mixer.extend is not None  # asked before
    params: Params = mixer.init(key)
    state = mixer.extend(params, x, mixer.init_state(params, *x.shape[:2]), None)[1]
    floating = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return jnp.concatenate([leaf.reshape(len(x), -1) for leaf in floating], -1)


def _has_one_size(mixer: Mixer) -> bool:
    """Whether it has a state, and as large a one for two places as for one."""
    if mixer.init_state is None:
        return False
    params = jax.eval_shape(mixer.init, jax.random.key(0))
    short, long = (jax.tree.leaves(jax.eval_shape(partial(mixer.init_state, params, 1, n))) for n in (1, 2))
    return short == long and any(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in short)


def _mean(values: list[float]) -> float | None:
    known = [value for value in values if np.isfinite(value)]
    return round(float(np.mean(known)), 4) if known else None
