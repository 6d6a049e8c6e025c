"""What the page says of the machine: seconds are told beside its load, and where it was busy they say little."""

from collections.abc import Mapping
from typing import Any

from attn_jax.names import counted

_WAITED = 1.2  # times the CPU seconds, by the clock: more is not the study's own
_OWN_LOAD = 0.5  # of the command beside its workers


def machine_note(summary: Mapping[str, Any]) -> str | None:
    """Whether the machine had other things to do while it trained: then seconds by the clock say little."""
    said = []
    for name, timing in summary["timing"].items():
        if timing["cpu_seconds"] and (ratio := timing["seconds"] / timing["cpu_seconds"]) > _WAITED:
            said.append(f"{name} took {ratio:.1f} times its CPU seconds by the clock")
    load, cores = _load(summary)
    if load is not None and cores and load > cores + _OWN_LOAD:
        said.append(f"its load was {load:.1f} on {counted(cores, 'core')}")
    return f"The machine was busy: {'; '.join(said)}." if said else None


def _load(summary: Mapping[str, Any]) -> tuple[float | None, int]:
    """The machine's load, in the mean over the evaluations of the model that met the highest, and its cores."""
    loads = [timing["load"] for timing in summary["timing"].values() if timing["load"] is not None]
    return max(loads, default=None), max((timing["cores"] or 0 for timing in summary["timing"].values()), default=0)


def load_note(summary: Mapping[str, Any]) -> str:
    """The load beside which seconds were taken, where it is known."""
    load, cores = _load(summary)
    if load is None:
        return ""
    return f", at a load of {load:.1f}" + (f" on {counted(cores, 'core')}" if cores else "")
