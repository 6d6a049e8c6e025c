"""How often intervals over few seeds hold the truth: docs/coverage.md, and the choice of the lab's methods.

    python scripts/coverage.py [--page FILE]

Simulates five shapes of what seeds give, and writes coverage and mean width of every method (coverage_methods.py). It
ends with 1 where the lab uses another method than the rule finds, or says otherwise which shapes none covers.
"""

import argparse
import datetime
import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from coverage_methods import contenders
from page_table import markdown_table
from scipy import special
from script_words import to_write

from attn_jax.lab.outcome.intervals import CHOSEN, COVERED, UNLIMITED, Limits, Method, within

PAGE = Path(__file__).parent.parent / "docs" / "coverage.md"
SEEDS = (3, 5, 8, 16, 32)
JUDGED = 5  # seeds from which on a method must cover
_GRID = (np.arange(2**19) + 0.5) / 2**19  # on which the truth is computed


class Shape(NamedTuple):
    """A population by its quantile function, and the limits of the measure."""

    quantile: Callable[[np.ndarray], np.ndarray]
    limits: Limits


class Estimand(NamedTuple):
    """What of a population is wanted."""

    trim: bool  # the interquartile mean
    limited: bool  # cut to [0, 1], as steps are to the budget
    paired: bool  # of the difference to another sample of half the size


class Cell(NamedTuple):
    """What came of one method on one shape with n seeds."""

    estimand: str
    shape: str
    method: str
    n: int
    draws: int
    coverage: float
    width: float  # mean, in standard deviations of the population
    finite: bool  # on every sample that has a spread, before it is cut to the limits

    @property
    def holds(self) -> bool:
        """Whether it is finite and not below COVERED in the simulation itself."""
        return self.finite and self.coverage >= COVERED

    @property
    def covers(self) -> bool:
        """Whether it is finite and not, by two standard errors of the simulation, below COVERED."""
        return self.finite and self.coverage + 2 * (COVERED * (1 - COVERED) / self.draws) ** 0.5 >= COVERED


def _normal(u: np.ndarray) -> np.ndarray:
    return 0.5 + 0.1 * special.ndtri(u)


def _skewed(u: np.ndarray) -> np.ndarray:
    """Lognormal, of skewness 1.75."""
    return 0.3 * np.exp(0.5 * special.ndtri(u))


def _failing(u: np.ndarray) -> np.ndarray:
    """One in ten near .1, the others near .9."""
    within_mode = np.where(u < 0.1, u / 0.1, (u - 0.1) / 0.9)
    return np.where(u < 0.1, 0.1, 0.9) + 0.03 * special.ndtri(np.clip(within_mode, 1e-6, 1 - 1e-6))


def _censored(u: np.ndarray) -> np.ndarray:
    """Lognormal times seen at sixteen evaluations; a third is cut at the budget, 1."""
    return np.minimum(np.ceil(16 * 0.8 * np.exp(0.5 * special.ndtri(u))) / 16, 1)


def _perfect(u: np.ndarray) -> np.ndarray:
    """Six in ten exactly 1, the others spread evenly from .7 up."""
    return np.where(u < 0.4, 0.7 + 0.75 * u, 1)


SHAPES = {
    "normal": Shape(_normal, UNLIMITED),
    "skewed": Shape(_skewed, UNLIMITED),
    "failing one time in ten": Shape(_failing, (0, 1)),
    "cut off at the budget": Shape(_censored, (0, 1)),
    "mostly exactly 1": Shape(_perfect, (0, 1)),
}
ESTIMANDS = {
    "mean": Estimand(trim=False, limited=False, paired=False),
    "restricted mean": Estimand(trim=False, limited=True, paired=False),
    "paired difference": Estimand(trim=False, limited=False, paired=True),
    "interquartile mean": Estimand(trim=True, limited=False, paired=False),
}


def simulate(estimand: str, shape: str) -> Iterator[Cell]:
    """Every method with every number of seeds; the samples of a shape are the same for all methods."""
    wanted, (quantile, limits) = ESTIMANDS[estimand], SHAPES[shape]
    if wanted.limited:
        limits = (0, 1)
    draw = lambda u: np.clip(quantile(u), *limits)  # noqa: E731
    population = draw(_GRID)
    half = len(population) // 4
    truth, spread = (population[half:-half] if wanted.trim else population).mean(), population.std()
    if wanted.paired:
        truth, spread = truth / 2, spread * 1.25**0.5
        limits = (limits[0] - limits[1] / 2, limits[1] - limits[0] / 2)
    for n in SEEDS:
        for method, (interval, draws) in contenders(n, wanted.trim).items():
            rng = np.random.default_rng(n)
            samples = draw(rng.random((draws, n)))
            if wanted.paired:
                samples = samples - draw(rng.random((draws, n))) / 2
            samples = np.sort(samples, axis=1)
            bounds = interval(samples, wanted.trim)
            finite = np.isfinite(bounds).all(axis=0) | (samples[:, 0] == samples[:, -1])
            low, high = within(bounds, samples, limits, trim=wanted.trim)
            covered = float(((low <= truth + 1e-9) & (truth - 1e-9 <= high)).mean())
            width = float((high - low).mean() / spread)
            yield Cell(estimand, shape, method, n, draws, covered, width, bool(finite.all()))


