"""What became of a claim, as verdict.json has it, and in words."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np

from attn_jax.config import Claim, Panel, Sweep
from attn_jax.config.claim_runs import ClaimRun
from attn_jax.config.published import published_row
from attn_jax.config.rules import Outcome
from attn_jax.lab.outcome.claims import COUNTED, Answer, Judgement
from attn_jax.lab.outcome.intervals import NO_SPREAD
from attn_jax.lab.outcome.words import decimal, few, listing
from attn_jax.names import counted

VERDICT_SCHEMA = 2
_COME = {"holds": ("holds", "hold"), "fails": ("fails", "fail"), "undecided": ("is undecided", "are undecided")}


class DecidedRow(TypedDict):
    """One test: what was expected, what was found, and whether that decides it; null where a bound is infinite."""

    about: str
    measure: str
    study: str
    a: str
    b: str | float
    expect: str
    margin: float
    unit: str
    seeds: int  # 0 where it is counted
    mean_a: float
    mean_b: float
    difference: float
    low: float | None
    high: float | None
    p: float
    method: str
    outcome: str
    doubt: str  # why it is undecided whatever p; "" where nothing stands against it
    seeds_to_decide: int | None
    seeds_to_decide_at_bound: int | None


class Verdict(TypedDict):
    """The whole of verdict.json; `timing` alone depends on the machine, and is no part of the verdict."""

    schema: int
    claim: str
    run: ClaimRun
    outcome: Outcome
    sentence: str
    source: str
    explain: str
    published: list[dict[str, Any]]
    tests: list[DecidedRow]
    panels: list[dict[str, Any]]
    cautions: list[str]
    design: list[str]
    timing: dict[str, Any]  # {"seconds": of "training" and by measurement, "date", "environment"}


def verdict_of(
    name: str,
    run: ClaimRun,
    claim: Claim,
    judgement: Judgement,
    *,
    panels: Sequence[Panel],
    cautions: Sequence[str],
    timing: dict[str, Any],
) -> Verdict:
    """A judged claim as JSON types."""
    explain = claim.explain if isinstance(claim.explain, str) else claim.explain.get(judgement.outcome, "")
    return {
        "schema": VERDICT_SCHEMA,
        "claim": name,
        "run": run,
        "outcome": judgement.outcome,
        "sentence": claim.sentence,
        "source": claim.source,
        "explain": explain,
        "published": [published_row(one) for one in claim.published],
        "tests": [_row(about, answer) for about, answer in judgement.answers.items()],
        "panels": [_plain(vars(panel) | {"lines": _lines(panel)}) for panel in panels],
        "cautions": list(cautions),
        "design": design_in_words(claim),
        "timing": timing,
    }


def design_in_words(claim: Claim) -> list[str]:
    """What is run: a sentence a study, sweep and measurement."""
    said = []
    for key, config in claim.studies.items():
        study = config.study if isinstance(config, Sweep) else config
        points = f" at {len(config.points)} points" if isinstance(config, Sweep) else ""
        starts = f" from {len(study.starts)} starts" if study.starts else ""
        train = study.train
        rates = ", ".join(f"{rate:g}" for rate in train.learning_rates)
        said.append(
            f"{key}: {listing(list(study.models))}{starts}{points}, {train.steps} steps, learning rates {rates}, "
            f"seeds {train.first_seed} to {train.first_seed + train.seeds - 1}"
        )
    for key, one in claim.measurements.items():
        seeds = f"seeds {one.first_seed} to {one.first_seed + one.seeds - 1}" if one.seeds else "counted, no seeds"
        said.append(f"{key}: measured without training, {seeds}")
    return said


def verdict_in_words(verdict: Mapping[str, Any]) -> str:
    """The verdict, and how many tests say what where they differ.

    >>> tests = [{"about": "an LSTM", "outcome": "holds"}, {"about": "a GRU", "outcome": "undecided"}]
    >>> verdict_in_words({"outcome": "in part", "run": "quick", "tests": tests})
    'holds in part (quick): of 2 tests 1 holds, 1 is undecided'
    """
    outcome = "holds in part" if verdict["outcome"] == "in part" else verdict["outcome"]
    quick = " (quick)" if verdict["run"] == "quick" else ""
    groups = by_outcome(verdict)
    if len(groups) == 1 and outcome in groups:
        return f"{outcome}{quick}"
    counts = {how: len(names) for how, names in groups.items()}
    said = ", ".join(f"{count} {_COME[how][count > 1]}" for how, count in counts.items())
    return f"{outcome}{quick}: of {counted(sum(counts.values()), 'test')} {said}"


def by_outcome(verdict: Mapping[str, Any]) -> dict[str, list[str]]:
    """What the tests are about, by what came of them: "holds", "fails", "undecided", those that there are."""
    tests = verdict["tests"]
    groups = {how: [row["about"] for row in tests if row["outcome"] == how] for how in ("holds", "fails", "undecided")}
    return {how: names for how, names in groups.items() if names}


def effect_in_words(row: Mapping[str, Any]) -> str:
    """What a test found: both means, their difference with its interval, the margin that it had to pass, and p.

    >>> row = {"a": "rnn", "b": "lstm", "mean_a": 0.25, "mean_b": 1.0, "unit": "", "method": "Student t"}
    >>> effect_in_words(row | {"difference": -0.75, "low": -0.8, "high": None, "margin": 0.1, "p": 2 / 256})
    '.25 (rnn) against 1 (lstm): -.75 [-.80, inf], margin .10, p .0078'
    """
    a, b = number(row["mean_a"]), number(row["mean_b"])
    unit = f" {row['unit']}" if row["unit"] else ""
    both = f"{a} ({row['a']}) against {b}" + (f" ({row['b']})" if isinstance(row["b"], str) else "")
    if row["method"] == COUNTED:
        return f"{both}{unit}; counted"
    bounds = [end if value is None else number(value) for value, end in ((row["low"], "-inf"), (row["high"], "inf"))]
    margin = f", margin {number(row['margin'])}" if row["margin"] else ""
    alike = f", {NO_SPREAD}" if row["method"] == NO_SPREAD else ""
    p = f"{row['p']:.2g}".replace("0.", ".", 1)
    found = f"{number(row['difference'])}{unit} [{bounds[0]}, {bounds[1]}]{alike}{margin}"
    return f"{both}: {found}, p {p}"


def needed_in_words(row: Mapping[str, Any]) -> str:
    """What an undecided test wants: what stands against it, or seeds at the effect seen; "" where none would decide.

    >>> needed_in_words({"doubt": "", "seeds_to_decide": 18}), needed_in_words({"doubt": "", "seeds_to_decide": None})
    ('about 18 seeds would decide', '')
    >>> needed_in_words({"doubt": "lstm scores above the best possible", "seeds_to_decide": None})
    'lstm scores above the best possible'
    """
    if row["doubt"]:
        return row["doubt"]
    more = row["seeds_to_decide"]
    return f"about {counted(more, 'seed')} would decide" if more else ""


def number(value: float) -> str:
    """A number with as many digits as are read.

    >>> number(0.2512), number(-3.14159), number(12345.6), number(-0.0), number(1e-7)
    ('.25', '-3.1', '12,346', '0', '1e-07')
    """
    if abs(value) >= 100 or value == round(value):
        return f"{value + 0.0:,.0f}"  # + 0.0: -0 is 0
    if abs(value) >= 1:
        return f"{value:.3g}" if abs(value) >= 10 else f"{value:.2g}"
    return decimal(value) if abs(value) >= 0.01 else f"{value:.2g}".replace("0.", ".", 1)


def agreement(first: Mapping[str, Any], again: Mapping[str, Any]) -> str:
    """Whether the second run of a claim says what the first does: "" where it does, else what is unstable.

    It does not where the verdict is another one, or a test holds in one run and fails in the other. A test that one of
    them leaves undecided is a matter of chance and contradicts nothing.
    """
    before, now = ({row["about"]: row["outcome"] for row in verdict["tests"]} for verdict in (first, again))
    turned = [about for about in before if {before[about], now.get(about)} == {"holds", "fails"}]
    if turned:
        return f"unstable: with other seeds the outcome turns for {few(turned)}"
    if first["outcome"] != again["outcome"]:
        return f"unstable: {first['outcome']} the first time, {again['outcome']} with other seeds"
    return ""


def claim_number(claim: str) -> str:
    """The number that the name of a claim's file begins with, or all of its name.

    >>> claim_number("07_multi_head"), claim_number("mine")
    ('7', 'mine')
    """
    head, _, _ = claim.partition("_")
    return str(int(head)) if head.isdigit() else claim


def minutes_of(verdict: Mapping[str, Any]) -> float:
    """What it took, all of its studies and measurements; those that another claim had trained took nothing."""
    return sum(verdict["timing"].get("seconds", {}).values()) / 60


def seeds_of(verdict: Mapping[str, Any]) -> str:
    """How many seeds its tests had.

    >>> seeds_of({"tests": [{"seeds": 8}, {"seeds": 0}, {"seeds": 9}]}), seeds_of({"tests": [{"seeds": 0}]})
    ('8 to 9', 'counted')
    """
    counts = sorted({row["seeds"] for row in verdict["tests"] if row["seeds"]})
    if not counts:
        return "counted"
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def _row(about: str, answer: Answer) -> DecidedRow:
    decided, test = answer.decided, answer.decided.test
    return {
        "about": about,
        "measure": test.measure,
        "study": test.study,
        "a": test.a,
        "b": test.b,
        "expect": test.expect,
        "margin": test.margin,
        "unit": answer.unit,
        "seeds": answer.seeds,
        "mean_a": answer.a,
        "mean_b": answer.b,
        "difference": float(decided.difference),
        "low": _plain(decided.low),
        "high": _plain(decided.high),
        "p": float(decided.p),
        "method": decided.method,
        "outcome": answer.outcome,
        "doubt": answer.doubt,
        "seeds_to_decide": decided.seeds_to_decide,
        "seeds_to_decide_at_bound": decided.seeds_to_decide_at_bound,
    }


def _lines(panel: Panel) -> dict[str, Any]:
    return {name: {"x": line.x, "y": line.y} for name, line in panel.lines.items()}


def _plain(value: Any) -> Any:
    """JSON types: arrays as lists, what is not finite as null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple | range):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
