"""The probes of a block: which of them its rows lack, and measuring those, at a step, of the runs as they are then."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from attn_jax.config import Study
from attn_jax.config.codec import to_dict
from attn_jax.errors import ConfigError
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.directory import append_row, read_rows
from attn_jax.training.block_plan import BlockPlan
from attn_jax.training.loop import compile_probe
from attn_jax.training.probes import ProbeConfig, probe_name
from attn_jax.training.state import RunState

_DIGITS = 6  # a float32 has no more that mean something


class Probing:
    """Measures the probes of one block of runs, and appends what they say to its metrics.jsonl."""

    def __init__(
        self,
        plan: StudyPlan,
        block_plan: Callable[[], BlockPlan],
        model: str,
        metrics: Path,
        num_devices: int,
        programs: dict[str, Callable[..., Any]],
    ):
        self._plan, self._block_plan, self._model = plan, block_plan, model
        self._metrics, self._num_devices = metrics, num_devices
        self._programs = programs  # of blocks that are alike, which share them

    def lacks(self, step: int) -> bool:
        """Whether something is to be measured at this step, and has not been."""
        return bool(_lacking(self._metrics, self._plan.study, step))

    def measure(self, step: int, state: RunState, *, anew: bool = False) -> None:
        """Appends a row for each probe that is due at this step; without `anew`, of those that have none yet."""
        study = self._plan.study
        for config in _due(study, step) if anew else _lacking(self._metrics, study, step):
            program = self._program(config, state)
            values = jax.tree.map(_listed, jax.device_get(program(state.params, state.seed)))
            row = {"probe": probe_name(config), "at": step, "config": to_dict(config), "values": values}
            append_row(self._metrics, row)

    def _program(self, config: ProbeConfig, state: RunState) -> Callable[..., Any]:
        """A probe's own program: compiling is what it costs, and start, end and blocks that are alike share it."""
        name = probe_name(config)
        if name not in self._programs:
            block_plan = self._block_plan()
            probe = config.make(self._plan.make(self._plan.model(self._model)[0]), block_plan.objective)
            self._programs[name] = (
                (lambda params, seeds: {})
                if probe is None
                else compile_probe(block_plan, name, probe, state, self._num_devices)
            )
        return self._programs[name]


def lacks_probes(metrics: Path, study: Study) -> bool:
    """Whether a finished block has not all that is measured at its start and its end."""
    return any(_lacking(metrics, study, step) for step in (0, study.train.steps))


def refuse_late(directory: Path, before: Sequence[dict[str, Any]], study: Study, *, begun: bool) -> None:
    """Refuses a probe of every evaluation where some of them have passed.

    Raises:
      ConfigError: names the probe.
    """
    for config in study.probes:
        if begun and "chunk" in config.when and to_dict(config) not in before:
            raise ConfigError(
                f'{directory}: probes: {probe_name(config)} is to be measured at every evaluation ("chunk"), and has '
                'not been while this study trained; leave that out (when=("start", "end")), or give another --workdir'
            )


def _lacking(metrics: Path, study: Study, step: int) -> list[ProbeConfig]:
    """The probes that are due at a step and have no row of it, or one of another configuration."""
    due = _due(study, step)
    rows = read_rows(metrics) if due else []
    found = {row["probe"]: row["config"] for row in rows if "probe" in row and row["at"] == step}
    return [config for config in due if found.get(probe_name(config)) != to_dict(config)]


def _due(study: Study, step: int) -> list[ProbeConfig]:
    ends = {0: "start", study.train.steps: "end"}
    now = {ends.get(step), "chunk" if step else None}
    return [config for config in study.probes if now & set(config.when)]


def _listed(values: Any) -> Any:
    """Nested lists of what float32 knows, null for NaN and infinity."""
    values = np.asarray(values)
    if values.dtype.kind in "iub":
        return values.tolist()
    numbers = [float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None for value in values.ravel().tolist()]
    listed = np.empty(len(numbers), object)
    listed[:] = numbers
    return listed.reshape(values.shape).tolist()
