"""Summaries of hand-made studies whose outcome is known."""

import dataclasses
import json
import math

import numpy as np
import pytest

from attn_jax.lab.outcome.axes import flips_note
from attn_jax.lab.outcome.results import Measured, ModelResult, Results
from attn_jax.lab.outcome.summary import summarize

RATES = (1e-3, 3e-3, 1e-2)
STEPS = np.arange(50, 850, 50)
NEVER = float("inf")
FIRST_LOOK = 20 / 19


def score_curve(first, unsolved: float = 0.1) -> np.ndarray:
    """At `unsolved` before the step `first`, 1 from there on."""
    return np.where(first <= STEPS, 1.0, unsolved)


def model(name, firsts, final=None, **changes) -> ModelResult:
    """`firsts` [S][A]: the step from which each run is right, or NEVER."""
    score = np.array([[score_curve(first) for first in row] for row in firsts])
    runs = score.shape[:2]
    ends = score[..., -1] if final is None else np.broadcast_to(np.asarray(final, float), runs)
    fields = {
        "name": name,
        "description": f"{name}, width 32",
        "parameters": 27_000,
        "parameters_matched": 25_000,
        "match_note": None,
        "state_bytes": 512,
        "train_flops_per_step": 9.0e7,
        "depth": "linear",
        "learning_rates": RATES[: runs[1]],
        "score": score,
        "diverged": np.zeros(runs, bool),
        "final": ends.copy(),
        "length_score": np.stack([ends, ends / 2], axis=-1),
        "measured": {
            "loss": Measured(2.0 - score, 2.0 - ends, np.stack([2.0 - ends] * 2, axis=-1)),
            "whole": Measured(score / 2, ends, np.stack([ends, ends / 4], axis=-1)),
        },
        "seconds": 24.0,
        "compile_seconds": 3.0,
        "train_loss": 2.0 - score,
        "probes": {
            "flow": {
                0: {"slope": ends - 1, "k": np.broadcast_to([0, 3], (*runs, 2)), "gradient": ends[..., None] * [2, 1]}
            }
        },
    }
    return ModelResult(**fields | changes)


def study(*models: ModelResult, **changes) -> Results:
    floors = {n: {"uniform": {"value": 0.25, "loss": 1.4}, "memory": {"value": 0.5, "loss": None}} for n in (6, 12)}
    fields = {
        "study": "quickstart",
        "task": "associative_recall",
        "reference": models[0].name,
        "metric": "accuracy",
        "chance": "uniform",
        "best": {6: 1.0, 12: 1.0},
        "loss_places": "scored",
        "threshold": 0.95,
        "length_unit": "pairs",
        "train_lengths": (6, 6),
        "curve_lengths": (6, 12),
        "floors": floors,
        "evaluated_at": STEPS,
        "budget": 800,
        "schedule": "constant",
        "workers": 2,
        "models": {m.name: m for m in models},
        "config": {},
        "environment": {},
    }
    return Results(**fields | changes)


def all_solved(name="transformer", **changes) -> ModelResult:
    """Every run solves; fastest at the middle rate."""
    return model(name, [[400, 200 + 50 * (s % 3), 600] for s in range(8)], **changes)


def none_solved(name="lstm", **changes) -> ModelResult:
    final = [[0.1, 0.12, 0.05 + 0.01 * s] for s in range(8)]
    return model(name, [[NEVER] * 3] * 8, final, **changes)


def agreed(value, low, high, n=8) -> dict:
    """What is said of a measure within limits where n seeds agree."""
    share = 0.025 ** (1 / n)
    bounds = {"low": value - (1 - share) * (value - low), "high": value + (1 - share) * (high - value)}
    return {"value": value, **{key: pytest.approx(bound) for key, bound in bounds.items()}, "method": "no spread"}


