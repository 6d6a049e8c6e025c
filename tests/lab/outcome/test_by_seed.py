"""A study read seed by seed, and at a smaller budget, against a study that ended there."""

from dataclasses import replace

import numpy as np
import pytest
from test_summary import NEVER, model, study

from attn_jax.lab.outcome.by_seed import (
    at_chosen_rate,
    at_length,
    beyond,
    diverged,
    from_rows,
    measured,
    read_at,
    solved_at_each_rate,
)


def test_each_seed_at_its_rate():
    a = model("a", [[200, NEVER]] * 3, np.array([[0.9, 0.1]] * 3))
    b = model("b", [[NEVER, 100]] * 3, np.array([[0.2, 1.0]] * 3))
    results = study(a, b)
    assert measured(results, "solved")["b"].tolist() == [True] * 3
    assert measured(results, "steps")["a"].tolist() == [200] * 3
    assert measured(results, "final")["b"].tolist() == [1.0] * 3
    assert solved_at_each_rate(results)["a"].tolist() == [[True, False]] * 3
    assert at_chosen_rate(results, {"a": np.arange(6).reshape(3, 2)})["a"].tolist() == [0, 2, 4]
    assert not diverged(results)["a"].any()


def test_a_smaller_budget_knows_nothing_of_what_came_after():
    results = study(model("a", [[100], [300]]), model("b", [[NEVER], [100]]))
    steps = results.evaluated_at
    early = read_at(results, int(steps[steps >= 200][0]))
    assert early.evaluated_at[-1] == early.budget < results.budget
    assert measured(results, "solved")["a"].tolist() == [True, True]
    assert measured(early, "solved")["a"].tolist() == [True, False]
    assert measured(early, "steps")["a"].tolist() == [100, early.budget]
    assert measured(early, "final")["b"].tolist() == early.models["b"].score[:, 0, -1].tolist()
    with pytest.raises(ValueError, match="budget: got 7, wanted a step of an evaluation"):
        read_at(results, 7)


def test_lengths_beyond_those_trained_on_are_read_apart():
    one = model("a", [[NEVER]] * 2, np.array([[0.5]] * 2))
    results = study(one)
    low, *_, high = results.curve_lengths
    scores = np.arange(2 * len(results.curve_lengths), dtype=float).reshape(2, 1, -1)
    changed = replace(one, length_score=scores, diverged=np.array([[False], [True]]))
    told = replace(results, models={"a": changed}, train_lengths=(low, low))
    assert at_length(told, low)["a"].tolist() == [0.0, 0.0]
    assert at_length(told, high)["a"].tolist() == [scores[0, 0, -1], 0.0]  # a run that diverged is at chance
    assert beyond(told)["a"].tolist() == [scores[0, 0, 1:].mean(), 0.0]
    with pytest.raises(ValueError, match=f"evaluate.lengths: got .*, wanted some above {high}"):
        beyond(replace(told, train_lengths=(low, high)))


def test_rows_are_put_in_the_order_of_their_seeds():
    rows = [{"cell": cell, "seed": seed, "x": 10 * seed} for cell in "ab" for seed in (102, 100, 101)]
    assert {name: values.tolist() for name, values in from_rows(rows, "x", "cell").items()} == {
        "a": [1000, 1010, 1020],
        "b": [1000, 1010, 1020],
    }
    with pytest.raises(ValueError, match="two of '' have one seed"):
        from_rows(rows, "x")
