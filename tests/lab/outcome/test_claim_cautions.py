"""A grid that starves a model, a floor that is wrong and runs that diverged are told beside a verdict."""

from types import SimpleNamespace

import numpy as np
from test_summary import NEVER, all_solved, model, none_solved, study

from attn_jax.lab.outcome.claim_cautions import cautions_of


def test_nothing_is_said_of_a_study_without_fault():
    assert cautions_of({"s": study(all_solved()), "m": [{"seed": 0}]}) == []


def test_a_best_rate_on_the_edge_is_named_where_there_are_three():
    starved = model("rnn", [[NEVER, 600, 300]] * 8)
    assert cautions_of({"s": study(all_solved(), starved)}) == [
        "s: the best rate of rnn is on the edge of the grid: a better one may lie beyond"
    ]
    assert cautions_of({"s": study(model("rnn", [[600, 300]] * 8))}) == []  # of two rates each is on an edge


def test_a_score_above_the_best_possible_is_told():
    batches = np.full((8, 3, 4), 2.0) + np.linspace(0, 0.1, 4)
    (said,) = cautions_of({"s": study(all_solved(final=2.05, final_batches=batches))})
    assert said.startswith("s: transformer: a final score of 2.05 is above 1, the best possible")


def test_points_of_a_sweep_and_diverged_runs():
    lost = np.zeros((8, 3), bool)
    lost[:2, 1] = True
    points = {f"d={d}": study(none_solved(diverged=lost)) for d in range(8)}
    edge, diverged = cautions_of({"w": SimpleNamespace(points=points)})
    assert edge.startswith("w: the best rate of lstm at d=0, lstm at d=1, ")
    assert "and 3 more is on the edge" in edge
    assert diverged.startswith("w: 16 runs diverged, of lstm at d=0")
