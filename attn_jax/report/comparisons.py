"""The table of tests against the reference, and what so few pairs can decide at all."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from attn_jax.lab.outcome.decide import LEVEL
from attn_jax.lab.outcome.looks import look_factor
from attn_jax.lab.outcome.paired import smallest_p
from attn_jax.lab.outcome.words import decimal, outcome_in_words
from attn_jax.names import counted
from attn_jax.report import words

_MEASURES = {"solved": "share solved", "steps": "steps to solve", "final": "final score"}


def comparison_row(row: Mapping[str, Any]) -> dict[str, str]:
    """A paired test as strings: steps are whole, shares and scores have decimals."""
    write = words.count if row["measure"] == "steps" else partial(decimal, digits=3)
    return {
        "models": f"{row['a']} − {row['b']}",
        "measure": _MEASURES.get(row["measure"], row["measure"]),
        "difference": write(row["difference"]).replace("-", "−"),
        "interval": words.interval(row, write).replace("-", "−"),
        "p": words.probability(row["p"]),
        "outcome": outcome_in_words(row),
    }


def smallest_p_note(look: int, seeds: int, tests: int) -> str:
    """The smallest p that so many pairs can give, alone and in this table: no effect, however large, has a smaller."""
    alone = smallest_p(seeds)
    adjusted = min(1.0, alone * tests * look_factor(look))
    unable = "; nothing here could have been decided" if adjusted >= LEVEL else ""
    paired = "One pair" if seeds == 1 else f"{seeds} pairs"
    adjustment = f"adjusted over {counted(tests, 'test')}"
    return f"{paired} can give no p below {_p(alone)}, {adjustment} none below {_p(adjusted)}{unable}."


def _p(value: float) -> str:
    """A p-value, however small."""
    return words.probability(value) if value >= 1e-4 else f"{value:.0e}"


def log_rank_words(row: Mapping[str, Any]) -> str:
    """A test of two curves in words."""
    z, p = decimal(row["z"]).replace("-", "−"), words.probability(row["p"])
    return f"{row['a']} against {row['b']}: z = {z}, p {p if p.startswith('<') else f'= {p}'}"
