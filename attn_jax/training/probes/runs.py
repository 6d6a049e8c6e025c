"""Probes of a block of runs, in one compiled program: `vmap` over the runs, as training is."""

import zlib
from collections.abc import Mapping
from functools import partial

import jax

from attn_jax.training.block_plan import BlockPlan
from attn_jax.training.probes.base import Probe
from attn_jax.training.streams import stream_key
from attn_jax.types import Array, Params


def probe_runs(
    plan: BlockPlan, probes: Mapping[str, Probe], params: Params, seeds: Array
) -> dict[str, dict[str, Array]]:
    """What each probe measures of each run, [R, ...]; every model sees the same data of a seed."""
    return jax.vmap(partial(_probe_run, plan, probes))(params, seeds)


def _probe_run(
    plan: BlockPlan, probes: Mapping[str, Probe], params: Params, seed: Array
) -> dict[str, dict[str, Array]]:
    return {name: _measured(plan, name, probe, params, seed) for name, probe in probes.items()}


def _measured(plan: BlockPlan, name: str, probe: Probe, params: Params, seed: Array) -> dict[str, Array]:
    """On fresh sequences of the longest length trained on, whatever else is measured."""
    key_data, key = jax.random.split(stream_key("probe", seed, zlib.crc32(name.encode()) >> 1))
    longest = max(plan.train_lengths)
    batch = plan.objective.sample(key_data, probe.num_examples, longest, longest, split="validation")
    return probe.measure(params, batch, key)
