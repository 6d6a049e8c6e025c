"""Which of the tests that were declared the data decide, and how: numbers only, `verdict` has the words."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from attn_jax.config import DeclaredTest
from attn_jax.lab.outcome.intervals import UNLIMITED, Limits
from attn_jax.lab.outcome.judged import Judged, judge
from attn_jax.lab.outcome.looks import look_factor
from attn_jax.lab.outcome.measures import MEASURES, measures_of
from attn_jax.lab.outcome.paired import Difference, holm, paired_difference, paired_solved
from attn_jax.lab.outcome.power import seeds_to_decide
from attn_jax.lab.outcome.results import Results
from attn_jax.lab.outcome.sides import Side, room, side_of, side_p

LEVEL = 0.05
Outcome: TypeAlias = Literal["holds", "fails", "undecided"]


class Decided(NamedTuple):
    """What came of a test; p is below the level exactly where it holds or fails."""

    test: DeclaredTest
    difference: float
    low: float  # -inf and inf: values without limits that agree bound nothing
    high: float
    method: str  # of the interval
    p: float  # of the difference not lying on the side of the margin where it was seen; adjusted
    outcome: Outcome
    seeds_to_decide: int | None  # of an undecided test, at the effect seen; None where not even 256 would
    seeds_to_decide_at_bound: int | None  # at the end of its interval that is nearest to the margin, if not across


def all_against_reference(results: Results) -> list[DeclaredTest]:
    """Every other model against the reference in every measure, expected to differ: a study's table."""
    pairs = [(name, reference) for name in results.models if name != (reference := results.reference_of(name))]
    return [DeclaredTest(measure, *pair) for pair in pairs for measure in measures_of(results)]


def decide(
    results: Results | Mapping[str, Results],
    tests: Sequence[DeclaredTest],
    level: float = LEVEL,
    *,
    looks: int = 1,
    look: int | None = None,
) -> list[Decided]:
    """Decides tests together: p is adjusted by Holm's method over exactly these.

    "less" and "more" are tested at their margin by a two-sided p: the test holds where the difference is decided to
    lie beyond it, and fails where it is decided to lie before. "different" and "equal" are each other's opposite:
    beyond the margin on either side by a two-sided p, or between both by two one-sided tests, p the larger; without a
    margin "different" never fails. All else is undecided, which is not equal. Solved shares are tested by McNemar's
    exact test, the rest by sign-flips.

    Args:
      results: a study, or studies by name.
      tests: all that is asked of them.
      level: of the whole family; an interval, its test's own and not adjusted, covers 1 - level.
      looks: how often a growing study is decided in all, set beforehand and given at each of them: each p is multiplied
        by it, so that whoever stops at the first look that decides keeps the level.
      look: the how many-th look this is at a study that may grow as often as one likes, in place of `looks`: p is
        multiplied by `look_factor(look)`.

    Returns:
      One answer a test, in their order. An undecided one tells how many seeds would decide it with 80 % power, at the
      next look, if all that is undecided were as it was seen.

    Raises:
      ValueError: a study, model or measure that is not there, a level outside (0, 1), looks or look below 1, or both.
    """
    judged: dict[tuple[str, str], Judged] = {}
    return decide_pairs([pair_of(results, test, judged) for test in tests], level, looks=looks, look=look)


class Pair(NamedTuple):
    """A test, and what it compares: a value a seed, bool where they are of yes and no."""

    test: DeclaredTest
    a: np.ndarray  # [S]
    b: np.ndarray  # [S]
    limits: Limits = UNLIMITED

    @property
    def shares(self) -> bool:
        """Whether shares are compared."""
        return self.a.dtype == bool


