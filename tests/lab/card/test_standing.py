"""Where eight scores stand: exact tests against their enumeration, ranks, the nearest, the seeds that would decide."""

import itertools

import numpy as np
import pytest
from invented_card import TASKS, baselines, standing_like, tasks_like

from attn_jax.lab.card.standing import distances, held_against, ranks_of, seeds_to_decide
from attn_jax.lab.outcome.paired import holm


def enumerated_p(a, b):
    """Of the ways to hand the scores out anew, twice the share whose difference lies as far on the side that was."""
    both, n = np.concatenate([a, b]), len(a)
    taken = np.array([*itertools.combinations(range(len(both)), n)])
    means = both[taken].mean(1)
    apart = means - (both.sum() - n * means) / len(b)
    seen = np.mean(a) - np.mean(b)
    close = 1e-12
    return min(1.0, 2 * min((apart >= seen - close).mean(), (apart <= seen + close).mean()))


def test_a_renamed_gru_is_no_other_and_the_nearest_is_the_gru():
    found = standing_like("gru")
    rows = found["tests"]
    assert len(rows) == 24
    assert {row["outcome"] for row in rows if row["rival"] == "gru"} == {"undecided"}
    assert next(iter(found["nearest"])) == "gru"
    for row in rows:
        assert row["mean"] - row["other"] == pytest.approx(row["difference"], abs=2e-6)
        assert row["low"] <= row["difference"] <= row["high"]


def test_p_is_that_of_all_4845_ways_adjusted_over_24_tests():
    tasks, others = tasks_like("gru"), baselines()
    rows = standing_like("gru")["tests"]
    exact = [
        enumerated_p(tasks[row["task"]]["scores"], others[row["rival"]]["tasks"][row["task"]]["scores"]) for row in rows
    ]
    np.testing.assert_allclose([row["p"] for row in rows], holm(exact), atol=1e-6)
    assert min(exact) == pytest.approx(2 / 4845)
    decided = next(row for row in rows if row["task"] == "running_parity" and row["rival"] == "attention")
    assert (decided["outcome"], decided["p"] < 0.01, decided["seeds_to_decide"]) == ("more", True, None)


def test_what_is_missing_is_not_tested_nor_near():
    tasks, others = tasks_like("gru"), baselines()
    del others["lstm"], others["gru"]["tasks"]["s3_words"]
    few = {task: tasks[task] for task in ("s3_words", "copy_memory")}
    assert [(row["task"], row["rival"]) for row in held_against(few, others)] == [
        ("s3_words", "attention"),
        ("copy_memory", "attention"),
        ("copy_memory", "gru"),
    ]
    assert "gru" not in distances(tasks, others)
    assert held_against(tasks, {}) == []
    assert distances({}, others) == {}


def test_ranks_count_those_that_are_better():
    ranks = ranks_of(tasks_like("attention", running_parity=0.5), baselines())
    assert ranks["running_parity"]["place"] == 3  # after the LSTM and the GRU
    assert (ranks["running_parity"]["best"], ranks["running_parity"]["of"]) == ("gru", 5)
    assert ranks.keys() == set(TASKS)


@pytest.mark.parametrize(
    "scores", [[0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.1], [0.1, 0.1, 0.1, 0.1, 0.3, 0.2, 0.3]]
)  # rounded down, and up
def test_means_that_differ_in_the_order_of_their_sums_share_a_place(scores):
    others = {"gru": {"tasks": {"s3_words": {"scores": scores[::-1]}}}}
    assert np.mean(scores) != np.mean(scores[::-1])
    for own, other in ((scores, scores[::-1]), (scores[::-1], scores)):
        others["gru"]["tasks"]["s3_words"]["scores"] = other
        assert ranks_of({"s3_words": {"scores": own}}, others)["s3_words"]["place"] == 1


def test_more_seeds_are_wanted_the_smaller_the_difference():
    rng = np.random.default_rng(0)
    other = (0.5 + 0.05 * rng.normal(size=16)).tolist()
    near, far = (seeds_to_decide([0.5 + d, 0.6 + d, 0.4 + d, 0.55 + d], other, 0.002) for d in (0.08, 0.16))
    assert far is not None
    assert near is None or near > far
    assert seeds_to_decide([0.5, 0.5], [0.5, 0.5], 0.002) is None