def choose(cells: list[Cell]) -> tuple[Method, list[str]]:
    """The method for one estimand with the shapes that it misses, and those which no method covers.

    A method covers a shape where it does with every number of seeds from JUDGED on. Of the methods that are finite on
    all shapes the one that covers most is chosen; of several the shortest.
    """
    judged = [cell for cell in cells if cell.n >= JUDGED]
    missed: dict[str, dict[str, None]] = {cell.method: {} for cell in judged}
    for cell in judged:
        if not cell.covers:
            missed[cell.method][cell.shape] = None
    finite = [method for method in missed if all(cell.finite for cell in judged if cell.method == method)]
    width = {method: np.mean([cell.width for cell in judged if cell.method == method]) for method in finite}
    best = min(finite, key=lambda method: (len(missed[method]), width[method]))
    never = [shape for shape in missed[best] if all(shape in shapes for shapes in missed.values())]
    return Method(best, tuple(missed[best])), never


def page_of(cells: dict[str, list[Cell]]) -> str:
    """The whole page, from the cells of each estimand."""
    choices = {estimand: choose(own) for estimand, own in cells.items()}
    rows = [
        {
            "of": estimand,
            "chosen": choice.method,
            "falls short where seeds are": ", ".join(choice.missed),
            "of these no method covers": ", ".join(never),
            "its least coverage": _least(cells[estimand], choice.method),
        }
        for estimand, (choice, never) in choices.items()
    ]
    parts = [_OPENING.format(**_machine()), markdown_table(rows), _SHAPES]
    parts += [f"## The {estimand}\n\n{_table(own)}" for estimand, own in cells.items()]
    return "\n".join(parts)


def _least(cells: list[Cell], method: str) -> str:
    """Where a method is at its worst, with JUDGED seeds or more."""
    cell = min((cell for cell in cells if cell.method == method and cell.n >= JUDGED), key=lambda cell: cell.coverage)
    return f"{100 * cell.coverage:.1f} %, {cell.n} seeds, {cell.shape}"


def _table(cells: list[Cell]) -> str:
    """A row a shape and method, a column a number of seeds."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for cell in cells:
        row = rows.setdefault((cell.shape, cell.method), dict.fromkeys(map(str, SEEDS), ""))
        text = f"{100 * cell.coverage:.1f} ({cell.width:.2f})" if cell.finite else f"{100 * cell.coverage:.1f} (inf)"
        row[str(cell.n)] = f"**{text}**" if cell.holds else f"*{text}*" if cell.covers else text
    return markdown_table([{"seeds are": shape, "method": method, **row} for (shape, method), row in rows.items()])


def _machine() -> dict[str, str]:
    """When and where."""
    return {
        "date": f"{datetime.datetime.now(tz=datetime.UTC):%Y-%m-%d}",
        "cores": f"{os.cpu_count()} cores ({platform.machine()})",
        "versions": f"Python {platform.python_version()}, numpy {np.__version__}",
    }


_OPENING = """\
# How often intervals over few seeds hold the truth

    python scripts/coverage.py

Written {date}, {cores}, {versions}; the draws are fixed, so the numbers come again.
Each interval is to hold the truth in 95 % of studies. A method covers where, with 5 to 32 seeds, it is finite and holds
it in 93.5 %, less two standard errors of the simulation: 100,000 samples for what is one formula, 2,500 for what
resamples, 1,000 for 2^16 sign-flips. These two have fewer because each of their samples costs 999 resamples, or 2^n
means; two standard errors are 1 % with 2,500 and 1.6 % with 1,000, against .2 % with 100,000, so that fewer samples
speak for these methods, and they are not chosen all the same. Of the methods that are finite on all shapes the lab uses
the one that covers most of them, and of several the shortest.
"""

_SHAPES = """\
The shapes: *normal*; *skewed*, lognormal with skewness 1.75; *failing one time in ten*, near .1, else near .9; *cut off
at the budget*, lognormal times seen at sixteen evaluations, a third of which are the budget; *mostly exactly 1*, six in
ten, the others spread over .7 to 1. A restricted mean is cut to [0, 1]; a paired difference is one sample less half of
another. Every interval is cut to the limits of its measure, and where all seeds agree it is what these limits leave
open (`within` in `attn_jax/lab/outcome/intervals.py`): a bound that needs no shape.

No interval here knows of a failure that no seed shows: of eight seeds, where one in ten fails, four studies in ten.
Read means beside the solved fraction, whose interval is exact, and run more seeds where a failure is feared.

In the tables: coverage in per cent, in brackets the mean width in standard deviations of a seed, "inf" where it is
infinite for some samples; bold where it is 93.5 or more before it is rounded, *slanted* where it is less and covers by
its two standard errors alone. Of three seeds none is trimmed: their interquartile mean is the mean.
"""


def main(words: list[str]) -> int:
    """Simulates, writes the page, and compares the choice with the lab's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", type=to_write, default=PAGE, help="docs/coverage.md by default")
    path = parser.parse_args(words).page
    cells = {estimand: [cell for shape in SHAPES for cell in simulate(estimand, shape)] for estimand in ESTIMANDS}
    path.write_text(page_of(cells), encoding="utf-8")
    print(f"{path} written")
    found = {estimand: choose(own)[0] for estimand, own in cells.items()}
    if found != CHOSEN:
        print(f"CHOSEN of attn_jax/lab/outcome/intervals.py is stale: found {found}", file=sys.stderr)
    return int(found != CHOSEN)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
