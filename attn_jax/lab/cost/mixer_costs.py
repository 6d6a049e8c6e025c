"""What a mixer costs at one size, D 64 and T 1024: parameters, state, depth and operations counted, time measured."""

import time
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from attn_jax.lab.cost.program import count_flops, depth_growth
from attn_jax.lab.cost.sizes import floating_bytes
from attn_jax.mixers.base import Mixer, MixerConfig
from attn_jax.types import Array, Params

WIDTH, LENGTH = 64, 1024
_REPEATS = 7
_MIN_SAMPLE_S = 0.02  # a shorter call is repeated within its sample


def mixer_costs(config: MixerConfig) -> dict[str, Any]:
    """Counts from shapes and jaxprs alone; nothing is compiled or computed.

    Depth and operations are those of `config.countable`; the state is one sequence's, its floating leaves in float32.

    >>> from attn_jax.mixers import RNN
    >>> costs = mixer_costs(RNN())
    >>> costs["parameters"] == 64 * 64 + 64 * 64 + 64, costs["state_bytes"] == 64 * 4, costs["depth"]
    (True, True, 'linear')
    """
    config = replace(config, d_model=WIDTH)
    mixer = config.make()
    program, args = _forward(config, LENGTH)
    return {
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(args[0])),
        "state_bytes": _state_bytes(mixer, args[0]),
        "counted_form": _changes(config, config.countable),
        "depth": depth_growth(partial(_forward, config)),
        "flops_per_token": round(count_flops(program, *args) / LENGTH, 1),
    }


def measure_mixer(config: MixerConfig) -> dict[str, float]:
    """Microseconds a token of one sequence of T 1024, forward, float32: read whole, and one by one from a fresh state.

    The median of seven samples, compiling left out; one by one is a scan of `extend` in one program. CPU time on a CPU,
    wall time elsewhere.
    """
    mixer = replace(config, d_model=WIDTH).make()
    params = jax.jit(mixer.init)(jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (1, LENGTH, WIDTH))
    taken = {"us_whole": partial(mixer.apply, params), "us_one_by_one": partial(one_by_one, mixer, params)}
    return {name: seconds_of(jax.jit(call), x) / LENGTH * 1e6 for name, call in taken.items()}


def one_by_one(mixer: Mixer, params: Params, x: Array) -> Array:
    """y [B, T, D] of x [B, T, D], a token at a time.

    >>> from attn_jax.mixers import GRU
    >>> mixer = GRU(d_model=4).make()
    >>> params = mixer.init(jax.random.key(0))
    >>> x = jnp.ones((2, 3, 4))
    >>> bool(jnp.allclose(one_by_one(mixer, params, x), mixer.apply(params, x, None), atol=1e-6))
    True
    """
    assert mixer.init_state is not None and mixer.extend is not None  # registered mixers are causal

    def step(state, token):
        y, state = mixer.extend(params, token[:, None], state, None)  # pyright: ignore
        return state, y[:, 0]

    state = mixer.init_state(params, *x.shape[:2])
    return lax.scan(step, state, x.swapaxes(0, 1))[1].swapaxes(0, 1)


def _forward(config: MixerConfig, length: int) -> tuple[Callable[..., Array], list[Any]]:
    """The whole forward pass in the form that is counted, and the shapes of its arguments."""
    mixer = config.countable.make()
    params = jax.eval_shape(lambda: mixer.init(jax.random.key(0)))
    return partial(mixer.apply, valid=None), [params, jax.ShapeDtypeStruct((1, length, WIDTH), jnp.float32)]


def _state_bytes(mixer: Mixer, params: Params) -> int:
    assert mixer.init_state is not None  # registered mixers are causal
    return floating_bytes(jax.eval_shape(partial(mixer.init_state, batch_size=1, max_length=LENGTH), params))


def _changes(config: MixerConfig, other: MixerConfig) -> str:
    """The fields in which another configuration differs, "" where none does."""
    values = ((field.name, getattr(other, field.name), getattr(config, field.name)) for field in fields(config))
    return ", ".join(f"{name}={new!r}" for name, new, old in values if new != old)


def seconds_of(call: Callable[[Any], Any], x: Any, *, repeats: int = _REPEATS) -> float:
    """The median time of a call, compiling left out: CPU time on a CPU, wall time elsewhere."""
    clock = time.process_time if jax.default_backend() == "cpu" else time.perf_counter
    _sample(call, x, 1, clock)  # compiles
    count = max(1, round(_MIN_SAMPLE_S / max(_sample(call, x, 1, clock), 1e-6)))
    return median(_sample(call, x, count, clock) for _ in range(repeats))


def _sample(call: Callable[[Any], Any], x: Any, count: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(count):
        jax.block_until_ready(call(x))
    return (clock() - start) / count
