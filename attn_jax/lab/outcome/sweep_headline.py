"""The first sentence of a sweep's outcome, for a reader of no other: which model solved its task at which points."""

from collections.abc import Mapping, Sequence
from typing import Any

from attn_jax.lab.outcome.headline import MOST, SCALE, named, the
from attn_jax.lab.outcome.words import decimal, has_threshold, listing
from attn_jax.names import counted

_FEW = 3  # points that are named


def sweep_headline(points: Mapping[str, Mapping[str, Any]]) -> str:
    """The outcome as one would tell it: counts, which are facts; what changes by how much is the verdict's.

    Args:
      points: of a sweep's summary.

    Returns:
      Plain text. Names are the user's: whoever writes markup escapes them.

    >>> model = lambda share, score: {"solved_fraction": {"value": share}, "final": {"value": score}}
    >>> points = {f"d={d}": {"models": {"gru": model(1.0, 1.0), "lstm": model(d / 8, 0.6)}} for d in (0, 4, 8)}
    >>> print(sweep_headline(points))
    Over 3 studies, the GRU solved it in every run; the LSTM in every run at d=8 and in some at d=4.
    """
    found = {name: {point: values["models"][name] for point, values in points.items()} for name in _names(points)}
    over = f"Over {counted(len(points), 'study', 'studies')}"
    if not all(has_threshold(model) for at in found.values() for model in at.values()):
        return f"{over}, {_scored(found)}, {SCALE}."
    if not any(model["solved_fraction"]["value"] for at in found.values() for model in at.values()):
        scores = {(name, point): model["final"]["value"] for name, at in found.items() for point, model in at.items()}
        name, point = max(scores, key=lambda place: scores[place])
        best = f"{the(name)} scored highest, {decimal(scores[name, point])} at {point}"
        return f"{over}, no model solved it in any run; {best}, {SCALE}."
    return f"{over}, {_solved(found)}."


def _names(points: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The models, those first that solved more, and of these those that scored more."""
    first = next(iter(points.values()))["models"]

    def merit(name: str) -> tuple[float, float]:
        own = [values["models"][name] for values in points.values()]
        solved = sum(model["solved_fraction"]["value"] for model in own if has_threshold(model))
        return -solved, -sum(model["final"]["value"] for model in own)

    return sorted(first, key=merit)


def _scored(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Without a threshold: from which score to which."""
    said = []
    for place, (name, at) in enumerate([*found.items()][:MOST]):
        low, high = (decimal(end(model["final"]["value"] for model in at.values())) for end in (min, max))
        said.append(f"{the(name)}{' scored' * (place == 0)} {low if low == high else f'{low} to {high}'}")
    return listing([*said, *([f"{len(found) - MOST} more"] if len(found) > MOST else [])])


def _solved(found: Mapping[str, Mapping[str, Any]]) -> str:
    """A clause a model; those that never solved it together."""
    clauses, never = [], []
    for name, at in found.items():
        shares = {point: model["solved_fraction"]["value"] for point, model in at.items()}
        every = [point for point, share in shares.items() if share == 1]
        some = [point for point, share in shares.items() if 0 < share < 1]
        if not (every or some):
            never.append(name)
            continue
        said = [f"in every run{_where(every, len(at))}"] if every else []
        said += [f"in some{'' if every else ' runs'}{_where(some, len(at))}"] if some else []
        clauses.append(f"{the(name)}{'' if clauses else ' solved it'} {listing(said)}")
    more = [f"{len(clauses) - MOST} more at some points"] if len(clauses) > MOST else []
    return "; ".join([*clauses[:MOST], *more, *([f"{named(never)} in none"] if never else [])])


def _where(points: Sequence[str], number: int) -> str:
    """At which of all points: by name where they are few, of one axis that is said once."""
    if len(points) == number:
        return ""
    if len(points) > _FEW:
        return f" at {len(points)} of the {number} points"
    axis, _, _ = points[0].partition("=")
    alone = all(point.startswith(f"{axis}=") and point.count("=") == 1 for point in points)
    return f" at {axis}={listing([point.partition('=')[2] for point in points])}" if alone else f" at {listing(points)}"
