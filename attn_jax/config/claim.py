"""A claim: a sentence, the studies and measurements that are to decide it, and what would decide it, said before.

A file `configs/claims/<number>_<words>.py` has a `get_config()` that returns one; its docstring's first line is the
sentence in short, and says the minutes on 2 cores. It has four parts, each by names that the next one uses:

    studies       {"map": Study(...) or Sweep(...)}, trained by `attn-jax claims`; seeds count from train.first_seed
    measurements  {"start": Measurement(slopes, seeds=8)}, what needs no training: rows from a function of the seeds
    quantities    {"drop": Quantity(drops, reads=("start",))}, from what was found to {name: a value a seed}
    tests         {"tanh, radius 1": DeclaredTest("drop", "tanh 1.0", 0.0, expect="less")}, by what each is about

A function gets `found`, {key: results} of what it `reads`: a `StudyResults` (`attn_jax.lab.load`) of a study, a
`SweepResults` of a sweep, a list of rows of a measurement. A test's measure is the name of a quantity, or with `study`
one of "solved", "steps" and "final", of two models (`model@start`) of that study; "map/<point>" is a point of a sweep.
`lab/outcome/by_seed.py` has what quantities are made of: {name: values} of models, of probes, of rows.

What reads only measurements without seeds is counted: it is exact, and a test of it is decided by comparing. All others
are tested together, p adjusted over all of them (`lab/outcome/decide.py`). `rule` makes one verdict of the
tests (`config/rules.py`). `panels` gives the picture as numbers. Nothing in a claim may depend on what came out: all of
it is hashed before anything runs.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from attn_jax.config.published import Published
from attn_jax.config.rules import Outcome, Rule, all_hold
from attn_jax.config.study import Study
from attn_jax.config.sweep import Sweep
from attn_jax.errors import ConfigError
from attn_jax.names import nearest_names

Expect: TypeAlias = Literal["less", "more", "different", "equal"]
Found: TypeAlias = Mapping[str, Any]  # by the key of a study or measurement: StudyResults, SweepResults, rows
Seeds: TypeAlias = Sequence[int]
FIRST_AGAIN = 1000  # the seeds of a claim's second run


@dataclass(frozen=True)
class DeclaredTest:
    """What is expected of the difference a - b in one measure, paired by seed, said before it is looked at.

    Args:
      measure: "solved" (share of seeds), "steps" (to solve, cut off at the budget) or "final" (score) of a study; in a
        claim also the name of a quantity.
      a: the name of a model of one study, or of one of the quantity's values.
      b: another; or a number, which the mean of a is held against.
      study: the study's name where several are decided at once.
      expect: "less" or "more" (by more than the margin), "different" (more than the margin apart), "equal" (less than
        the margin apart).
      margin: what difference does not matter, in the measure's unit; "equal" needs one, unless it is counted.

    Raises:
      ValueError: another word for `expect`, a model against itself, a margin below 0.
    """

    measure: str
    a: str
    b: str | float
    study: str = ""
    expect: Expect = "different"
    margin: float = 0.0

    def __post_init__(self):
        if self.expect not in get_args(Expect):
            raise ValueError(f"expect: got {self.expect!r}, wanted one of {', '.join(get_args(Expect))}")
        if self.a == self.b:
            raise ValueError(f"b: got {self.b!r}, wanted another model than a")
        if not isinstance(self.b, str) and not math.isfinite(self.b):
            raise ValueError(f"b: got {self.b}, wanted a name or a finite number")
        if not 0 <= self.margin < math.inf:
            raise ValueError(f"margin: got {self.margin}, wanted a finite number, at least 0")


@dataclass(frozen=True)
class Measurement:
    """What needs no training: depth, FLOPs, path length, time, the gradients of networks that have just begun.

    Args:
      measure: from the seeds, () where there are none, to rows: dicts of numbers and text, with "seed" where seeded.
      seeds: how many; 0 where it is counted, and comes out the same each time.
      first_seed: the seeds are this one and those that follow it.
      quick_seeds: how many with --quick, where fewer.
      quick: what --quick measures in its place, where less.
    """

    measure: Callable[[Seeds], Sequence[Mapping[str, Any]]]
    seeds: int = 0
    first_seed: int = 100
    quick_seeds: int | None = None
    quick: Callable[[Seeds], Sequence[Mapping[str, Any]]] | None = None


@dataclass(frozen=True)
class Quantity:
    """A number of each seed, of several things by name, from what was found.

    Args:
      of: from {key: results} of what is read to {name: values}, a value a seed in the order of the seeds, bool where
        `share`; of what is counted one value.
      reads: keys of studies and measurements, all of the same seeds.
      unit: in which the values are: "steps", "log10 a step".
      share: whether the values are yes and no, and their shares are compared.
      limits: the smallest and the largest value that there can be.
    """

    of: Callable[[Found], Mapping[str, Any]]
    reads: tuple[str, ...]
    unit: str = ""
    share: bool = False
    limits: tuple[float, float] = (-math.inf, math.inf)


@dataclass(frozen=True)
class Line:
    """One line, or row of dots, of a panel.

    Args:
      x: [n], or [S, n] where each seed has its own.
      y: [n], or [S, n] of seeds: drawn as the mean, in a band of its interval; dots are drawn one by one.
    """

    x: Any
    y: Any


@dataclass(frozen=True)
class Panel:
    """A part of a claim's picture, as numbers; the page draws it.

    Args:
      title: what it shows.
      lines: by name; the same name has the same look in all panels of the claim.
      x, y: what the axes are.
      form: "lines", "steps" (the value holds until the next), "dots", "rows" (dots at `x`, a row a line, its name at
        its side, the first on top), or "map": then `x` are columns, `y` rows, and `cells` the numbers.
      marks: horizontal lines by what they are, of "rows" upright ones: floors, borders, published numbers.
      log: which axes are logarithmic, "", "x", "y" or "xy".
      limits: of the y axis, or of the colours of a map; None where the data decide.
      columns, rows, cells: of a map, its labels and its numbers [rows, columns], NaN where there is none.
    """

    title: str
    lines: Mapping[str, Line] = field(default_factory=dict)
    x: str = ""
    y: str = ""
    form: Literal["lines", "steps", "dots", "rows", "map"] = "lines"
    marks: Mapping[str, float] = field(default_factory=dict)
    log: Literal["", "x", "y", "xy"] = ""
    limits: tuple[float, float] | None = None
    columns: Sequence[Any] = ()
    rows: Sequence[Any] = ()
    cells: Any = None


@dataclass(frozen=True)
class Claim:
    """A sentence and what decides it, all of it said before anything runs.

    Args:
      sentence: what is claimed, as the source has it.
      source: where it stands.
      explain: two sentences for a student, of each verdict that there may be: {"holds": ..., "fails": ..., ...}; or one
        text whatever comes out.
      tests: by what each is about.
      studies, measurements, quantities: as the module says.
      rule: from the tests' outcomes to the verdict.
      published: what the source printed, cell by cell.
      panels: from what was found to the picture.
      quick: by the key of a study, what --quick changes of it: {"map": {"train.seeds": 2, "train.steps": 300}}; None
        leaves it out, with the tests that name it, or a test by what it is about.

    Raises:
      ConfigError: no test, a name that is not there, or a quantity of unequal seeds.
    """

    sentence: str
    source: str
    explain: str | Mapping[str, str]
    tests: Mapping[str, DeclaredTest]
    studies: Mapping[str, Study | Sweep] = field(default_factory=dict)
    measurements: Mapping[str, Measurement] = field(default_factory=dict)
    quantities: Mapping[str, Quantity] = field(default_factory=dict)
    rule: Rule = all_hold
    published: tuple[Published, ...] = ()
    panels: Callable[[Found], Sequence[Panel]] | None = None
    quick: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)

    def __post_init__(self):
        if not self.tests:
            raise ConfigError("tests: got none, wanted at least one")
        if not isinstance(self.explain, str):
            for outcome in self.explain:
                self._known("explain", outcome, get_args(Outcome))
        if twice := [key for key in self.studies if key in self.measurements]:
            raise ConfigError(f"measurements: got {twice[0]!r}, which is a study's key too; wanted another")
        for where, keys in (("studies", self.studies), ("measurements", self.measurements)):
            for key in keys:
                if not key or "/" in key:  # "map/<point>" is a point; rows lie in <key>.json
                    raise ConfigError(f"{where}: got the key {key!r}, wanted one without a slash")
        for name, quantity in self.quantities.items():
            for key in quantity.reads:
                self._known(f"quantities.{name}.reads", key, [*self.studies, *self.measurements])
            if not quantity.reads:
                raise ConfigError(f"quantities.{name}.reads: got none, wanted keys of studies and measurements")
            self.seeds_of(*quantity.reads)
        for key, changes in self.quick.items():
            self._known("quick", key, [*self.studies, *(self.tests if changes is None else ())])
            if not isinstance(changes, Mapping | None):
                raise ConfigError(f"quick.{key}: got {changes!r}, wanted a dict of fields, or None to leave it out")
        controls = getattr(self.rule, "controls", ())
        for about in controls:
            self._known("rule", about, self.tests)
        if not self.tests.keys() - controls:
            raise ConfigError("rule: got nothing but controls, wanted a test of the sentence too")
        for about, test in self.tests.items():
            if test.study:
                self._known(f"tests.{about}.study", test.study.partition("/")[0], self.studies)
            else:
                self._known(f"tests.{about}.measure", test.measure, self.quantities)
            if not isinstance(test.b, str) and self.is_share(test):
                raise ConfigError(f"tests.{about}.b: got {test.b}, wanted a name: shares are compared in pairs")
            if test.expect == "equal" and not test.margin and self.seeds_of_test(test):
                raise ConfigError(f"tests.{about}.margin: got 0, wanted above 0: nothing is shown to be exactly equal")

    def is_share(self, test: DeclaredTest) -> bool:
        """Whether a test compares shares of seeds, of which each does something or not."""
        return test.measure == "solved" if test.study else self.quantities[test.measure].share

    def seeds_of_test(self, test: DeclaredTest) -> range:
        """The seeds that decide a test; none where it is counted."""
        reads = (test.study.partition("/")[0],) if test.study else self.quantities[test.measure].reads
        return self.seeds_of(*reads)

    def seeds_of(self, *keys: str) -> range:
        """The seeds of studies and measurements, which must be the same for all that have some."""
        found = {key: seeds for key in keys if (seeds := self._seeds(key))}
        if len({*found.values()}) > 1:
            said = ", ".join(f"{key} {seeds[0]} to {seeds[-1]}" for key, seeds in found.items())
            raise ConfigError(f"seeds: got {said}, wanted the same for what is compared seed by seed")
        return next(iter(found.values()), range(0))

    def _seeds(self, key: str) -> range:
        if key in self.measurements:
            of: Any = self.measurements[key]
        else:
            config = self.studies[key]
            of = (config.study if isinstance(config, Sweep) else config).train
        return range(of.first_seed, of.first_seed + of.seeds)

    def _known(self, where: str, name: str, known) -> None:
        if name not in known:
            raise ConfigError(f"{where}: got {name!r}, {nearest_names(name, known)}")