def test_the_keys_are_those_of_the_specification():
    summary = summarize(study(all_solved(), none_solved()))
    keys = {"schema", "study", "reference", "headline", "verdict", "floors", "looks", "widened_rates"}
    assert summary.keys() == keys | {"comparisons", "log_rank", "models", "timing"}
    assert (summary["schema"], summary["study"], summary["reference"]) == (5, "quickstart", "transformer")
    assert list(summary["models"]) == ["transformer", "lstm"]
    m = summary["models"]["transformer"]
    wanted = "parameters parameters_matched state_bytes train_flops_per_step runs chosen_learning_rates solved_fraction"
    assert m.keys() >= {*wanted.split(), "restricted_mean_steps", "final", "lengths", "flags", "rates"}
    run = {"seed", "learning_rate", "solved", "steps_to_solve", "unconfirmed", "diverged", "final"}
    assert [row.keys() for row in m["runs"]] == [run] * 24
    assert m["solved_fraction"].keys() == {"value", "low", "high", "n", "method"}
    assert m["lengths"].keys() == {"6", "12"}
    for interval in (m["restricted_mean_steps"], m["final"], *m["lengths"].values()):
        assert interval.keys() == {"value", "low", "high", "method"}
    row = {"a", "b", "measure", "expect", "margin", "difference", "low", "high", "p", "method", "outcome"}
    row |= {"seeds_to_decide", "seeds_to_decide_at_bound"}
    assert [comparison.keys() for comparison in summary["comparisons"]] == [row] * 3
    assert summary["floors"]["memory"] == {"value": 0.5, "loss": None}


def test_all_against_none():
    summary = summarize(study(all_solved(), none_solved()))
    transformer, lstm = summary["models"]["transformer"], summary["models"]["lstm"]
    assert transformer["chosen_learning_rates"] == [3e-3] * 8
    assert transformer["solved_fraction"]["value"] == 1
    assert transformer["restricted_mean_steps"]["value"] == np.mean([200 + 50 * (s % 3) for s in range(8)])
    assert (transformer["median_steps"], lstm["median_steps"]) == (250, None)
    assert transformer["final"] == agreed(1, -1 / 3, 1)
    assert transformer["lengths"]["12"]["value"] == 0.5
    assert transformer["measures"]["whole"]["lengths"]["12"]["value"] == 0.25
    assert transformer["measures"]["loss"]["final"] == agreed(1, 0, 1) | {"high": None}  # no loss is too large
    assert lstm["solved_fraction"]["high"] == pytest.approx(0.369, abs=5e-4)
    assert lstm["restricted_mean_steps"] == agreed(800, 0, 800)
    curve = lstm["solved_curve"]
    assert (curve["steps"], curve["solved"], curve["low"]) == ([0, 800], [0, 0], [0, 0])
    assert curve["high"] == [lstm["solved_fraction"]["high"]] * 2
    (test,) = summary["log_rank"]
    assert (test["a"], test["b"], test["method"]) == ("lstm", "transformer", "exact permutation")
    assert test["z"] < -3
    assert test["p"] == pytest.approx(2 / 12_870)
    by_measure = {row["measure"]: row for row in summary["comparisons"]}
    assert by_measure["solved"]["difference"] == -1
    assert by_measure["steps"]["difference"] == 800 - transformer["restricted_mean_steps"]["value"]
    # three tests, each at 2/256, and Holm
    assert [row["p"] for row in summary["comparisons"]] == [pytest.approx(3 * FIRST_LOOK * 2 / 256)] * 3
    assert summary["verdict"] == (
        "Of 8 seeds within 800 steps, associative_recall was solved by transformer in 8 "
        "(restricted mean 244 steps, 209 to 279) and lstm in 0. Against transformer the data decide "
        "(p < .05 after Holm's correction over 3 tests) that lstm solved fewer seeds, took more steps and scored lower."
    )


def test_a_seed_is_reported_at_the_rate_of_the_others():
    firsts = [[400, NEVER, NEVER]] * 7 + [[NEVER, 50, NEVER]]
    summary = summarize(study(model("a", firsts)))["models"]["a"]
    assert summary["chosen_learning_rates"] == [1e-3] * 8
    assert summary["solved_fraction"]["value"] == 7 / 8
    assert [row["solved"] for row in summary["rates"]] == [7, 1, 0]
    assert [row["chosen"] for row in summary["rates"]] == [8, 0, 0]
    assert summary["rates"][0]["restricted_mean_steps"] == (7 * 400 + 800) / 8


def test_half_solved():
    summary = summarize(study(model("a", [[200]] * 4 + [[NEVER]] * 4), none_solved("b")))
    a = summary["models"]["a"]
    assert (a["solved_fraction"]["value"], a["restricted_mean_steps"]["value"], a["median_steps"]) == (0.5, 500, 200)
    assert a["restricted_mean_steps"]["low"] < 500 < a["restricted_mean_steps"]["high"]
    assert {row["measure"]: row["p"] for row in summary["comparisons"]}["solved"] > 0.05  # 4 against 0 of 8 is .125
    assert summary["verdict"].endswith(
        "The data decide no difference from a (p < .05 after Holm's correction over 3 tests). "
        "Undecided: about 30 to 33 seeds would decide at the effects seen."
    )


