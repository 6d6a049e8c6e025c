"""Tables of a study: plain numbers, the same columns in every row, the numbers of the summary."""

import dataclasses

import numpy as np
import pytest
from test_summary import Measured, all_solved, none_solved, study

from attn_jax.lab.outcome.rows import curve_rows, length_rows, probe_rows, run_rows
from attn_jax.lab.outcome.summary import summarize

HEAD = ["study", "task", "model", "start", "seed", "learning_rate", "chosen"]
MEASURES = ["loss", "whole"]


def with_one_diverged():
    """The first model has a measure of its own, and its seed 2 diverged at the smallest rate."""
    good = all_solved()
    diverged = np.zeros((8, 3), bool)
    diverged[2, 0] = True
    score = good.score.copy()
    score[2, 0, 10:] = np.nan
    loss = Measured(2.0 - score, *(np.where(diverged.T, np.nan, array.T).T for array in good.measured["loss"][1:]))
    measured = good.measured | {"loss": loss, "luck": loss}
    return study(dataclasses.replace(good, diverged=diverged, score=score, measured=measured), none_solved())


TABLES = {
    "runs": (run_rows, 2 * 24, ["solved", "steps_to_solve", "unconfirmed", "diverged", "final"]),
    "curves": (curve_rows, 2 * 24 * 16, ["step", "score", "train_loss"]),
    "lengths": (length_rows, 2 * 24 * 2, ["length", "trained", "score"]),
}


@pytest.mark.parametrize("name", TABLES)
def test_all_rows_have_the_same_columns_of_plain_values(name):
    table, count, columns = TABLES[name]
    rows = table(with_one_diverged())
    assert len(rows) == count
    assert {tuple(row) for row in rows} == {(*HEAD, *columns, *MEASURES, "luck")}
    kinds = {column: {type(row[column]) for row in rows} - {type(None)} for column in rows[0]}
    assert kinds.pop("start") == set()  # it has none
    assert all(len(kind) == 1 and kind <= {str, int, float, bool} for kind in kinds.values())
    assert all(value == value for row in rows for value in row.values())  # no NaN


def test_the_runs_are_those_of_the_summary():
    results = with_one_diverged()
    rows, models = run_rows(results), summarize(results)["models"]
    for name, model in models.items():
        of_model = [row for row in rows if row["model"] == name]
        assert [{key: row[key] for key in model["runs"][0]} for row in of_model] == model["runs"]
        assert [row["learning_rate"] for row in of_model if row["chosen"]] == model["chosen_learning_rates"]
    assert {row["luck"] for row in rows if row["model"] == "lstm"} == {None}


def test_a_diverged_run_has_a_score_of_0_and_nothing_else():
    results = with_one_diverged()
    lost = lambda rows: [row for row in rows if (row["model"], row["seed"], row["learning_rate"]) == HERE]  # noqa: E731
    run = lost(run_rows(results))[0]
    assert (run["solved"], run["steps_to_solve"], run["diverged"], run["final"]) == (False, None, True, 0)
    assert (run["loss"], run["luck"]) == (None, None)
    assert [row["score"] is None for row in lost(curve_rows(results))] == [False] * 10 + [True] * 6
    assert [(row["length"], row["trained"], row["score"], row["loss"]) for row in lost(length_rows(results))] == [
        (6, True, 0, None),
        (12, False, 0, None),
    ]


HERE = ("transformer", 2, 1e-3)


def test_without_a_threshold_nothing_is_solved_or_not():
    rows = run_rows(study(all_solved(), threshold=None))
    assert {(row["solved"], row["steps_to_solve"], row["unconfirmed"]) for row in rows} == {(None, None, None)}


def test_a_probe_has_a_row_for_each_number():
    good = all_solved()
    maps = np.arange(24.0 * 2 * 2 * 3).reshape(8, 3, 2, 2, 3)
    maps[0, 0, 1, 0, 2] = np.nan
    probes = good.probes | {"maps": {0: {}, 800: {"layer_0/weights": maps}}}
    rows = probe_rows(study(dataclasses.replace(good, probes=probes)))
    assert {tuple(row) for row in rows} == {(*HEAD, "probe", "step", "name", "k", "value")}
    assert len(rows) == 24 * (1 + 2 + 12)
    first = [row for row in rows if (row["seed"], row["learning_rate"]) == (0, 1e-3)]
    assert [tuple(row.values())[len(HEAD) :] for row in first[:3]] == [
        ("flow", 0, "slope", None, 0.0),
        ("flow", 0, "gradient", 0, 2.0),
        ("flow", 0, "gradient", 3, 1.0),
    ]
    assert [tuple(row.values())[len(HEAD) :] for row in first[3:] if row["name"].endswith(".1.0")] == [
        ("maps", 800, "layer_0/weights.1.0", 0, 6.0),
        ("maps", 800, "layer_0/weights.1.0", 1, 7.0),
        ("maps", 800, "layer_0/weights.1.0", 2, None),
    ]
