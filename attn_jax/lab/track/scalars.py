"""From the rows of a study's blocks to named numbers: of each run, and over the seeds of each learning rate.

train/loss                         the mean since the evaluation before
eval/score                         normalised, on validation data; eval/loss, eval/metric ... as they are
eval/score/mean, /low, /high       over seeds, with its interval; a diverged run counts as 0, chance
eval/test/score, eval/test/loss    and so on, on test data at the training lengths
optim/learning_rate                of the last step, with warm-up and schedule
optim/diverged                     0 or 1; from there on a run has no other numbers
optim/<probe>/<name>               what a probe says of a run in one number
perf/seconds_per_step              of one run: its worker's CPU time where a CPU computes, else by the clock
perf/load, perf/compile_seconds    where they are known
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from attn_jax.lab.outcome.statistics import mean_interval
from attn_jax.lab.record.runs import Run, seeds_of, start_of
from attn_jax.lab.record.schema import row_complaint
from attn_jax.lab.record.scores import metric_limits, normalised
from attn_jax.lab.track.protocol import TrackedRun

_Row: TypeAlias = Mapping[str, Any]
_STEP_OF = {"start": "start", "step": "step", "test": "after", "probe": "at"}  # kind of row -> its field


class Logged(NamedTuple):
    """One call of a tracker's `log`."""

    run: TrackedRun
    step: int
    scalars: dict[str, float]


class Scalars:
    """What the rows of one study say, each once: after a resumption a step may stand there twice, and is the same."""

    def __init__(self, facts: Mapping[str, Any]):
        self._facts, self._every = dict(facts), facts["config"]["evaluate"]["every"]
        self._validated = facts["task"]["validation_lengths"]
        self._num_seeds = len(seeds_of(facts["config"]["train"]))
        self._seen: set[tuple[Any, ...]] = set()
        self._reached: dict[tuple[str, int], int] = {}  # step of each block
        self._scores: dict[tuple[TrackedRun, int], list[float]] = {}  # of steps that some seed is still to reach
        ends = [normalised(np.array(end), self._validated, facts) for end in metric_limits(facts["task"]["metric"])]
        self._limits = float(np.min(ends)), float(np.max(ends))

    def grow(self, facts: Mapping[str, Any]) -> None:
        """Takes in what the study's grid was widened by."""
        self._facts = dict(facts)

    def of(self, model: str, block: int, row: _Row) -> Iterator[Logged]:
        """What a row of a block's metrics.jsonl says that no earlier one did; nothing where it is damaged."""
        kind = next((kind for kind in _STEP_OF if kind in row), None)
        if kind is None or row_complaint(dict(row), self._facts):
            return
        step = row[_STEP_OF[kind]]
        what, reached = (model, block, kind, step, row.get("probe")), self._reached.get((model, block), 0)
        if what in self._seen or (kind == "start" and step < reached):
            return
        self._seen.add(what)
        self._reached[model, block] = max(step, reached)
        for lane, run in enumerate(self._facts["runs"][model][block]):
            name = f"{model}@{start_of(run)}" if start_of(run) else model
            scalars = getattr(self, f"_of_{kind}")(row, lane, run)
            tracked = TrackedRun(name, run[1], run[0])
            yield Logged(tracked, step, {name: float(value) for name, value in scalars.items() if _is_finite(value)})
            if kind == "step":
                yield from self._over_seeds(tracked, step, scalars)

    def _of_start(self, row: _Row, lane: int, run: Run) -> dict[str, Any]:
        del lane, run
        return {"perf/compile_seconds": row["compile_seconds"]}

    def _of_step(self, row: _Row, lane: int, run: Run) -> dict[str, Any]:
        if row["diverged"][lane]:
            return {"optim/diverged": 1}
        seconds = row.get("cpu_seconds", row["seconds"]) / (self._every * self._facts["width"])
        rate = run[1] * rate_factor(self._facts["config"]["train"], row["step"] - 1)
        return {
            "train/loss": row["train_loss"][lane],
            "optim/learning_rate": rate,
            "optim/diverged": 0,
            "perf/seconds_per_step": seconds,
            "perf/load": row.get("load"),
        } | self._measured("eval", row["validation"], lane)

    def _of_test(self, row: _Row, lane: int, run: Run) -> dict[str, Any]:
        del run
        return self._measured("eval/test", row["test"], lane)

    def _of_probe(self, row: _Row, lane: int, run: Run) -> dict[str, Any]:
        del run
        return {f"optim/{row['probe']}/{name}": values[lane] for name, values in row["values"].items()}

    def _measured(self, where: str, scores: Mapping[str, Any], lane: int) -> dict[str, Any]:
        """The means over the batches of the training lengths, and the normalised score."""
        batches = {name: np.array(runs[lane][: len(self._validated)], float) for name, runs in scores.items()}
        score = normalised(batches["metric"], self._validated, self._facts).mean()
        return {f"{where}/score": score} | {f"{where}/{name}": values.mean() for name, values in batches.items()}

    def _over_seeds(self, run: TrackedRun, step: int, scalars: Mapping[str, Any]) -> Iterator[Logged]:
        """The score's mean and interval, once the last seed has reached the step."""
        several = run._replace(seed=None)
        scores = self._scores.setdefault((several, step), [])
        scores.append(scalars.get("eval/score", 0.0))
        if len(scores) < self._num_seeds:
            return
        del self._scores[several, step]
        if np.isfinite(scores).all():
            mean = mean_interval(scores, self._limits)
            found = {"mean": mean.value, "low": mean.low, "high": mean.high}  # of one seed a bound may be infinite
            yield Logged(several, step, {f"eval/score/{name}": at for name, at in found.items() if _is_finite(at)})


def rate_factor(train: Mapping[str, Any], step: int) -> float:
    """What the learning rate is multiplied by at a step, counted from 0, as `learning_rate_schedule` has it.

    >>> [rate_factor({"warmup_steps": 1, "schedule": "constant", "steps": 10}, step) for step in (0, 1, 9)]
    [0.5, 1.0, 1.0]
    """
    warmup, steps = train["warmup_steps"], train["steps"]
    if step < warmup or train["schedule"] == "constant":
        return min(1.0, (step + 1) / (warmup + 1))
    return (1 + math.cos(math.pi * min((step - warmup) / max(steps - warmup, 1), 1))) / 2


def _is_finite(value: Any) -> bool:
    """Whether it is one number, and one that can be drawn; a probe may have a table there, or null."""
    return isinstance(value, int | float | np.floating) and math.isfinite(value)
