"""Who solved the task, and which rate stands for a seed."""

from fractions import Fraction

import numpy as np
import pytest

from attn_jax.lab.outcome.selection import cross_fitted_rates, solved_and_held

NAN, INF = float("nan"), float("inf")
STEPS = np.arange(50, 450, 50)

# (scores, solved, unconfirmed, step)
RUNS = {
    "from the start": ([1, 1, 1, 1, 1, 1, 1, 1], True, False, 50),
    "held for exactly two more": ([0, 1, 1, 1, 0, 0, 0, 0], True, False, 100),
    "lost once, then held": ([0, 1, 1, 0, 1, 1, 1, 0], True, False, 250),
    "never": ([0.9] * 8, False, False, INF),
    "exactly the threshold": ([0, 0, 0.95, 0.95, 0.95, 0, 0, 0], True, False, 150),
    "the last that can be confirmed": ([0, 0, 0, 0, 0, 1, 1, 1], True, False, 300),
    "crossed in the last but one": ([0, 0, 0, 0, 0, 0, 1, 1], False, True, INF),
    "crossed in the last": ([0, 0, 0, 0, 0, 0, 0, 1], False, True, INF),
    "crossed in the last but one and fell": ([0, 0, 0, 0, 0, 0, 1, 0], False, False, INF),
    "flickers": ([1, 1, 0, 1, 1, 0, 1, 0], False, False, INF),
    "solved, then diverged": ([1, 1, 1, 1, NAN, NAN, NAN, NAN], False, False, INF),
    "diverged at the end": ([1, 1, 1, 1, 1, 1, 1, NAN], False, False, INF),
    "infinite": ([1, 1, 1, 1, 1, 1, 1, INF], False, False, INF),
}


@pytest.mark.parametrize("name", RUNS)
def test_solved_means_held(name):
    score, solved, unconfirmed, step = RUNS[name]
    result = solved_and_held(np.array(score), 0.95, STEPS)
    assert (bool(result.solved), bool(result.unconfirmed), float(result.steps_to_solve)) == (solved, unconfirmed, step)


@pytest.mark.parametrize("chance", [Fraction(0), Fraction(1, 3), Fraction(1, 10), Fraction(7, 17)])
def test_a_share_that_is_exactly_the_threshold_reaches_it(chance):
    """Every k of n right, as the lab normalises it, against the same in fractions."""
    shares = [Fraction(k, n) for n in range(1, 121) for k in range(n + 1)]
    scores = [(float(share) - float(chance)) / (1 - float(chance)) for share in shares]
    solved = solved_and_held(np.tile(np.array(scores)[:, None], 3), 0.95, np.arange(3)).solved
    assert solved.tolist() == [(share - chance) / (1 - chance) >= Fraction(19, 20) for share in shares]


def test_runs_are_judged_alone():
    scores = np.array([run[0] for run in RUNS.values()]).reshape(1, len(RUNS), 8)
    result = solved_and_held(scores, 0.95, STEPS)
    assert result.steps_to_solve.shape == (1, len(RUNS))
    assert result.steps_to_solve[0].tolist() == [run[3] for run in RUNS.values()]


def test_best_so_far_is_refused_by_the_flickering_run():
    """The broken twin: crossing once is not solving."""
    score = np.array(RUNS["flickers"][0])
    assert (np.maximum.accumulate(score) >= 0.95).all()
    assert not solved_and_held(score, 0.95, STEPS).solved


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_than_three_evaluations_confirm_nothing(count):
    result = solved_and_held(np.ones((2, count)), 0.95, STEPS[:count])
    assert not result.solved.any()
    assert result.unconfirmed.all()


@pytest.mark.parametrize(("shape", "steps"), [((2, 3), STEPS), ((2, 0), STEPS[:0])])
def test_scores_and_steps_must_agree(shape, steps):
    with pytest.raises(ValueError, match=r"score: got shape .*wanted"):
        solved_and_held(np.ones(shape), 0.95, steps)


def rates_by_loops(solved, steps, loss, budget):
    """The rule read aloud, seed by seed."""
    seeds, rates = np.shape(solved)
    chosen = []
    for seed in range(seeds):
        others = [s for s in range(seeds) if s != seed] or [seed]
        keys = []
        for rate in range(rates):
            count = sum(bool(solved[s][rate]) for s in others)
            spent = sum(min(steps[s][rate], budget) for s in others)
            losses = [loss[s][rate] if np.isfinite(loss[s][rate]) else INF for s in others]
            keys.append((-count, spent, sum(losses), rate))
        chosen.append(min(keys)[-1])
    return chosen


@pytest.mark.parametrize("seed", range(20))
def test_cross_fitting_follows_the_rule(seed):
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 9)), int(rng.integers(1, 5)))
    solved = rng.random(shape) < 0.6
    steps = np.where(solved, rng.integers(1, 4, shape) * 100.0, INF)
    loss = np.where(rng.random(shape) < 0.2, NAN, rng.integers(0, 3, shape).astype(float))
    choice = cross_fitted_rates(solved, steps, loss, 800)
    assert choice.places.tolist() == rates_by_loops(solved, steps, loss, 800)
    assert choice.cross_fitted == (shape[0] > 1)


def test_ties_go_to_the_smaller_rate():
    shape = (4, 3)
    choice = cross_fitted_rates(np.zeros(shape, bool), np.full(shape, INF), np.full(shape, NAN), 800)
    assert choice.places.tolist() == [0] * 4


def test_a_rate_that_diverged_loses_only_ties():
    loss = np.array([[NAN, 0.5], [0.1, 0.5], [0.1, 0.5]])
    unsolved = cross_fitted_rates(np.zeros((3, 2), bool), np.full((3, 2), INF), loss, 800)
    assert unsolved.places.tolist() == [0, 1, 1]
    solved = np.array([[False, False], [True, False], [True, False]])
    assert cross_fitted_rates(solved, np.where(solved, 100, INF), loss, 800).places.tolist() == [0, 0, 0]


def test_best_of_n_is_biased_and_cross_fitting_is_not():
    """Eight equal rates, losses of noise with mean 0: what a seed reports must have mean 0."""
    rng = np.random.default_rng(0)
    fitted, own = [], []
    for _ in range(400):
        noise = rng.normal(size=(8, 8))
        never = np.zeros((8, 8), bool)
        choice = cross_fitted_rates(never, np.full((8, 8), INF), noise, 800)
        fitted.append(noise[np.arange(8), choice.places].mean())
        own.append(noise.min(axis=1).mean())
    assert abs(np.mean(fitted)) < 0.1  # a standard error is about .03
    assert np.mean(own) < -1.3


def test_a_seeds_own_luck_does_not_choose_its_rate():
    solved = np.zeros((4, 2), bool)
    solved[0, 1] = True  # seed 0 alone solved at the larger rate
    choice = cross_fitted_rates(solved, np.where(solved, 100.0, INF), np.zeros((4, 2)), 800)
    assert choice.places.tolist() == [0, 1, 1, 1]


def test_no_runs_and_unequal_shapes_are_refused():
    with pytest.raises(ValueError, match=r"got shapes \(0, 2\)"):
        cross_fitted_rates(np.zeros((0, 2), bool), np.zeros((0, 2)), np.zeros((0, 2)), 800)
    with pytest.raises(ValueError, match=r"wanted \[S, A\] thrice"):
        cross_fitted_rates(np.zeros((3, 2), bool), np.zeros((3, 2)), np.zeros((3, 1)), 800)