def test_what_is_not_decided_is_named():
    """6 against 0 of 8 is p = .031: enough alone, not after Holm; the final scores differ in all 8."""
    summary = summarize(study(model("a", [[200]] * 6 + [[NEVER]] * 2, final=0.9), none_solved("b")))
    assert {row["measure"]: round(row["p"], 3) for row in summary["comparisons"]} == {
        "solved": 0.066,
        "steps": 0.066,
        "final": 0.025,
    }
    assert "that b scored lower; not decided: for b solved seeds and steps. Undecided: about " in summary["verdict"]


def test_a_diverged_run_never_solves_and_scores_chance():
    good = all_solved()
    diverged = np.zeros((8, 3), bool)
    diverged[2] = True
    broken = {name: getattr(good, name).copy() for name in ("score", "final", "length_score")}
    measured = {name: Measured(*(array.copy() for array in arrays)) for name, arrays in good.measured.items()}
    for array in (broken["final"], broken["length_score"], *(m.test for m in measured.values())):
        array[2] = np.nan
    for array in (broken["score"], *(m.validation for m in measured.values())):
        array[2, :, 10:] = np.nan  # it had solved the task by then
    model = dataclasses.replace(good, diverged=diverged, measured=measured, **broken)
    summary = summarize(study(model))["models"]["transformer"]
    assert summary["solved_fraction"]["value"] == 7 / 8
    rows = [row for row in summary["runs"] if row["seed"] == 2]
    assert [(row["solved"], row["diverged"], row["final"], row["steps_to_solve"]) for row in rows] == [
        (False, True, 0, None)
    ] * 3
    assert "3 of 24 runs diverged: kept, unsolved to the budget, final score 0" in summary["flags"]
    assert summary["measures"]["loss"]["final"] is None  # nothing stands for its loss
    assert summary["measures"]["whole"]["final"]["low"] < 1  # none of its sequences is right


def test_a_run_marked_diverged_after_its_last_evaluation_is_not_solved():
    diverged = np.ones((8, 3), bool)
    summary = summarize(study(all_solved(diverged=diverged)))["models"]["transformer"]
    assert summary["solved_fraction"]["value"] == 0
    assert summary["final"] == agreed(0, -1 / 3, 1)


def test_a_missing_score_is_not_taken_for_chance():
    final = np.full((8, 3), np.nan)
    with pytest.raises(ValueError, match=r"final: 'transformer' has a score that is not finite in a run not marked"):
        summarize(study(all_solved(final=final)))


def test_late_crossings_are_unconfirmed():
    summary = summarize(study(model("a", [[750], [800], [700], [NEVER]])))["models"]["a"]
    assert [row["unconfirmed"] for row in summary["runs"]] == [True, True, False, False]
    assert [row["solved"] for row in summary["runs"]] == [False, False, True, False]
    assert any(flag.startswith("2 of 4 runs reached the threshold too late") for flag in summary["flags"])


def test_one_seed_is_not_cross_fitted_and_decides_nothing():
    summary = summarize(study(model("a", [[400, 200, 600]]), model("b", [[NEVER] * 3])))
    a = summary["models"]["a"]
    assert a["chosen_learning_rates"] == [3e-3]
    assert not a["cross_fitted"]
    assert "one seed: its rate is its own validation best, not cross-fitted" in a["flags"]
    assert [row["method"] for row in summary["comparisons"]] == ["Clopper-Pearson", "no spread", "no spread"]
    assert all(row["low"] < 0 < row["high"] for row in summary["comparisons"])
    assert [row["p"] for row in summary["comparisons"]] == [1] * 3
    assert (
        "decide no difference from a (p < .05 after Holm's correction over 3 tests); 1 paired seeds cannot"
        not in (summary["verdict"])
    )
    assert "1 paired seed cannot, 7 are the fewest that could" in summary["verdict"]


def test_one_rate_has_no_edge():
    flags = summarize(study(model("a", [[200]] * 8)))["models"]["a"]["flags"]
    assert "one learning rate: none was chosen" in flags
    assert not any("of the grid" in flag for flag in flags)


@pytest.mark.parametrize(("place", "word"), [(0, "smallest"), (2, "largest")])
def test_a_rate_on_the_edge_is_flagged(place, word):
    row = [NEVER] * 3
    row[place] = 200
    flags = summarize(study(model("a", [row] * 8)))["models"]["a"]["flags"]
    assert sum(f"the {word} of the grid" in flag for flag in flags) == 1
    middle = summarize(study(model("a", [[NEVER, 200, NEVER]] * 8)))["models"]["a"]["flags"]
    assert not any("of the grid" in flag for flag in middle)


