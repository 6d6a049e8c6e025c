"""A claim judged: its tests on what was found, its rule on their outcomes; and whether its seeds can decide at all."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_args

import numpy as np

from attn_jax.config import Claim, DeclaredTest, Quantity
from attn_jax.config.rules import Outcome
from attn_jax.errors import ConfigError
from attn_jax.lab.outcome.decide import LEVEL, Decided, Pair, decide_pairs, pair_of
from attn_jax.lab.outcome.doubts import doubt
from attn_jax.lab.outcome.judged import Judged
from attn_jax.lab.outcome.paired import holm
from attn_jax.lab.outcome.sides import side_of, side_p
from attn_jax.names import counted, nearest_names

COUNTED = "counted"  # the method where there is no chance in it
_MOST = 64  # seeds, more are not looked for
_UNITS = {"steps": "steps", "solved": "of the seeds"}  # of a study's measures


class Answer(NamedTuple):
    """What came of one test of a claim."""

    decided: Decided
    a: float  # means over the seeds
    b: float
    seeds: int  # 0 where it is counted
    unit: str
    doubt: str  # why what p decides is not believed; "" where it is

    @property
    def outcome(self) -> str:
        """Of the test."""
        return "undecided" if self.doubt else self.decided.outcome


class Judgement(NamedTuple):
    """What came of a claim."""

    outcome: Outcome
    answers: dict[str, Answer]  # by what the tests are about


def judge_claim(claim: Claim, found: Mapping[str, Any], level: float = LEVEL) -> Judgement:
    """Decides a claim's tests together, and makes one verdict of them by its rule.

    Args:
      claim: what was declared.
      found: the results of its studies and sweeps and the rows of its measurements, by their keys.
      level: of all tests together; what is counted takes none of it.

    Raises:
      ConfigError: a quantity that has no value of the name that a test asks for, or not one for each seed; a rule that
        gives no verdict.
    """
    judged: dict[tuple[str, str], Judged] = {}
    pairs = pairs_of(claim, found, judged)
    tested = {about: pair for about, pair in pairs.items() if claim.seeds_of_test(pair.test)}
    decided = dict(zip(tested, decide_pairs(list(tested.values()), level), strict=True))
    decided |= {about: _compared(pair) for about, pair in pairs.items() if about not in tested}
    answers = {
        about: Answer(
            decided[about],
            float(pair.a.mean()),
            float(pair.b.mean()),
            len(claim.seeds_of_test(pair.test)),
            claim.quantities[pair.test.measure].unit if not pair.test.study else _UNITS.get(pair.test.measure, ""),
            _doubt(about, decided[about], found, judged),
        )
        for about, pair in pairs.items()
    }
    return Judgement(_ruled(claim, {about: answer.outcome for about, answer in answers.items()}), answers)


def pairs_of(
    claim: Claim, found: Mapping[str, Any], judged: dict[tuple[str, str], Judged] | None = None
) -> dict[str, Pair]:
    """What each test of a claim compares, by what it is about; errors as `judge_claim`.

    Args:
      claim: what was declared.
      found: the results by their keys.
      judged: takes up the runs of each study's models that a test names.
    """
    values = {
        name: values_of(claim, name, found)
        for name in dict.fromkeys(test.measure for test in claim.tests.values() if not test.study)
    }
    judged = {} if judged is None else judged
    return {about: _pair(claim, about, found, values, judged) for about in claim.tests}


def values_of(claim: Claim, name: str, found: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """What a quantity gives: a number a seed, or one where it is counted, each finite."""
    quantity = claim.quantities[name]
    return _values(name, quantity, found, claim.seeds_of(*quantity.reads))


def try_rule(claim: Claim) -> None:
    """Calls a claim's rule before there is anything to judge, for each outcome that all tests may share.

    Raises:
      ConfigError: it gives no verdict.
      Exception: whatever it raises.
    """
    for outcome in ("holds", "fails", "undecided"):
        _ruled(claim, dict.fromkeys(claim.tests, outcome))


def _ruled(claim: Claim, outcomes: Mapping[str, str]) -> Outcome:
    outcome = claim.rule(outcomes)
    if outcome not in get_args(Outcome):
        raise ConfigError(f"rule: gave {outcome!r}, wanted one of {', '.join(get_args(Outcome))}")
    return outcome


def refuse_undecidable(claim: Claim, level: float = LEVEL) -> None:
    """Refuses a claim that its seeds cannot decide, whatever comes out.

    The smallest p that each test can reach with its seeds, on either side, is adjusted as the real ones will be.

    Raises:
      ConfigError: names a test that stays above the level, its seeds, and the fewest that would do.
    """
    tests = {about: test for about, test in claim.tests.items() if claim.seeds_of_test(test)}
    seeds = {about: len(claim.seeds_of_test(test)) for about, test in tests.items()}
    smallest = _adjusted(claim, tests, seeds)
    if not smallest or max(smallest.values()) < level:
        return
    about = max(smallest, key=lambda about: (smallest[about], -seeds[about]))

    def enough(number: int) -> bool:
        return max(_adjusted(claim, tests, dict.fromkeys(tests, number)).values()) < level

    fewest = bisect_left(range(_MOST), True, lo=2, key=enough)
    advice = (
        f"{_MOST} could not either: wanted another margin, or fewer tests" if fewest == _MOST else f"{fewest} could"
    )
    raise ConfigError(
        f"tests.{about}: {counted(seeds[about], 'seed')} cannot decide it: over {counted(len(tests), 'test')} p after "
        f"Holm's correction is at least {smallest[about]:.3g}, wanted below {level:g}; {advice}"
    )


def smallest_p(test: DeclaredTest, seeds: int, *, share: bool) -> float:
    """The smallest p by which so many seeds can decide a test, on the side where they can do least.

    >>> round(smallest_p(DeclaredTest("final", "a", "b", expect="more"), 8, share=False), 4)
    0.0078
    """
    far = 1.0 if share else 2 * test.margin + 1
    ideals = [far, -far] if test.expect != "different" or test.margin else [far]
    ideals += [0.0] if test.margin and test.expect in ("equal", "different") else []
    return max(
        side_p(np.full(seeds, ideal), side_of(ideal, test.expect, test.margin), shares=share) for ideal in ideals
    )


def _adjusted(claim: Claim, tests: Mapping[str, DeclaredTest], seeds: Mapping[str, int]) -> dict[str, float]:
    """The smallest p of each test, adjusted over all."""
    least = [smallest_p(test, seeds[about], share=claim.is_share(test)) for about, test in tests.items()]
    return dict(zip(tests, holm(least), strict=True))


def _pair(
    claim: Claim,
    about: str,
    found: Mapping[str, Any],
    values: Mapping[str, Mapping[str, np.ndarray]],
    judged: dict[tuple[str, str], Judged],
) -> Pair:
    """What a test compares."""
    test = claim.tests[about]
    if test.study:
        try:
            return pair_of({test.study: _study(about, test.study, found)}, test, judged)
        except ConfigError:
            raise
        except ValueError as error:
            raise ConfigError(f"tests.{about}.{error}") from error
    of, quantity = values[test.measure], claim.quantities[test.measure]
    for argument, name in (("a", test.a), ("b", test.b)):
        if isinstance(name, str) and name not in of:
            raise ConfigError(f"tests.{about}.{argument}: got {name!r}, {nearest_names(name, of)}")
    a = of[test.a]
    b = of[test.b] if isinstance(test.b, str) else np.full(len(a), float(test.b))
    return Pair(test, a, b, quantity.limits)


def _study(about: str, name: str, found: Mapping[str, Any]) -> Any:
    """The results of a study, or of a point of a sweep, "key/point"."""
    key, _, point = name.partition("/")
    points = getattr(found[key], "points", None)
    if points is None and not point:
        return found[key]
    if points is None or point not in points:
        wanted = nearest_names(point, points) if points else f"wanted {key!r}, which is no sweep"
        raise ConfigError(f"tests.{about}.study: got {name!r}, {wanted}")
    return points[point]


def _doubt(about: str, decided: Decided, found: Mapping[str, Any], judged: Mapping[tuple[str, str], Judged]) -> str:
    """Of a decided test between a study's models."""
    test = decided.test
    if not test.study or decided.outcome == "undecided":
        return ""
    models = {name: judged[test.study, name] for name in (test.a, test.b) if isinstance(name, str)}
    return doubt(_study(about, test.study, found), test, models, decided.difference)


