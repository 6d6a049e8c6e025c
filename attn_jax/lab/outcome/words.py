"""How a study's outcome is put into words, in the verdict and the report: order of models, numbers, rows of names."""

from collections.abc import Mapping, Sequence
from typing import Any

_FEW = 6


def ranked(models: Mapping[str, Any]) -> list[str]:
    """The names of a summary's models, best first: solved fraction, then restricted mean steps, then final score.

    >>> models = {
    ...     "a": {"solved_fraction": None, "restricted_mean_steps": None, "final": {"value": 0.2}},
    ...     "b": {"solved_fraction": None, "restricted_mean_steps": None, "final": {"value": 0.9}},
    ... }
    >>> ranked(models)
    ['b', 'a']
    """
    return sorted(models, key=lambda name: _merit(models[name]))


def _merit(model: Mapping[str, Any]) -> tuple[float, float, float]:
    """Smaller is better."""
    if not has_threshold(model):
        return (0.0, 0.0, -model["final"]["value"])
    return (-model["solved_fraction"]["value"], model["restricted_mean_steps"]["value"], -model["final"]["value"])


def has_threshold(model: Mapping[str, Any]) -> bool:
    """Whether the task says which score counts as solved."""
    return model["solved_fraction"] is not None


def decimal(value: float, digits: int = 2) -> str:
    """A number near one without its leading zero; only an exact -1, 0 or 1 is written without decimals.

    >>> decimal(0.631), decimal(1.0), decimal(0.9996), decimal(-0.004), decimal(0.0)
    ('.63', '1', '1.00', '.00', '0')
    """
    if value in (-1, 0, 1):
        return f"{value:.0f}"
    text = f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0: -0 is 0
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def listing(words: Sequence[str]) -> str:
    """Words in a row, as a sentence has them.

    >>> listing(["a"]), listing(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def few(words: Sequence[str]) -> str:
    """Words in a row, of many the first and how many there are beside.

    >>> few(["a", "b"])
    'a and b'
    >>> few([f"a-{k}" for k in range(2000)])
    'a-0, a-1, a-2, a-3, a-4 and 1,995 more'
    """
    if len(words) <= _FEW:
        return listing(words)
    return f"{', '.join(words[: _FEW - 1])} and {len(words) - _FEW + 1:,} more"


def outcome_in_words(row: Mapping[str, Any]) -> str:
    """What came of a test, of a row of the summary's comparisons.

    >>> row = {"expect": "equal", "margin": 0.05, "outcome": "holds", "seeds_to_decide": None}
    >>> outcome_in_words(row)
    'equal within 0.05'
    >>> outcome_in_words({**row, "outcome": "undecided", "seeds_to_decide": 20, "seeds_to_decide_at_bound": 70})
    'undecided: about 20 seeds would decide at the effect seen, 70 at its lower bound'
    """
    if row["outcome"] == "undecided":
        if row["seeds_to_decide"] is None:
            return "undecided"
        bound = row["seeds_to_decide_at_bound"]
        text = f"undecided: about {row['seeds_to_decide']} seeds would decide at the effect seen"
        return text if bound is None else f"{text}, {bound} at its lower bound"
    margin = f" {'within' if row['expect'] == 'equal' else 'by more than'} {row['margin']:g}" if row["margin"] else ""
    said = row["expect"] + margin
    return said if row["outcome"] == "holds" else f"not {said}"
