"""What to know of a claim's studies before its verdict is believed: rates on an edge, scores too good, diverged runs.

They are told whether a test was about them or not; what they make of one that was is in `doubts`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from attn_jax.lab.outcome.judged import judge, on_edge
from attn_jax.lab.outcome.results import Results
from attn_jax.lab.outcome.verdict import above_best_flag
from attn_jax.lab.outcome.words import few
from attn_jax.names import counted


def cautions_of(found: Mapping[str, Any]) -> list[str]:
    """A sentence for each kind and each study or sweep that a claim read.

    Args:
      found: the results by key; rows of measurements have none.
    """
    return [said for key, results in found.items() for said in _of_one(key, _studies(results))]


def _studies(results: Any) -> dict[str, Results]:
    """A study, or those of a sweep by their points."""
    if isinstance(results, Results):
        return {"": results}
    points = getattr(results, "points", {})
    return {f" at {point}": study for point, study in points.items() if isinstance(study, Results)}


def _of_one(key: str, studies: Mapping[str, Results]) -> Iterator[str]:
    judged = {
        f"{name}{at}": (results, judge(results, model))
        for at, results in studies.items()
        for name, model in results.models.items()
    }
    edges = [name for name, (results, runs) in judged.items() if on_edge(results, runs)]
    if edges:
        yield f"{key}: the best rate of {few(edges)} is on the edge of the grid: a better one may lie beyond"
    for name, (_, runs) in judged.items():
        final = float(runs.chosen(runs.final).mean())
        if said := above_best_flag(runs.model, runs.choice, final):
            yield f"{key}: {name}: {said}"
    lost = {name: int(runs.model.diverged.sum()) for name, (_, runs) in judged.items()}
    if total := sum(lost.values()):
        who = few([name for name, count in lost.items() if count])
        yield f"{key}: {counted(total, 'run')} diverged, of {who}: kept, unsolved to the budget, final score 0"
