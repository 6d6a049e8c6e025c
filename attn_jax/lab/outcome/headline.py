"""The first sentence of a study's outcome, for a reader of no other: who solved the task, in how many runs, and when.

It gives counts, which are facts. That a model differs from another it leaves to the tests, and says where none decides.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attn_jax.lab.outcome.selection import chosen_runs
from attn_jax.lab.outcome.words import decimal, has_threshold, listing, ranked
from attn_jax.names import counted

MOST = 4  # names in a row; of more the first ones, and the number of the rest
SCALE = "where 0 is the floor and 1 the best possible"
_PROPER = {
    **{"transformer": "transformer", "rnn": "RNN", "gru": "GRU", "lstm": "LSTM", "lru": "LRU", "s4d": "S4D"},
    **{"min_gru": "minGRU", "min_lstm": "minLSTM", "mlstm": "mLSTM", "slstm": "sLSTM"},
}


def headline(models: Mapping[str, Any], comparisons: Sequence[Mapping[str, Any]]) -> str:
    """The outcome as one would tell it: one sentence, and another where no test decides what it seems to say.

    Args:
      models: the summary's.
      comparisons: the summary's.

    Returns:
      Plain text. Names are the user's: whoever writes markup escapes them.

    >>> models = {"gru": {"solved_fraction": None, "restricted_mean_steps": None, "final": {"value": 0.9}}}
    >>> headline(models, [])
    'The GRU scored .90, where 0 is the floor and 1 the best possible.'
    """
    names = ranked(models)
    if not has_threshold(models[names[0]]):
        said, shown = _scored(models, names), ("final",)
    elif not any(model["solved_fraction"]["value"] for model in models.values()):
        said, shown = _none_solved(models, names), ("final",)
    else:
        said, shown = _solved(models, names), ("solved", "steps")
    said = said[:1].upper() + said[1:] if said.startswith("the ") else said
    return " ".join([f"{said}.", *_undecided([row for row in comparisons if row["measure"] in shown])])


def _scored(models: Mapping[str, Any], names: Sequence[str]) -> str:
    """Without a threshold: the final scores, best first."""
    scores = [decimal(models[name]["final"]["value"]) for name in names]
    if len(names) > MOST:
        return f"{the(names[0])} scored highest of {len(names)} models, {scores[0]}, {SCALE}"
    rest = [f"{the(name)} {score}" for name, score in zip(names[1:], scores[1:], strict=True)]
    return f"{listing([f'{the(names[0])} scored {scores[0]}', *rest])}, {SCALE}"


def _none_solved(models: Mapping[str, Any], names: Sequence[str]) -> str:
    """How far it was, since nobody came there."""
    best, ends = models[names[0]], [run for name in names for run in chosen_runs(models[name])]
    nobody = "No model solved it" if len(names) > 1 else f"{the(names[0])} solved it"
    if all(run["diverged"] for run in ends):
        return f"{nobody}{'' if len(names) > 1 else ' in no run'}: every run diverged"
    seeds, score = counted(_seeds(best), "run"), decimal(best["final"]["value"])
    runs = f"{seeds} of {counted(round(best['solved_curve']['steps'][-1]), 'step')}"
    if len(names) == 1:
        return f"{nobody} in none of {runs}{_remarks(best)}, and scored {score}, {SCALE}"
    late = sum(run["unconfirmed"] for run in ends)
    unsure = f" for sure, {counted(late, 'run')} too late to tell" if late else ""
    return f"{nobody} in any of {runs}{unsure}; {the(names[0])} scored highest, {score}, {SCALE}"


def _solved(models: Mapping[str, Any], names: Sequence[str]) -> str:
    """Those that always did, then those that sometimes did, then those that never did."""
    seeds = _seeds(models[names[0]])
    counts = {name: round(models[name]["solved_fraction"]["value"] * seeds) for name in names}
    always = [name for name in names if counts[name] == seeds]
    clauses = []
    if always:
        alone = "their one run each" if len(always) > 1 else "its one run"
        every = alone if seeds == 1 else "every run" if len(always) < len(names) else f"every one of {seeds} runs"
        clauses = [f"{named(always)} solved it in {every}, after {_about([_mean(models[name]) for name in always])}"]
    for name in names:
        if 0 < counts[name] < seeds:
            verb, runs = ("", "") if clauses else (" solved it", " runs")
            which = "that one" if counts[name] == 1 else "those"
            when = f"{which} after {_about([_mean(models[name])])}"
            clauses.append(f"{the(name)}{verb} in {counts[name]} of {seeds}{runs}, {when}{_remarks(models[name])}")
    never: dict[str, list[str]] = {}
    for name in names:
        if not counts[name]:
            never.setdefault(_remarks(models[name]), []).append(name)
    none = "did not" if seeds == 1 else f"in none of {seeds}"
    return "; ".join([*clauses, *(f"{named(group)} {none}{remarks}" for remarks, group in never.items())])


def _seeds(model: Mapping[str, Any]) -> int:
    return len(model["chosen_learning_rates"])


def _mean(model: Mapping[str, Any]) -> float:
    """Steps to solve, in the mean over the runs that did."""
    steps = [run["steps_to_solve"] for run in chosen_runs(model) if run["steps_to_solve"] is not None]
    return sum(steps) / len(steps)


def _about(steps: Sequence[float]) -> str:
    """Two figures of each: evaluations are far apart, and runs differ."""
    said = list(dict.fromkeys(f"{float(f'{value:.2g}'):,.0f}" for value in steps))
    return f"about {listing(said) if len(said) <= MOST else f'{said[0]} to {said[-1]}'} steps"


def _remarks(model: Mapping[str, Any]) -> str:
    """What became of runs that did not solve it, where that is more than not having."""
    runs = chosen_runs(model)
    found = {
        "too late to tell": sum(bool(run["unconfirmed"]) for run in runs),
        "diverged": sum(run["diverged"] for run in runs),
    }
    said = [f"{'all' if 1 < number == len(runs) else number} {what}" for what, number in found.items() if number]
    return f" ({', '.join(said)})" if said else ""


def _undecided(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """A sentence where of a model no test of what was told decides."""
    tests: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        tests.setdefault(row["a"], []).append(row)
    names = [a for a, own in tests.items() if all(row["outcome"] == "undecided" for row in own)]
    if not names:
        return []
    if len(names) == len(tests):
        return ["No test decides between them: what differs may be chance."]
    references = {row["b"] for name in names for row in tests[name]}
    reference = the(*references) if len(references) == 1 else "the reference of its start"
    return [f"Whether {named(names, 'or')} differs from {reference} is not decided."]


def named(names: Sequence[str], word: str = "and") -> str:
    """The models in a row, of many the first ones."""
    if len(names) > MOST:
        return f"{', '.join(map(the, names[:2]))} {word} {len(names) - 2} more"
    said = listing([*map(the, names)])
    return said if word == "and" else f" {word} ".join(said.rsplit(" and ", 1))


def the(name: str) -> str:
    """A model's name as a sentence has it; what is no common name stands as it is."""
    return f"the {_PROPER[name]}" if name in _PROPER else name
