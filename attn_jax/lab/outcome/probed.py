"""What probes measured of a model's runs, from the rows of its blocks, and the little of it that a summary has."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from attn_jax.lab.outcome.intervals import UNLIMITED, Limits
from attn_jax.lab.outcome.results import Probed

Values: TypeAlias = dict[tuple[str, int], dict[str, np.ndarray]]  # (probe, step) -> name -> [R, ...] of a block

_SHARE: Limits = (0.0, 1.0)
_NOT_BELOW_0: Limits = (0.0, np.inf)
# Of the package's own probes what a number can be, by how its name ends: the first that fits.
_LIMITS: dict[str, dict[str, Limits]] = {
    "gates": {"beta/mean": (0.0, 2.0), "": _SHARE},  # a delta rule's beta may go to 2
    "gradient_norms": {"exploding": _SHARE, "": _NOT_BELOW_0},
    "jacobians": {"/radius": _NOT_BELOW_0},
    "look_ahead": {"ahead": _SHARE, "": _NOT_BELOW_0},
    "path_length": {"": _NOT_BELOW_0},
}


def block_values(rows: Sequence[Mapping[str, Any]], configs: Sequence[Mapping[str, Any]]) -> Values:
    """What one block's rows say of the study's probes; of a probe and a step the last row counts.

    Raises:
      ValueError: values that are no array.
    """
    wanted = {name_of(config): config for config in configs}
    last = {(row["probe"], row["at"]): row for row in rows if "probe" in row}
    return {
        (probe, step): {name: np.array(value, float) for name, value in last[probe, step]["values"].items()}
        for probe, config in wanted.items()
        for step in sorted(at for name, at in last if name == probe)
        if last[probe, step]["config"] == config
    }


def joined(blocks: Sequence[Values], runs: Callable[[list[np.ndarray]], np.ndarray]) -> Probed:
    """All blocks' values as arrays [S, A, ...]; what a block lacks is left out."""
    probes: Probed = {}
    for probe, step in blocks[0]:
        found = [block.get((probe, step), {}) for block in blocks]
        names = [name for name in found[0] if len({values[name].shape[1:] for values in found if name in values}) == 1]
        values = {name: runs([block[name] for block in found]) for name in names if all(name in b for b in found)}
        probes.setdefault(probe, {})[step] = values
    return probes


def name_of(config: Mapping[str, Any]) -> str:
    """What the values of a probe of study.json are filed under."""
    return config.get("name") or config["class"]


def numbers_at(probes: Probed, budget: int) -> Iterator[tuple[str, str, str, np.ndarray]]:
    """(probe, "start" or "end", name, [S, A]) of all that is one number a run."""
    for probe, steps in probes.items():
        for step, when in ((0, "start"), (budget, "end")):
            for name, values in steps.get(step, {}).items():
                if values.ndim == 2:
                    yield probe, when, name, values


def limits_of(probe: str, name: str) -> Limits:
    """What a number of a probe can be, as far as the package knows: of a user's own probe nothing.

    >>> limits_of("gates", "layer_0/keep/open"), limits_of("gradient_norms", "layer_0")
    ((0.0, 1.0), (0.0, inf))
    """
    known = _LIMITS.get(probe, {}).items()
    return next((limits for end, limits in known if name.endswith(end)), UNLIMITED)
