"""A study's outcome in plain sentences: the verdict, and what to know before believing it.

No sentence says more than its interval or its test does: "not decided" is not "equal".
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from attn_jax.lab.outcome.decide import Decided
from attn_jax.lab.outcome.looks import look_factor, look_in_words
from attn_jax.lab.outcome.paired import fewest_seeds
from attn_jax.lab.outcome.results import ModelResult, Results
from attn_jax.lab.outcome.selection import ChosenRates, chosen_runs
from attn_jax.lab.outcome.words import decimal, listing, ranked
from attn_jax.names import counted

_ALARM = 0.001  # of a score above the best possible, one model of a thousand that are as good as can be
_LONE_NOISE = 0.1
_ROUNDING = 1e-6
# measure -> what a did where a - b is positive, what where negative, and its name
_WORDS = {
    "solved": ("solved more seeds", "solved fewer seeds", "solved seeds"),
    "steps": ("took more steps", "took fewer steps", "steps"),
    "final": ("scored higher", "scored lower", "final score"),
}


def verdict(results: Results, models: Mapping[str, Any], decided: Sequence[Decided]) -> str:
    """Who solved the task in how many seeds and steps, and which differences the data decide.

    Args:
      results: the study.
      models: the summary's models.
      decided: the tests of all other models against the reference.

    Returns:
      One to three sentences of plain text. Names are the user's: whoever writes markup escapes them.
    """
    sentences = [_outcome(results, models)]
    if decided:
        seeds = len(next(iter(models.values()))["chosen_learning_rates"])
        sentences += [_decisions(results, decided, seeds), *_seeds_to_decide(decided)]
    return " ".join(sentences)


def flags(model: ModelResult, choice: ChosenRates, summary: Mapping[str, Any]) -> list[str]:
    """Sentences that qualify one model's numbers.

    Args:
      model: its results.
      choice: the rate of each seed.
      summary: its entry in the summary, without the flags.
    """
    candidates = [
        above_best_flag(model, choice, summary["final"]["value"]),
        model.match_note,
        *_rate_flags(model, choice),
        _bound_flag(summary["solved_fraction"]),
        _spread_flag(summary),
        _count_flag(summary, "unconfirmed", "reached the threshold too late to be confirmed: not counted as solved"),
        _count_flag(summary, "diverged", "diverged: kept, unsolved to the budget, final score 0"),
    ]
    return [flag for flag in candidates if flag]


def _outcome(results: Results, models: Mapping[str, Any]) -> str:
    """The first sentence."""
    seeds = len(next(iter(models.values()))["chosen_learning_rates"])
    trials = counted(seeds, "seed")
    budget = counted(results.budget, "step") + (" of a cosine schedule" if results.schedule == "cosine" else "")
    by_score = sorted(models, key=lambda name: -models[name]["final"]["value"])
    scores = listing([f"{name} {_range(models[name]['final'], decimal)}" for name in by_score])
    if results.threshold is None:
        return f"By final score on {results.task} after {budget}, over {trials}: {scores}."
    if not any(model["solved_fraction"]["value"] for model in models.values()):
        failed = "No model solved" if len(models) > 1 else f"{by_score[0]} did not solve"
        return f"{failed} {results.task} within {budget}, over {trials}; final scores: {scores}."
    best = ranked(models)
    counts = listing([f"{name} in {_solved(models[name])}" for name in best])
    return f"Of {trials} within {budget}, {results.task} was solved by {counts}."


def _solved(model: Mapping[str, Any]) -> str:
    """How many seeds solved the task, and when."""
    count = round(model["solved_fraction"]["value"] * model["solved_fraction"]["n"])
    if not count:
        return "0"
    value, low, high = (f"{model['restricted_mean_steps'][key]:.0f}" for key in ("value", "low", "high"))
    return f"{count} (restricted mean {value} steps{'' if low == high else f', {low} to {high}'})"


def _decisions(results: Results, decided: Sequence[Decided], seeds: int) -> str:
    """The second sentence: what is decided, and what is not."""
    starts, look = any(model.start for model in results.models.values()), results.look
    reference = results.reference + " of the same start" * starts
    tests = f"p < .05 after Holm's correction over {counted(len(decided), 'test')}{look_in_words(look)}"
    needed = fewest_seeds(len(decided) * look_factor(look))
    if all(one.outcome == "undecided" for one in decided):
        paired = counted(seeds, "paired seed")
        unable = f"; {paired} cannot, {needed} are the fewest that could" if seeds < needed else ""
        return f"The data decide no difference from {reference} ({tests}){unable}."
    known, open_ = _by_phrase(decided, undecided=False), _by_phrase(decided, undecided=True)
    clauses = [f"{listing(names)} {phrase}" for phrase, names in known.items()]
    sentence = f"Against {reference} the data decide ({tests}) that {'; '.join(clauses)}"
    if open_:
        sentence += "; not decided: " + "; ".join(f"for {listing(names)} {phrase}" for phrase, names in open_.items())
    return sentence + "."


def _by_phrase(decided: Sequence[Decided], *, undecided: bool) -> dict[str, list[str]]:
    """What is (not) decided -> the models of which it holds."""
    words: dict[str, list[str]] = {}
    for one in decided:
        if (one.outcome == "undecided") == undecided:
            more, less, noun = _WORDS[one.test.measure]
            words.setdefault(one.test.a, []).append(noun if undecided else more if one.difference > 0 else less)
    phrases: dict[str, list[str]] = {}
    for name, said in words.items():
        phrases.setdefault(listing(said), []).append(name)
    return phrases


def _seeds_to_decide(decided: Sequence[Decided]) -> list[str]:
    """The third sentence, where some number of seeds would decide what is undecided."""
    undecided = [one for one in decided if one.outcome == "undecided"]
    counts = sorted(one.seeds_to_decide for one in undecided if one.seeds_to_decide is not None)
    if not counts:
        return []
    span = f"{counts[0]}" if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
    which = "" if len(counts) == len(undecided) else f" {len(counts)} of the {len(undecided)} tests"
    effects = "effect" if len(counts) == 1 else "effects"
    return [f"Undecided: about {span} seeds would decide{which} at the {effects} seen."]


def above_best_flag(model: ModelResult, choice: ChosenRates, final: float) -> str | None:
    """Where a model scores better, `final`, than the best possible by more than the noise of its data.

    Every batch that a final score is the mean of is fresh data, of each seed its own, so no batch of a model that sees
    only what it may has a mean above 1. Their mean is held against 1 by a one-sided t-test at p = .001 over seeds x
    batches: what else differs between batches and seeds widens it. One batch alone has no known noise; there .1 is
    allowed.
    """
    if model.final_batches is None:
        return None
    scores = model.final_batches[np.arange(len(choice.places)), choice.places].ravel()
    scores = scores[np.isfinite(scores)]
    if not scores.size or scores.mean() <= 1 + (_LONE_NOISE if scores.size == 1 else _ROUNDING):
        return None
    from scipy import stats

    n = scores.size
    noise = stats.t.ppf(1 - _ALARM, n - 1) * scores.std(ddof=1) / n**0.5 if n > 1 else _LONE_NOISE
    if scores.mean() - noise <= 1 + _ROUNDING:
        return None
    return (
        f"a final score of {final:.4g} is above 1, the best possible, by more than its noise "
        f"({noise:.2g}): the model sees what it is to foretell, or the task's best is wrong"
    )


def _rate_flags(model: ModelResult, choice: ChosenRates) -> list[str]:
    """What to know of the choice of the learning rate."""
    rates, seeds = model.learning_rates, len(choice.places)
    if len(rates) == 1:
        return ["one learning rate: none was chosen"]
    edges = [(0, "smallest", "below"), (len(rates) - 1, "largest", "above")]
    found = [(int((choice.places == place).sum()), place, word, side) for place, word, side in edges]
    said = [
        f"the rate chosen for {count} of {counted(seeds, 'seed')}, {rates[place]:g}, is the {word} of the grid: "
        f"a better one may lie {side}"
        for count, place, word, side in found
        if count
    ]
    if not choice.cross_fitted:
        said.append("one seed: its rate is its own validation best, not cross-fitted")
    return said


def _bound_flag(fraction: Mapping[str, Any] | None) -> str | None:
    """What all or none of few seeds still leaves open."""
    if fraction is None or 0 < fraction["value"] < 1:
        return None
    if fraction["value"] == 1:
        return f"with n = {fraction['n']} all solved the lower bound is {decimal(fraction['low'], 3)}"
    return f"with n = {fraction['n']} none solved the upper bound is {decimal(fraction['high'], 3)}"


def _spread_flag(summary: Mapping[str, Any]) -> str | None:
    """Where all seeds agree an interval is what the limits of the measure leave."""
    seeds = len(summary["chosen_learning_rates"])
    if seeds == 1:
        return "one seed: no spread; an interval is what the limits of its measure leave"
    runs = chosen_runs(summary)
    measures = {"steps": "steps_to_solve", "final score": "final"}
    timed = summary["solved_fraction"] is not None
    agreed = [
        name for name, key in measures.items() if (timed or key == "final") and len({run[key] for run in runs}) == 1
    ]
    return f"no spread over {counted(seeds, 'seed')}: {listing(agreed)}" if agreed else None


def _count_flag(summary: Mapping[str, Any], outcome: str, meaning: str) -> str | None:
    """How many of all runs ended so."""
    count = sum(bool(run[outcome]) for run in summary["runs"])
    return f"{count} of {counted(len(summary['runs']), 'run')} {meaning}" if count else None


def _range(interval: Mapping[str, Any], write: Callable[[float], str]) -> str:
    """A value and its interval; the value alone where a bound is missing."""
    if None in (interval["low"], interval["high"]):
        return write(interval["value"])
    value, low, high = (write(interval[key]) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"
