"""What every registered task gives, in short: python scripts/golden_tasks.py

Writes tests/golden/tasks.json: of each task the fixed part of its description, hashes of batches, strings and oracle at
three lengths and two splits, and its floors with a checksum of what they predict. The lengths are of those trained on;
of a task that trains on one, that and two that it is tested at, if there are others (`sizes`). A batch is as long as
the longest trained on, or as its own length. tests/tasks/test_golden.py computes them again. A change of this file is a
change of the data: it says so in CHANGELOG.md, or it is a bug.
"""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from attn_jax.tasks import TASKS, Split, Task, TaskConfig, TaskSpec, Text

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "tests" / "golden" / "tasks.json"
CONFIGS: dict[str, TaskConfig] = TASKS | {"text": Text(str(ROOT / "LICENSE"))}  # Python's own text differs by version
SPLITS: tuple[Split, ...] = ("train", "test")
BATCH_SIZE = 8


def golden(config: TaskConfig) -> dict[str, Any]:
    """One task's entry."""
    task = config.make()
    lengths = sizes(task.spec)
    drawn = {length: jax.device_get(draw) for length, draw in zip(lengths, _draws(task, lengths), strict=True)}
    return {
        "spec": _described(task.spec, lengths),
        "drawn": {str(length): _digests(task, draws) for length, draws in drawn.items()},
        "floors": {str(length): _floors(task, length, draws["sample test"]) for length, draws in drawn.items()},
    }


def sizes(spec: TaskSpec) -> list[int]:
    """Shortest, middle and longest length trained on; of one alone, with the shortest tested and the next longer."""
    allowed = spec.lengths(*spec.train_lengths)
    longest, several = allowed[-1], len(allowed) > 1
    if several:
        return sorted({allowed[0], allowed[len(allowed) // 2], longest})
    longer = [length for length in spec.test_lengths if length > longest]
    return sorted({spec.test_lengths[0], longest, *longer[:1]})


def _draws(task: Task, lengths: list[int]) -> list[dict[str, Any]]:
    """Batches and strings by name and split, at each length; one compiled program for all that are trained on."""

    def draw(seed, length, longest):
        functions = {"sample": task.sample} | ({"strings": task.strings} if task.strings else {})
        return {
            f"{name} {split}": function(jax.random.key(seed), BATCH_SIZE, length, longest, split=split)
            for name, function in functions.items()
            for split in SPLITS
        }

    program, trained = jax.jit(draw, static_argnums=2), task.spec.lengths(*task.spec.train_lengths)[-1]
    return [program(1, length, max(length, trained)) for length in lengths]


def _described(spec: TaskSpec, lengths: list[int]) -> dict[str, Any]:
    """The fields that are numbers and names; where it comes from is prose."""
    fields = {name: value for name, value in dataclasses.asdict(spec).items() if not callable(value)}
    del fields["source"]
    places = [spec.num_tokens(length) for length in lengths]
    answered = [spec.num_answered(number) for number in places] if spec.num_answered else None
    return json.loads(json.dumps(fields | {"num_tokens": places, "num_answered": answered}))


def _digests(task: Task, draws: dict[str, Any]) -> dict[str, Any]:
    """Of what was drawn, and of what the oracle says of it: whole, and up to the middle one of the scored places."""
    found = {name: digest(*drawn) for name, drawn in draws.items()}
    if task.solve is not None:
        batch = draws["sample test"]
        places = np.flatnonzero(batch.scored.any(axis=0))
        for name, end in (("solve", batch.inputs.shape[1]), ("solve prefix", places[len(places) // 2] + 1)):
            found[name] = digest(task.solve(batch.inputs[:, :end], batch.valid[:, :end]))
    return found


def _floors(task: Task, length: int, batch: Any) -> dict[str, Any]:
    """[value, loss, checksum of the predictor's answers] by name."""
    return {
        name: [floor.value, floor.loss, checksum(floor.predict(batch.inputs, batch.valid))]
        for name, floor in task.floors(length).items()
    }


def digest(*arrays: Any) -> list[str | float]:
    """One hash of all arrays of whole numbers, and a checksum of each of the others."""
    whole, real = hashlib.sha256(), []
    for values in map(np.asarray, arrays):
        if (values == values.astype(np.int64)).all():
            whole.update(f"{values.dtype}{values.shape}".encode() + np.ascontiguousarray(values).tobytes())
        else:
            real.append(checksum(values))
    return [whole.hexdigest()[:16], *real]


def checksum(values: Any) -> float:
    """A sum with uneven weights, for real numbers are not rounded alike on all machines."""
    values = np.asarray(values, np.float64)
    return round(float(values.ravel() @ np.sin(1 + np.arange(values.size))), 9)


def main() -> None:
    """Writes every task's entry."""
    entries = (f"{json.dumps(name)}: {json.dumps(golden(config))}" for name, config in CONFIGS.items())
    PAGE.write_text("{\n" + ",\n".join(entries) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
