"""Why a difference between two models of a study is not believed, however small its p."""

from attn_jax.config import DeclaredTest
from attn_jax.lab.outcome.judged import Judged, on_edge
from attn_jax.lab.outcome.measures import MEASURES
from attn_jax.lab.outcome.results import Results
from attn_jax.lab.outcome.sides import side_of
from attn_jax.lab.outcome.verdict import above_best_flag


def doubt(results: Results, test: DeclaredTest, models: dict[str, Judged], difference: float) -> str:
    """What stands against a test of a study's models; "" where nothing does.

    What was decided is not believed while the best learning rate of a model whose improvement would change it is on the
    edge of the grid, of three or more: a better one may lie beyond. And where a model scores above the best possible,
    it is told what it is to foretell, or the scale is wrong: then nothing measured by that scale is known.

    Args:
      results: the study.
      test: of `a` against `b`, a model or a number.
      models: the runs of those that the test names.
      difference: of a's mean to b's, or to the number.
    """
    more = MEASURES[test.measure].more_is_better
    for border in side_of(difference, test.expect, test.margin).borders:
        crossing = test.b if (difference > border) == more else test.a  # whose better rate would lead across
        if crossing in models and on_edge(results, models[str(crossing)]):
            return f"the best learning rate of {crossing} is on the edge of the grid: a better one may lie beyond"
    for name, runs in models.items():
        if above_best_flag(runs.model, runs.choice, float(runs.chosen(runs.final).mean())):
            return f"{name} scores above the best possible"
    return ""
