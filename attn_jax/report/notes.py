"""What to know before believing a study's numbers: each note once, with the models that it is of, and what would tell.

The sentences are the summary's flags; here they are gathered, and some of them have an answer: a study grows by the
same command with more of something.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attn_jax.lab.outcome.results import Results
from attn_jax.lab.outcome.words import listing

_COMMAND = "attn-jax"


def notes(models: Mapping[str, Any], names: Sequence[str]) -> list[tuple[str, str]]:
    """(whose, the note), those that all models share first.

    >>> notes({"a": {"flags": ["x", "y"]}, "b": {"flags": ["y"]}}, ["a", "b"])
    [('all models', 'y'), ('a', 'x')]
    """
    found: dict[str, list[str]] = {}
    for name in names:
        for flag in models[name]["flags"]:
            found.setdefault(flag, []).append(name)
    shared = [("all models", flag) for flag, of in found.items() if len(of) == len(names) > 1]
    by_models: dict[str, list[str]] = {}
    for flag, of in found.items():
        if not len(of) == len(names) > 1:
            by_models.setdefault(listing(of), []).append(flag)
    return shared + [(who, "; ".join(flags)) for who, flags in by_models.items()]


def answers(results: Results, summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(what would be known, the command that would tell), each command once.

    Args:
      results: the study.
      summary: its summary.
    """
    flags = [flag for model in summary["models"].values() for flag in model["flags"]]
    found: dict[str, list[str]] = {}
    for words, what, option in _ANSWERS:
        if any(words in flag for flag in flags) and (word := option(results)) is not None:
            found.setdefault(word, []).append(what)
    return [(listing(list(dict.fromkeys(what))), _command(results, word)) for word, what in found.items()]


def _more_seeds(results: Results) -> str:
    return f"--config.train.seeds={2 * len(next(iter(results.models.values())).final)}"


def _wider_grid(results: Results) -> str:
    return f"--config.train.widen={len(results.widened) + 2}"


def _more_steps(results: Results) -> str | None:
    """A schedule that knows its budget is another study with another one."""
    return f"--config.train.steps={2 * results.budget}" if results.schedule == "constant" else None


def _more_rates(results: Results) -> str:
    (rate,) = next(iter(results.models.values())).learning_rates
    return f"--config.train.learning-rates={rate / 3:.1g},{rate:g},{rate * 3:.1g}"


# words of a flag -> what would be known, and the option that it takes
_ANSWERS: tuple[tuple[str, str, Callable[[Results], str | None]], ...] = (
    ("bound is", "a narrower bound", _more_seeds),
    ("one seed: no spread", "how much seeds differ", _more_seeds),
    ("of the grid: a better one", "whether a rate beyond the edge is better", _wider_grid),
    ("too late to be confirmed", "what the late runs come to", _more_steps),
    ("one learning rate", "whether another rate is better", _more_rates),
)


def _command(results: Results, option: str) -> str:
    """The newest command of the study, with the option; where it was none, what it would be called.

    The newest, because whoever has grown a study must say so again: with fewer seeds it is another one.
    """
    argv = results.environment.get("newest_argv", results.environment.get("argv"))
    if isinstance(argv, list) and argv[1:2] in (["compare"], ["train"]) and Path(str(argv[0])).name == _COMMAND:
        kept = _without(_without(argv[2:], "--model"), option.partition("=")[0])
        return shlex.join([_COMMAND, "compare", *kept, option])
    return f"{_COMMAND} compare … {option}"


def _without(words: Sequence[str], option: str) -> list[str]:
    """The words but for an option and its values.

    >>> _without(["--a.b=1", "--a.b", "2", "3", "--a.b_c=4", "--yes"], "--a.b")
    ['--a.b_c=4', '--yes']
    """
    kept, dropped = [], False
    for word in words:
        if word.startswith("--"):
            dropped = word.partition("=")[0].replace("_", "-") == option
        if not dropped:
            kept.append(word)
    return kept