def decide_pairs(
    pairs: Sequence[Pair], level: float = LEVEL, *, looks: int = 1, look: int | None = None
) -> list[Decided]:
    """As `decide`, of values that are known."""
    if not 0 < level < 1:
        raise ValueError(f"level: got {level}, wanted a number between 0 and 1")
    if looks < 1 or (look is not None and (look < 1 or looks != 1)):
        raise ValueError(f"looks: got {looks}, look: got {look}, wanted one of them, at least 1: this one counts")
    now, next_time = (looks, looks) if look is None else (look_factor(look), look_factor(look + 1))
    seen = [_see(pair, level) for pair in pairs]
    adjusted = holm([min(1.0, now * one.p) for one in seen])
    own_level = level / (next_time * max(sum(p >= level for p in adjusted), 1))
    return [_answer(one, p, level, own_level) for one, p in zip(seen, adjusted, strict=True)]


class _Seen(NamedTuple):
    """A pair, and what the data say before any correction."""

    pair: Pair
    differences: np.ndarray  # [S]
    mean: Difference
    side: Side
    p: float


def _see(pair: Pair, level: float) -> _Seen:
    """One test by itself."""
    test, a, b, limits = pair
    if test.expect == "equal" and not test.margin:
        raise ValueError("margin: got 0.0, wanted above 0: nothing is shown to be exactly equal")
    mean = paired_solved(a, b, 1 - level) if pair.shares else paired_difference(a, b, limits, 1 - level)
    differences = a.astype(float) - b
    side = side_of(mean.value, test.expect, test.margin)
    p = side_p(differences, side, shares=pair.shares) if test.margin else mean.p
    return _Seen(pair, differences, mean, side, p)


def pair_of(
    results: Results | Mapping[str, Results], test: DeclaredTest, judged: dict[tuple[str, str], Judged]
) -> Pair:
    """What a test compares; models that were judged before are not judged again."""
    study = _study(results, test)
    a = _values(study, test, test.a, judged)
    if isinstance(test.b, str):
        return Pair(test, a, _values(study, test, test.b, judged), MEASURES[test.measure].limits(study))
    if a.dtype == bool:
        raise ValueError(
            f"b: got {test.b} for {test.measure}, wanted the name of a model: shares are compared in pairs"
        )
    return Pair(test, a, np.full(len(a), test.b), MEASURES[test.measure].limits(study))


def _values(study: Results, test: DeclaredTest, name: str, judged: dict[tuple[str, str], Judged]) -> np.ndarray:
    """[S], what a test measures of a model."""
    key = (test.study, name)
    if key not in judged:
        judged[key] = judge(study, study.models[name])
    return MEASURES[test.measure].of(study, judged[key])


def _study(results: Results | Mapping[str, Results], test: DeclaredTest) -> Results:
    """The study of a test, which has all that the test names."""
    studies = results if isinstance(results, Mapping) else {"": results}
    study = studies[_known("study", test.study, studies)]
    _known("a", test.a, study.models)
    if isinstance(test.b, str):
        _known("b", test.b, study.models)
    _known("measure", test.measure, measures_of(study))
    return study


def _known(argument: str, got: str, known: Iterable[str]) -> str:
    if got not in known:
        raise ValueError(f"{argument}: got {got!r}, wanted one of {', '.join(map(repr, known))}")
    return got


def _answer(seen: _Seen, p: float, level: float, own_level: float) -> Decided:
    """What a test came to."""
    mean, test, shares = seen.mean, seen.pair.test, seen.pair.shares
    if p < level:
        outcome: Outcome = "holds" if seen.side.expected else "fails"
        return Decided(test, mean.value, mean.low, mean.high, mean.method, p, outcome, None, None)
    counted = lambda shift: seeds_to_decide(  # noqa: E731
        seen.differences, seen.side, own_level, shares=shares, shift=shift
    )
    weaker = room(seen.side, (mean.low, mean.high), mean.value)
    at_bound = None if weaker is None else counted(weaker)
    return Decided(test, mean.value, mean.low, mean.high, mean.method, p, "undecided", counted(0.0), at_bound)