def test_flags_say_what_few_seeds_leave_open():
    flags = summarize(study(model("a", [[200]] * 5, match_note="nearest: 3 % off")))["models"]["a"]["flags"]
    assert "with n = 5 all solved the lower bound is .478" in flags
    assert "no spread over 5 seeds: steps and final score" in flags
    assert flags[0] == "nearest: 3 % off"
    none = summarize(study(none_solved()))["models"]["lstm"]["flags"]
    assert "with n = 8 none solved the upper bound is .369" in none


def test_no_threshold():
    a, b = all_solved("a", final=np.full((8, 3), 0.9)), none_solved("b")
    summary = summarize(study(a, b, threshold=None))
    m = summary["models"]["a"]
    assert [m[key] for key in ("solved_fraction", "restricted_mean_steps", "median_steps")] == [None] * 3
    assert {run["solved"] for run in m["runs"]} == {run["steps_to_solve"] for run in m["runs"]} == {None}
    assert [row["measure"] for row in summary["comparisons"]] == ["final"]
    assert summary["timing"]["a"]["restricted_mean_seconds"] is None
    assert summary["verdict"].startswith(
        "By final score on associative_recall after 800 steps, over 8 seeds: a .90 (.44 to .94) and b "
    )
    assert flips_note(summary) is None


def test_no_model_solved():
    summary = summarize(study(none_solved("a"), none_solved("b"), schedule="cosine"))
    assert summary["verdict"].startswith(
        "No model solved associative_recall within 800 steps of a cosine schedule, over 8 seeds; final scores: a "
    )
    alone = summarize(study(none_solved("gru")))["verdict"]
    assert alone.startswith("gru did not solve associative_recall within 800 steps")
    assert "decide" not in alone


def test_identical_models_are_undecided_not_equal():
    summary = summarize(study(all_solved("a"), all_solved("b")))
    assert [row["difference"] for row in summary["comparisons"]] == [0] * 3
    assert [row["p"] for row in summary["comparisons"]] == [1] * 3
    assert summary["verdict"].endswith(
        "The data decide no difference from a (p < .05 after Holm's correction over 3 tests)."
    )
    assert "equal" not in summary["verdict"]


def test_p_is_adjusted_over_the_whole_grid():
    """Eight seeds decide six tests and not nine: 9 x 2/256 is .07."""
    two = summarize(study(all_solved(), none_solved("b"), none_solved("c")))
    assert [row["p"] for row in two["comparisons"]] == [pytest.approx(6 * FIRST_LOOK * 2 / 256)] * 6
    assert "that b and c solved fewer seeds, took more steps and scored lower." in two["verdict"]
    three = summarize(study(all_solved(), *(none_solved(name) for name in "bcd")))
    assert [row["p"] for row in three["comparisons"]] == [pytest.approx(9 * FIRST_LOOK * 2 / 256)] * 9
    assert "8 paired seeds cannot, 9 are the fewest that could" in three["verdict"]


def test_timing_stands_apart():
    results = study(all_solved(seconds=24.0), none_solved())
    summary = summarize(results)
    a_step = 24 / (24 * 800)
    timing = summary["timing"]["transformer"]
    assert timing["seconds_per_step"] == pytest.approx(a_step)
    steps = summary["models"]["transformer"]["restricted_mean_steps"]
    assert timing["restricted_mean_seconds"] == {
        **{key: pytest.approx(steps[key] * a_step) for key in ("value", "low", "high")},
        "method": "Student t",
    }
    slower = summarize(study(all_solved(seconds=99.0), none_solved()))
    assert slower["timing"] != summary["timing"]
    assert {**slower, "timing": None} == {**summary, "timing": None}


def test_the_order_by_seconds_may_flip():
    a, b = model("a", [[200]] * 8, seconds=80.0), model("b", [[300]] * 8, seconds=16.0)
    note = flips_note(summarize(study(a, b)))
    assert note == (
        "By seconds the order flips: a takes fewer steps than b (200 against 300) "
        "but more seconds (2 against 0.75, within the 2 s a run that both had)."
    )
    assert flips_note(summarize(study(a, dataclasses.replace(b, seconds=80.0)))) is None


