"""A probe of a block of runs, in one program: `vmap` over the runs, as training is."""

import zlib
from functools import partial

import jax

from attn_jax.training.block_plan import BlockPlan
from attn_jax.training.probes.base import Probe
from attn_jax.training.streams import stream_key
from attn_jax.types import Array, Params


def probe_runs(plan: BlockPlan, name: str, probe: Probe, params: Params, seeds: Array) -> dict[str, Array]:
    """What the probe of this name measures of each run, [R, ...]; every model sees the same data of a seed."""
    return jax.vmap(partial(_probe_run, plan, name, probe))(params, seeds)


def _probe_run(plan: BlockPlan, name: str, probe: Probe, params: Params, seed: Array) -> dict[str, Array]:
    """On fresh sequences of the longest length trained on."""
    key_data, key = jax.random.split(stream_key("probe", seed, zlib.crc32(name.encode()) >> 1))
    longest = max(plan.train_lengths)
    batch = plan.objective.sample(key_data, probe.num_examples, longest, longest, split="validation")
    return probe.measure(params, batch, key)
