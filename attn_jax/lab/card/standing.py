"""Where a mixer's eight scores stand: tested against attention, LSTM and GRU, ranked among all, nearest to one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from attn_jax.lab.card.relabelled import read_runs, relabelled_p
from attn_jax.lab.outcome.between import welch_interval
from attn_jax.lab.outcome.paired import holm

RIVALS = ("attention", "lstm", "gru")
LEVEL = 0.05
_DIGITS = 6
_MOST_SEEDS, _POWER, _DRAWS = 64, 0.8, 400

Tasks = Mapping[str, Mapping[str, Any]]  # {task: {"scores", "every_run", "limits", "steps", ...}}
Mixers = Mapping[str, Mapping[str, Any]]  # {mixer: {"tasks": Tasks}}


def held_against(tasks: Tasks, baselines: Mixers) -> list[dict[str, Any]]:
    """A row a task and rival: the two means, the difference, its interval, p after Holm over all of them, the outcome.

    The seeds are two samples, tested by saying anew whose each is, `relabelled_p`: with 4 against 16 all 4,845 ways are
    counted, and the smallest p is .0004. The interval is Welch's, of the scores as they were chosen.

    Args:
      tasks: of the card.
      baselines: those that may be compared.
    """
    pairs = [
        (task, rival, one, baselines[rival]["tasks"][task])
        for task, one in tasks.items()
        for rival in RIVALS
        if task in baselines.get(rival, {"tasks": {}})["tasks"]
    ]
    apart = [welch_interval(one["scores"], other["scores"], tuple(one["limits"])) for _, _, one, other in pairs]
    p_values = [_p(one, other) for *_, one, other in pairs]
    adjusted = holm(p_values) if pairs else []
    return [
        {
            "task": task,
            "rival": rival,
            "mean": _rounded(np.mean(one["scores"])),
            "other": _rounded(np.mean(other["scores"])),
            "difference": _rounded(difference.value),
            "low": _rounded(difference.low),
            "high": _rounded(difference.high),
            "method": difference.method,
            "p": _rounded(p),
            "outcome": _outcome(difference.value, p),
            "seeds_to_decide": _more_seeds(one, other, p, LEVEL / len(pairs)),
        }
        for (task, rival, one, other), difference, p in zip(pairs, apart, adjusted, strict=True)
    ]


def _p(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Of a card's task and a rival's, before Holm."""
    return relabelled_p(read_runs(one["every_run"]), read_runs(other["every_run"]), one["steps"])


def _more_seeds(one: Mapping[str, Any], other: Mapping[str, Any], p: float, level: float) -> int | None:
    """What would decide, of what is not decided."""
    return None if p < LEVEL else seeds_to_decide(one["scores"], other["scores"], level)


def _outcome(difference: float, p: float) -> str:
    """What is decided."""
    return "undecided" if p >= LEVEL else "more" if difference > 0 else "less"


def ranks_of(tasks: Tasks, baselines: Mixers) -> dict[str, dict[str, Any]]:
    """Of each task the place of the card's mean among all means there are, and the best of the others.

    Means that agree to six digits share a place.

    >>> ranks_of({"a": {"scores": [0.5]}}, {"gru": {"tasks": {"a": {"scores": [0.25]}}}})
    {'a': {'place': 1, 'of': 2, 'best': 'gru', 'best_score': 0.25}}
    """
    found = {}
    for task, one in tasks.items():
        means = dict(_means(task, baselines))
        if means:
            own, best = _rounded(np.mean(one["scores"])), max(means, key=lambda name: means[name])
            place = 1 + sum(mean > own for mean in means.values())
            found[task] = {"place": place, "of": 1 + len(means), "best": best, "best_score": means[best]}
    return found


def distances(tasks: Tasks, baselines: Mixers) -> dict[str, float]:
    """How far each mixer's mean scores lie from the card's, the root of the mean square over all tasks, nearest first.

    Mixers that lack one of the card's tasks have none.

    >>> distances({"a": {"scores": [0.5]}}, {"gru": {"tasks": {"a": {"scores": [0.25, 0.75]}}}, "new": {"tasks": {}}})
    {'gru': 0.0}
    """
    found = {}
    for name, entry in baselines.items():
        if tasks and tasks.keys() <= entry["tasks"].keys():
            apart = [np.mean(one["scores"]) - np.mean(entry["tasks"][task]["scores"]) for task, one in tasks.items()]
            found[name] = _rounded(np.sqrt(np.mean(np.square(apart))))
    return dict(sorted(found.items(), key=lambda item: (item[1], item[0])))


def seeds_to_decide(own: Sequence[float], other: Sequence[float], level: float) -> int | None:
    """The fewest seeds of the card's with which its mean would be told from the other's, four times of five.

    Simulated: seeds are drawn from those seen, spread as the seeds they stand for, and tested by Welch's t against the
    other's as they are.

    Args:
      own: scores of the card.
      other: those of the rival.
      level: what p must be below.

    Returns:
      The count, None where none up to 64 would do.

    >>> seeds_to_decide([0.5, 0.6, 0.7, 0.8], [0.4] * 15 + [0.5], 0.002) < 16
    True
    """
    mine, theirs, count = np.asarray(own, float), np.asarray(other, float), len(own)
    if count < 2 or mine.mean() == theirs.mean():
        return None
    places = np.random.default_rng(0).integers(0, count, (_DRAWS, _MOST_SEEDS))
    drawn = mine.mean() + (mine - mine.mean())[places] * (count / (count - 1)) ** 0.5
    enough = (n for n in range(count + 1, _MOST_SEEDS + 1) if _power(drawn[:, :n], theirs, level) >= _POWER)
    return next(enough, None)


def _power(drawn: np.ndarray, other: np.ndarray, level: float) -> float:
    """The share of simulated cards [D, n] that Welch's test tells from the other, on the side that was seen."""
    from scipy import special

    errors = drawn.var(1, ddof=1) / drawn.shape[1], other.var(ddof=1) / len(other)
    total = np.maximum(errors[0] + errors[1], np.finfo(float).tiny)
    squares = errors[0] ** 2 / (drawn.shape[1] - 1) + errors[1] ** 2 / (len(other) - 1)
    freedom = np.maximum(total**2 / np.maximum(squares, np.finfo(float).tiny), 1)
    p = 2 * special.stdtr(freedom, -np.abs(drawn.mean(1) - other.mean()) / np.sqrt(total))
    return float((p < level).mean())


def _means(task: str, baselines: Mixers) -> Iterator[tuple[str, float]]:
    for name, entry in baselines.items():
        if task in entry["tasks"]:
            yield name, _rounded(np.mean(entry["tasks"][task]["scores"]))


def _rounded(value: Any) -> float:
    return round(float(value), _DIGITS)