def test_a_cheap_model_that_never_solves_is_not_fast():
    a, b = model("a", [[400]] * 8, seconds=80.0), model("b", [[NEVER]] * 8, seconds=8.0)
    summary = summarize(study(a, b))
    means = [summary["timing"][name]["restricted_mean_seconds"]["value"] for name in "ab"]
    assert means[1] < means[0]  # what a naive comparison would take for a flip
    assert flips_note(summary) is None


NOTHING = {"loss": Measured(np.full((8, 3, 16), np.nan), np.full((8, 3), np.nan), np.full((8, 3, 2), np.nan))}
NASTY = {
    "plain": study(all_solved(), none_solved()),
    "one of everything": study(model("a", [[200]])),
    "no evaluation held": study(model("a", [[800]] * 3), model("b", [[NEVER]] * 3)),
    "all diverged": study(all_solved(diverged=np.ones((8, 3), bool), final=np.full((8, 3), np.nan), measured=NOTHING)),
    "no threshold": study(all_solved(), none_solved(), threshold=None),
    "numpy scalars": study(all_solved(parameters=np.int64(3), seconds=np.float32(1)), budget=np.int64(800)),
    "markup": study(all_solved("<script>"), none_solved("[bold]")),
}


@pytest.mark.parametrize("name", NASTY)
def test_every_summary_is_json_without_nan_and_the_same_twice(name):
    text = json.dumps(summarize(NASTY[name]), allow_nan=False)
    assert text == json.dumps(summarize(NASTY[name]), allow_nan=False)
    assert json.loads(text) == summarize(NASTY[name])


def test_scores_keep_to_what_the_metric_allows():
    """Accuracies of 0 to 1 with chance .25 are scores of -1/3 to 1; losses have no upper limit, so scores no lower."""
    accuracy = study(all_solved())
    assert accuracy.score_limits([6]) == (pytest.approx(-1 / 3), 1)
    one = summarize(study(model("a", [[200]], final=0.5)))["models"]["a"]["final"]
    assert (one["low"], one["high"]) == (pytest.approx(-1 / 3), pytest.approx(1))  # of one seed's middle half: nothing
    loss = study(model("a", [[200]] * 8), metric="mse", best={6: 0.0, 12: 0.0})
    assert loss.score_limits([6]) == (-math.inf, 1)
    assert [summarize(loss)["models"]["a"]["final"][key] for key in ("value", "low", "high")] == [1, None, 1]


def test_the_reference_must_be_there():
    with pytest.raises(ValueError, match=r"reference: got 'rnn', wanted one of transformer, lstm"):
        summarize(study(all_solved(), none_solved(), reference="rnn"))


def test_the_direction_of_a_difference_is_a_minus_b():
    summary = summarize(study(none_solved("slow"), all_solved("fast")))
    assert [math.copysign(1, row["difference"]) for row in summary["comparisons"]] == [1, -1, 1]
    assert "fast solved more seeds, took fewer steps and scored higher" in summary["verdict"]


def test_a_probe_is_told_in_its_single_numbers_at_both_ends():
    good = all_solved()
    ends = {"slope": good.final + np.arange(8)[:, None], "gradient": good.final[..., None]}
    lost = {"slope": np.where(np.arange(8)[:, None] == 3, np.nan, good.final)}
    probes = {"flow": {0: lost, 50: ends, 800: ends}}
    told = summarize(study(dataclasses.replace(good, probes=probes)))["models"]["transformer"]["probes"]
    assert told == {"flow": {"start": {"slope": None}, "end": {"slope": told["flow"]["end"]["slope"]}}}
    assert told["flow"]["end"]["slope"]["value"] == 1 + np.mean([2, 3, 4, 5])


def test_a_probes_interval_stays_within_what_its_number_can_be():
    """Of the package's own probes; of a user's nothing is known."""
    good = all_solved()
    seldom = good.final * (np.arange(8)[:, None] % 2)
    ends = {"exploding": seldom, "all": seldom, "mine": seldom}
    probes = {"gradient_norms": {800: ends}, "Mine": {800: ends}}
    told = summarize(study(dataclasses.replace(good, probes=probes)))["models"]["transformer"]["probes"]
    own, others = told["Mine"]["end"], told["gradient_norms"]["end"]
    assert own["exploding"]["low"] < 0 and own["exploding"]["high"] > 1
    assert (others["exploding"]["low"], others["exploding"]["high"]) == (0, 1)
    assert others["all"]["low"] == 0 and others["all"]["high"] == own["all"]["high"]