def _values(name: str, quantity: Quantity, found: Mapping[str, Any], seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """What a quantity gives: a number a seed, or one where it is counted, each finite."""
    given = quantity.of({key: found[key] for key in quantity.reads})
    values = {of: _numbers(name, of, numbers) for of, numbers in given.items()}
    for of, numbers in values.items():
        if numbers.shape != (max(len(seeds), 1),):
            wanted = f"one a seed, {len(seeds)}" if seeds else "one number, as it is counted"
            raise ConfigError(f"quantities.{name}: got {numbers.shape} values of {of!r}, wanted {wanted}")
        if not np.isfinite(numbers).all():
            raise ConfigError(f"quantities.{name}: got a value of {of!r} that is not finite, wanted a number a seed")
        if quantity.share and not np.isin(numbers, (0, 1)).all():  # bool(nan) and bool(.5) would be yes
            raise ConfigError(
                f"quantities.{name}: got {numbers.tolist()} of {of!r}, wanted yes or no, as it is a share"
            )
    return {of: numbers.astype(bool) if quantity.share else numbers for of, numbers in values.items()}


def _numbers(name: str, of: str, given: Any) -> np.ndarray:
    try:
        return np.atleast_1d(np.asarray(given, float))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"quantities.{name}: got no numbers of {of!r} ({error}), wanted one a seed") from error


def _compared(pair: Pair) -> Decided:
    """A test of what is counted: it is so or not."""
    test, difference = pair.test, float(pair.a[0]) - float(pair.b[0])
    expected = {
        "less": difference < -test.margin,
        "more": difference > test.margin,
        "equal": abs(difference) <= test.margin,
        "different": abs(difference) > test.margin,
    }
    outcome = "holds" if expected[test.expect] else "fails"
    return Decided(test, difference, difference, difference, COUNTED, 0.0, outcome, None, None)
