"""What a mixer costs, read from its program and measured here, beside attention, LSTM and GRU."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.lab.cost.mixer_costs import one_by_one, seconds_of
from attn_jax.lab.cost.program import count_flops, depth_growth, sequential_depth
from attn_jax.lab.cost.sizes import floating_bytes
from attn_jax.mixers.base import Mixer, MixerConfig
from attn_jax.training.compiling import compiled
from attn_jax.types import Array

WIDTH = 64
LENGTHS = (128, 512, 2048)  # at which states and depths are told
TIMED = 512


def counted(config: MixerConfig) -> dict[str, Any]:
    """Parameters, and of one sequence the bytes of its state, FLOPs a token and dependent steps, at each length.

    Nothing is compiled or computed. What does not let itself be counted, a `while` loop, and the state of what has
    none, are None. Depth and FLOPs are those of `config.countable`.

    >>> from attn_jax.mixers import RNN
    >>> counts = counted(RNN())
    >>> counts["parameters"] == 64 * 64 + 64 * 64 + 64, counts["state_bytes"]["2048"], counts["depth"]
    (True, 256, 'linear')
    """
    config = replace(config, d_model=WIDTH)
    mixer = config.make()
    params = jax.eval_shape(mixer.init, jax.random.key(0))
    forward = partial(_forward, config)
    return {
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(params)),
        "state_bytes": {str(length): _state_bytes(mixer, params, length) for length in LENGTHS},
        "flops_per_token": {str(length): _known(lambda n=length: count_flops(*forward(n)) / n) for length in LENGTHS},
        "steps": {str(length): _known(lambda n=length: sequential_depth(*forward(n))) for length in LENGTHS},
        "depth": _known(lambda: depth_growth(lambda n: (forward(n)[0], [*forward(n)[1:]]))) or "unknown",
    }


def measured(config: MixerConfig) -> dict[str, float | None]:
    """At T 512, one sequence, float32: seconds to compile, microseconds a token, megabytes of temporaries.

    "train" is forward and backward over the whole sequence, "apply" forward, "extend" a scan of single tokens. Medians,
    of CPU time on a CPU; None for what the mixer does not do.
    """
    mixer = replace(config, d_model=WIDTH).make()
    params = jax.tree.map(np.asarray, compiled(mixer.init, jax.random.key(0), quickly=True)(jax.random.key(0)))
    x = np.random.default_rng(0).normal(size=(1, TIMED, WIDTH)).astype(np.float32)
    apply = lambda params, x: mixer.apply(params, x, None)  # noqa: E731
    train = jax.grad(lambda params, x: jnp.sum(apply(params, x) ** 2))
    extend = None if mixer.extend is None else partial(one_by_one, mixer)
    found: dict[str, float | None] = {}
    for name, call in (("train", train), ("apply", apply), ("extend", extend)):
        found |= _timed(name, call, params, x)
    return found


def _timed(name: str, call: Callable[..., Any] | None, params: Any, x: np.ndarray) -> dict[str, float | None]:
    """Of one program."""
    if call is None:
        return {f"{name}_compile_s": None, f"{name}_us": None, f"{name}_mb": None}
    began = time.perf_counter()
    program = compiled(call, params, x)
    compile_seconds = time.perf_counter() - began
    memory = program.memory_analysis()
    return {
        f"{name}_compile_s": round(compile_seconds, 2),
        f"{name}_us": round(seconds_of(partial(program, params), x, repeats=3) / TIMED * 1e6, 2),
        f"{name}_mb": None if memory is None else round(memory.temp_size_in_bytes / 1e6, 3),
    }


def _forward(config: MixerConfig, length: int) -> tuple[Callable[..., Array], Any, Any]:
    """The whole forward pass in the form that is counted, and the shapes of its arguments."""
    mixer = config.countable.make()
    params = jax.eval_shape(mixer.init, jax.random.key(0))
    return partial(mixer.apply, valid=None), params, jax.ShapeDtypeStruct((1, length, WIDTH), jnp.float32)


def _state_bytes(mixer: Mixer, params: Any, length: int) -> int | None:
    if (start := mixer.init_state) is None:
        return None
    return floating_bytes(jax.eval_shape(lambda params: start(params, 1, length), params))


def _known(count: Callable[[], Any]) -> Any:
    """A count, None where a program does not let itself be counted."""
    try:
        found = count()
    except (ValueError, NotImplementedError):
        return None
    return round(found, 1) if isinstance(found, float) else found
