"""What a layer takes on the machine at hand, in time and memory: to be shown, and never judged."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp

from attn_jax.mixers.base import MixerConfig
from attn_jax.training.compiling import compiled
from attn_jax.types import Array, Params

_REPEATS = 5
_SAMPLE_S = 0.02  # a shorter call is repeated within its sample


def timing_rows(
    cells: Mapping[str, MixerConfig], lengths: Sequence[int], *, width: int = 64, batch_size: int = 1
) -> list[dict[str, Any]]:
    """A row a cell and length: microseconds a token of forward and backward, and megabytes of temporaries.

    The median of five samples, compiling left out; of this process's own time on a CPU.
    """
    clock = time.process_time if jax.default_backend() == "cpu" else time.perf_counter
    rows = []
    for name, config in cells.items():
        mixer = replace(config, d_model=width).make()
        params = compiled(mixer.init, jax.random.key(0), quickly=True)(jax.random.key(0))

        def loss(params: Params, x: Array, mixer=mixer) -> Array:
            return jnp.sum(mixer.apply(params, x, None) ** 2)

        for length in lengths:
            x = jnp.ones((batch_size, length, width))
            call = compiled(jax.grad(loss), params, x)
            analysis, seconds = call.memory_analysis(), _seconds(partial(call, params, x), clock)
            rows.append(
                {
                    "cell": name,
                    "T": length,
                    "us a token": seconds / (batch_size * length) * 1e6,
                    "MB": analysis.temp_size_in_bytes / 1e6 if analysis is not None else float("nan"),
                }
            )
    return rows


def _seconds(call: Any, clock: Any) -> float:
    """The median time of a call."""
    jax.block_until_ready(call())
    once = _sample(call, 1, clock)
    count = max(1, round(_SAMPLE_S / max(once, 1e-6)))
    return median(_sample(call, count, clock) for _ in range(_REPEATS))


def _sample(call: Any, count: int, clock: Any) -> float:
    began = clock()
    for _ in range(count):
        jax.block_until_ready(call())
    return (clock() - began) / count
