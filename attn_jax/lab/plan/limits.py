"""What a study would take, coarsely, from arithmetic alone: refused where it cannot be, asked for where it is much.

The rates below are of small models and good to a factor of a few: they tell an hour from a month.
"""

import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attn_jax.config import Study
from attn_jax.errors import ConfigError, MachineError
from attn_jax.tasks import TaskSpec

MUCH_SECONDS, MUCH_BYTES = 3600.0, 10e9  # more than this is asked for
_MOST = 1_000_000  # lengths, batches of an evaluation, or runs of a model: each stands in a list
_MOST_LAYERS = 10_000  # each is written out while the model is traced: a second of it
_FLOPS = {"cpu": 2e10}  # a second, on a core; measured: 2.5e10 to 4e10 of models of 100 MFLOP a step
_FLOPS_ELSEWHERE = 2e12  # on an accelerator
_STEP_SECONDS = 1e-4  # the least of one step of one run
_BLOCK_SECONDS = 3.0  # of each block: its trace, its program from the cache, its checkpoints
_NUMBER = 4  # bytes of a float32
_COPIES = 5  # of the parameters while training: themselves, two moments, the gradient, the update
_KEPT_COPIES = 2 * 3  # on disk: two checkpoints of parameters and moments
_LAYER_ARRAYS = 16  # [B, T, D] that a layer keeps for its gradient
_UNSURE = 4  # by how much the memory may be overestimated
_PRINTED = 20  # bytes of a number in metrics.jsonl


@dataclass(frozen=True)
class Demand:
    """What a study takes.

    Args:
      seconds: of all workers together side by side.
      memory: bytes at one time.
      disk: bytes in the end.
    """

    seconds: float
    memory: float
    disk: float


def refuse_too_large(study: Study, spec: TaskSpec) -> None:
    """Refuses sizes that no tracing need find out about.

    Raises:
      ConfigError: lengths, examples or runs without end.
      MachineError: what one step alone keeps is more memory than there is.
    """
    train, lengths = study.train, study.train.lengths or spec.train_lengths
    if lengths[1] - lengths[0] > _MOST:
        raise ConfigError(f"train.lengths: got {lengths}, wanted at most {_MOST} of them")
    if study.evaluate.num_examples > _MOST * train.batch_size:
        raise ConfigError(
            f"evaluate.num_examples: got {study.evaluate.num_examples}, wanted at most {_MOST * train.batch_size}, "
            f"{_MOST} batches of train.batch_size"
        )
    runs = train.seeds * (len(train.learning_rates) + train.widen) * max(1, len(study.starts))
    if runs > _MOST:
        raise ConfigError(
            f"train.seeds, train.learning_rates: got {runs:.3g} runs of a model, wanted at most {_MOST}; "
            "further seeds are another study, with train.first_seed"
        )
    longest = max(lengths[1], *(study.evaluate.lengths or spec.test_lengths))
    for name, model in study.models.items():
        if model.num_layers > _MOST_LAYERS:
            raise ConfigError(f"models.{name}.num_layers: got {model.num_layers}, wanted at most {_MOST_LAYERS}")
        width = model.d_model or 1  # at least, where it will be matched
        trained = train.batch_size * lengths[1] * width * model.num_layers * _NUMBER
        tested = min(train.batch_size, study.evaluate.num_examples) * longest * width * _NUMBER
        refuse_memory(max(trained, tested), f"models.{name}: one step, of train.batch_size, lengths and d_model,")


def demand(facts: dict[str, Any], layout: dict[str, Any], models: Sequence[str]) -> Demand:
    """What these models of a study take, from study.json's facts and its blocks."""
    config, task = facts["config"], facts["task"]
    train, every, examples = config["train"], config["evaluate"]["every"], config["evaluate"]["num_examples"]
    tokens = train["batch_size"] * task["train_lengths"][1]
    passes = 1 + examples / (3 * every * train["batch_size"])  # with the evaluations, which have no gradient
    rate = _FLOPS.get(layout["platform"], _FLOPS_ELSEWHERE)
    seconds, memory, disk = 0.0, 0.0, 0.0
    for name in models:
        model, blocks = facts["models"][name], len(facts["runs"][name])
        runs = blocks * layout["width"]
        flops = (model["train_flops_per_step"] or 6 * model["parameters"] * tokens) * passes
        seconds += runs * train["steps"] * max(flops / rate, _STEP_SECONDS) + blocks * _BLOCK_SECONDS
        width, layers = model["config"]["d_model"], model["config"]["num_layers"]
        kept, copies = _LAYER_ARRAYS * tokens * width * layers, _COPIES * model["parameters"]
        at_once = layout["group"] * layout["num_devices"]
        memory = max(memory, (kept * at_once + copies * layout["width"]) * _NUMBER)
        printed = 3 * len(task["validation_lengths"]) * (train["steps"] // every) + 3 * len(task["lengths"])
        disk += runs * (_KEPT_COPIES * model["parameters"] * _NUMBER + printed * _PRINTED)
    return Demand(seconds / layout["workers"], memory * layout["workers"], disk)


def together(demands: Sequence[Demand]) -> Demand:
    """What studies take one after the other."""
    return Demand(
        sum(each.seconds for each in demands),
        max(each.memory for each in demands),
        sum(each.disk for each in demands),
    )


def refuse_too_much(wanted: Demand, directory: Path, *, on_cpu: bool, confirmed: bool) -> None:
    """Refuses what the machine cannot give, and what is much unless it was confirmed.

    Raises:
      MachineError: more disk than is free.
      ConfigError: more than an hour or 10 GB, without `--yes`.
    """
    if on_cpu:
        refuse_memory(wanted.memory / _UNSURE, f"{directory}: the study")
    there = next(folder for folder in (directory, *directory.absolute().parents) if folder.is_dir())
    if wanted.disk > (free := shutil.disk_usage(there).free):
        raise MachineError(
            f"{directory}: the study would take about {_bytes(wanted.disk)} of disk, {_bytes(free)} are free; "
            "give fewer seeds, a larger evaluate.every or another --workdir"
        )
    if not confirmed and (wanted.seconds > MUCH_SECONDS or max(wanted.memory, wanted.disk) > MUCH_BYTES):
        raise ConfigError(
            f"the study would take about {_duration(wanted.seconds)}, {_bytes(wanted.memory)} of memory and "
            f"{_bytes(wanted.disk)} of disk (coarsely estimated); give --yes if that is meant"
        )


def refuse_memory(wanted: float, what: str) -> None:
    """Refuses what takes more bytes than this machine has.

    Raises:
      MachineError: says how many it would take.
    """
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if wanted > there:
        raise MachineError(f"{what} would take {_bytes(wanted)} of memory at least, this machine has {_bytes(there)}")


def _duration(seconds: float) -> str:
    """In the unit that leaves few digits.

    >>> _duration(5400), _duration(3e9)
    ('1.5 hours', '95 years')
    """
    units = {"years": 3.156e7, "days": 86400.0, "hours": 3600.0, "minutes": 60.0}
    unit = next((unit for unit, size in units.items() if seconds >= size), "seconds")
    value = seconds / units.get(unit, 1.0)
    return f"{value:,.1f} {unit}" if value < 10 else f"{value:,.0f} {unit}"


def _bytes(size: float) -> str:
    """In powers of a thousand.

    >>> _bytes(2.5e12)
    '2.5 TB'
    """
    power = min(int(math.log10(max(size, 1)) / 3), 6)
    return f"{size / 1000**power:.3g} {['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'][power]}"
