"""`attn-jax diff`: what two studies' configs differ in, then what their models' results do."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console

from attn_jax.config.differences import differences
from attn_jax.errors import ConfigError
from attn_jax.lab.outcome.between import Change, changes, is_paired, scores_differ
from attn_jax.lab.outcome.collect import read_results
from attn_jax.lab.outcome.measures import final_limits
from attn_jax.lab.outcome.summary import summarize
from attn_jax.lab.outcome.words import decimal, listing
from attn_jax.lab.record.schema import read_study
from attn_jax.report import words
from attn_jax.report.tables import print_rows
from attn_jax.terminal import Terminal

_NAMES = {"solved": "share solved", "steps": "steps to solve", "final": "final score"}


def diff(first: Path, second: Path) -> None:
    """Prints where the configs of two finished studies differ, then how the models that are in both do.

    Raises:
      ConfigError: one is no finished study, they are of different tasks, or no model is in both.
    """
    console = Terminal()
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    old, new = read_study(first), read_study(second)
    for line in [*differences(old["config"], new["config"])] or ["the configs are the same"]:
        say(line)
    if apart := scores_differ(old, new):
        raise ConfigError(f"{second}: scores of different tasks cannot be compared: {listing(apart)} differ")
    for directory, models, others in ((first, old, new), (second, new, old)):
        if alone := [name for name in models["config"]["models"] if name not in others["config"]["models"]]:
            say(f"only in {directory}: {', '.join(alone)}")
    shared = [name for name in old["config"]["models"] if name in new["config"]["models"]]
    if not shared:
        raise ConfigError(f"{second}: has no model of the same name as one of {first}, wanted at least one")
    # the reference may be a model that is in one of them alone
    results = [replace(read_results(directory, shared), reference=shared[0]) for directory in (first, second)]
    paired, horizon = is_paired(old, new), min(study.budget for study in results)
    before, after = map(summarize, results)
    limits = final_limits(results[0])  # of one task, at the same lengths
    found = changes(before, after, horizon, limits, paired=paired, timed=results[0].threshold is not None)
    say(f"{first} -> {second}, {'paired by seed' if paired else 'unpaired'}")
    _print_changes(found, console)
    say(f"p adjusted by Holm over {len(found)} tests; intervals of 95 %, each its own")


def _print_changes(found: Sequence[Change], console: Console) -> None:
    """A table of all, or where it is too wide without each study's own value, or lines."""
    print_rows(console, None, [*map(_row, found)], named=2, spared=("first", "second"))


def _row(change: Change) -> dict[str, str]:
    """A change in words."""
    write, difference = words.count if change.measure == "steps" else partial(decimal, digits=3), change.difference
    low, high = (bound if np.isfinite(bound) else None for bound in (difference.low, difference.high))
    return {
        "model": change.model,
        "measure": _NAMES[change.measure],
        "first": write(change.first),
        "second": write(change.second),
        "difference": write(difference.value),
        "interval": words.interval({"low": low, "high": high, "method": difference.method}, write),
        "p": words.probability(difference.p),
    }
