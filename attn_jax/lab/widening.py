"""A grid of learning rates that grows by itself, where asked: while a best rate lies on its edge, one beyond is tried.

The edge is looked at once all models are trained, and all of them gain the rate: every model has as many chances as the
others. What was added stays in study.json; more seeds train it too, and do not ask again.
"""

from pathlib import Path
from typing import Any

from attn_jax.lab.outcome.collect import read_results
from attn_jax.lab.outcome.judged import best_place, judge
from attn_jax.lab.outcome.results import Results
from attn_jax.lab.outcome.words import listing
from attn_jax.lab.record.directory import write_json
from attn_jax.lab.record.runs import missing_blocks, whole_grid
from attn_jax.lab.record.schema import read_study

_DIGITS = 6  # of a rate that is added


def widen(directory: Path) -> str | None:
    """Adds the rates that a trained study is to try next to its study.json.

    Args:
      directory: of the study, which is held and trained to the end.

    Returns:
      What was added and why; None where nothing is, now and from now on.
    """
    facts = read_study(directory)
    widened, most = facts["widened"], facts["config"]["train"]["widen"]
    if widened["settled"]:
        return None
    new = rates_beyond(read_results(directory)) if most > len(widened["rates"]) else {}
    rates = [*new][: most - len(widened["rates"])]
    facts["widened"] = {"rates": [*widened["rates"], *rates], "settled": not rates}
    write_json(directory / "study.json", facts | {"runs": _runs(facts)})
    if not rates:
        return None
    return "; ".join(f"the best rate of {listing(new[rate])} is on the edge: {rate:g} joins the grid" for rate in rates)


def rates_beyond(results: Results) -> dict[float, list[str]]:
    """{rate one beyond an edge of the grid: models whose best rate over all seeds is on that edge}, smaller first.

    The step is that between the edge and its neighbour.
    """
    found: dict[float, list[str]] = {}
    for name, model in results.models.items():
        rates, place = model.learning_rates, best_place(results, judge(results, model))
        edges = {0: (rates[0], rates[1]), len(rates) - 1: (rates[-1], rates[-2])}
        if place in edges:
            edge, neighbour = edges[place]
            found.setdefault(float(f"{edge * edge / neighbour:.{_DIGITS}g}"), []).append(name)
    return dict(sorted(found.items()))


def _runs(facts: dict[str, Any]) -> dict[str, Any]:
    """Every model's blocks, with new ones for what is added."""
    grid = whole_grid(facts)
    return {name: [*blocks, *missing_blocks(facts, name, grid)] for name, blocks in facts["runs"].items()}
