"""Time to solve in other units than steps: sequences, tokens, FLOPs. What is fewer steps may be more of another."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from attn_jax.lab.outcome.results import ModelResult, Results
from attn_jax.lab.outcome.selection import chosen_steps
from attn_jax.lab.outcome.statistics import Interval, mean_interval


def to_solve(results: Results, model: ModelResult, steps: np.ndarray) -> dict[str, Interval]:
    """Restricted means beside that of steps: what a run takes until it solves the task, or in the whole budget.

    Args:
      results: the study.
      model: one of it.
      steps: [S] to solve, inf where not solved.

    Returns:
      By unit, of those that are known: "samples", sequences; "examples", different ones of a finite training set (of
      each length, where lengths vary); "tokens", those of the lengths that are drawn, in the mean; "flops".
    """
    within = np.minimum(steps, results.budget)
    train = results.config.get("train", {})
    batch_size, num_examples = train.get("batch_size"), train.get("num_examples")
    a_step = {"samples": batch_size, "tokens": results.tokens_per_step, "flops": model.train_flops_per_step}
    taken = {unit: (within * each, results.budget * each) for unit, each in a_step.items() if each}
    if batch_size and num_examples:
        seen, most = taken["samples"]
        taken["examples"] = np.minimum(seen, num_examples), min(most, num_examples)
    return {unit: mean_interval(values, (0.0, most)) for unit, (values, most) in taken.items()}


def flips_note(summary: Mapping[str, Any]) -> str | None:
    """Sentences where the order of two models by seconds or FLOPs flips their order by steps; None where it never does.

    They are compared within what both had: a model of cheap steps that never solves the task would otherwise seem fast
    because its budget of steps ends early. Not part of the verdict, which knows no clock.

    Args:
      summary: what `summarize` returned, or summary.json holds.
    """
    models = summary["models"]
    if any(model["restricted_mean_steps"] is None for model in models.values()):
        return None
    units: dict[str, Callable[[str], float | None]] = {
        "seconds": lambda name: summary["timing"][name]["seconds_per_step"],
        "FLOPs": lambda name: models[name]["train_flops_per_step"],
    }
    steps = {name: model["restricted_mean_steps"]["value"] for name, model in models.items()}
    order = sorted(steps, key=lambda name: steps[name])
    notes = [
        note
        for unit, of in units.items()
        for i, fewer in enumerate(order)
        for more in order[i + 1 :]
        if steps[fewer] < steps[more] and (note := _flip(models, fewer, more, unit, of))
    ]
    return " ".join(notes) or None


def _flip(models: Mapping[str, Any], fewer: str, more: str, unit: str, of: Callable[[str], float | None]) -> str | None:
    """A sentence where the model that takes fewer steps takes more of a unit."""
    a_step = [of(name) or 0.0 for name in (fewer, more)]
    if not all(a_step):
        return None
    budget = models[fewer]["solved_curve"]["steps"][-1]
    horizon = budget * min(a_step)
    taken = zip((fewer, more), a_step, strict=True)
    slow, fast = (float(np.minimum(chosen_steps(models[name]) * each, horizon).mean()) for name, each in taken)
    if slow <= fast:
        return None
    steps = [models[name]["restricted_mean_steps"]["value"] for name in (fewer, more)]
    within = f"{horizon:.3g} s" if unit == "seconds" else f"{horizon:.3g}"
    return (
        f"By {unit} the order flips: {fewer} takes fewer steps than {more} ({steps[0]:.0f} against {steps[1]:.0f}) "
        f"but more {unit} ({slow:.3g} against {fast:.3g}, within the {within} a run that both had)."
    )
