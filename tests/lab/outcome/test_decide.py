"""Declared tests against brute force, and how often the whole procedure decides what is not so."""

import itertools
from functools import cache

import numpy as np
import pytest
from test_paired import binomial_p, sign_flip_p
from test_summary import NEVER, all_solved, model, none_solved, study

from attn_jax.config import DeclaredTest
from attn_jax.lab.outcome import decide as deciding
from attn_jax.lab.outcome import sides
from attn_jax.lab.outcome.decide import all_against_reference, decide
from attn_jax.lab.outcome.paired import Difference, paired_difference
from attn_jax.lab.outcome.summary import summarize
from attn_jax.lab.outcome.words import outcome_in_words


def scored(**finals):
    """A study of models with one rate each and these final scores, without a threshold."""
    rows = {name: np.asarray(values, float)[:, None] for name, values in finals.items()}
    return study(*(model(name, [[NEVER]] * len(row), row) for name, row in rows.items()), threshold=None)


def differing(differences, **declared):
    """The one answer on a model a whose final scores differ from those of b by this."""
    results = scored(a=differences, b=np.zeros(len(differences)))
    return decide(results, [DeclaredTest("final", "a", "b", **declared)])[0]


def closed(p):
    """Holm's procedure as the closure of Bonferroni's: the worst of all sets of tests that one is in."""
    sets = [s for size in range(1, len(p) + 1) for s in itertools.combinations(range(len(p)), size)]
    return [max(min(1, len(s) * min(p[i] for i in s)) for s in sets if one in s) for one in range(len(p))]


@pytest.mark.parametrize("seed", range(4))
def test_p_is_adjusted_over_exactly_the_declared_tests(seed):
    rng = np.random.default_rng(seed)
    shares, means = {"a": 1, "b": 0.5, "c": 0.2}, {"a": 0, "b": 0.3, "c": 0.5}
    firsts = {name: [[200 if won else NEVER] for won in rng.random(8) < share] for name, share in shares.items()}
    finals = {name: rng.normal(mean, 0.2, (8, 1)) for name, mean in means.items()}
    results = study(*(model(name, firsts[name], finals[name]) for name in "abc"))
    tests = [
        DeclaredTest("final", "a", "c"),
        DeclaredTest("final", "b", "a", expect="more", margin=0.1),
        DeclaredTest("final", "b", "c", expect="equal", margin=0.4),
        DeclaredTest("solved", "a", "c", expect="more"),
    ]
    a, b, c = (finals[name][:, 0] for name in "abc")
    solved = {name: np.array([first == [200] for first in firsts[name]]) for name in "ac"}
    inside = max(sign_flip_p((b - c + shift).tolist()) / 2 for shift in (0.4, -0.4))
    assert abs((b - c).mean()) < 0.4
    wins, losses = (solved["a"] & ~solved["c"]).sum(), (solved["c"] & ~solved["a"]).sum()
    raw = [
        sign_flip_p((a - c).tolist()),
        sign_flip_p((b - a - 0.1).tolist()),
        inside,
        binomial_p(int(wins), int(wins + losses)),
    ]
    np.testing.assert_allclose([one.p for one in decide(results, tests)], closed(raw), rtol=1e-9)
    np.testing.assert_allclose([one.p for one in decide(results, tests[1:])], closed(raw[1:]), rtol=1e-9)


def test_todays_table_is_one_family():
    results = study(all_solved(), none_solved("b"), none_solved("c"))
    decided = decide(results, all_against_reference(results), look=1)
    assert [(one.test.a, one.test.measure, one.outcome) for one in decided] == [
        (name, measure, "holds") for name in "bc" for measure in ("solved", "steps", "final")
    ]
    assert [one.p for one in decided] == [row["p"] for row in summarize(results)["comparisons"]]


NEAR = [0.01, -0.01, 0.01, -0.01, 0.01, -0.01, 0.02, 0.01]  # within .1 of 0, undecided against 0
FAR = [-0.5, -0.4, -0.6, -0.5, -0.45, -0.55, -0.5, -0.6]


@pytest.mark.parametrize(
    ("differences", "expect", "margin", "outcome", "p"),
    [
        (FAR, "less", 0.0, "holds", 2 / 256),
        (FAR, "less", 0.3, "holds", 2 / 256),
        (FAR, "less", 0.9, "fails", 2 / 256),  # decided to lie before the margin
        (FAR, "more", 0.0, "fails", 2 / 256),
        (FAR, "different", 0.3, "holds", 2 / 256),
        (FAR, "different", 0.9, "fails", 1 / 256),  # only by equivalence
        (FAR, "equal", 0.9, "holds", 1 / 256),
        (FAR, "equal", 0.3, "fails", 2 / 256),
        (NEAR, "less", 0.0, "undecided", None),
        (NEAR, "different", 0.0, "undecided", None),
        (NEAR, "different", 0.1, "fails", 1 / 256),
        (NEAR, "equal", 0.1, "holds", 1 / 256),
        (NEAR, "equal", 0.006, "undecided", None),
        (NEAR, "more", 0.1, "fails", 2 / 256),
    ],
)
def test_what_holds_and_what_fails(differences, expect, margin, outcome, p):
    one = differing(differences, expect=expect, margin=margin)
    assert one.outcome == outcome
    assert one.p > 0.05 if p is None else one.p == p


def test_two_one_sided_tests_by_hand():
    """Six differences, 0 but one of 2, margin 1: against 1 they are five of -1 and a 1, whose sum is -4.

    Of 64 sign vectors one has the sum -6 and six have -4: 7/64. Against -1 none is as far: 1/64. The larger counts.
    """
    one = differing([0, 0, 0, 0, 0, 2], expect="equal", margin=1.0)
    assert (one.p, one.outcome) == (7 / 64, "undecided")
    assert differing([0] * 5, expect="equal", margin=1.0).p == 1 / 32  # five seeds can show what is equal


def test_equal_shares_need_seeds_and_not_only_no_difference():
    """All 8 solved by both: with margin .4 p is the chance .6 ** 8 that no seed differs; with .2 it is .8 ** 8."""
    results = study(all_solved("a"), all_solved("b"))
    of = lambda margin: decide(results, [DeclaredTest("solved", "a", "b", expect="equal", margin=margin)])[0]  # noqa: E731
    assert of(0.4).outcome == "holds"
    assert of(0.4).p == pytest.approx(0.6**8)
    assert of(0.2).outcome == "undecided"
    assert of(0.2).p == pytest.approx(0.8**8)


def test_looking_again_costs():
    results = scored(a=FAR, b=np.zeros(8))
    tests = [DeclaredTest("final", "a", "b")]
    assert [decide(results, tests, looks=looks)[0].p for looks in (1, 4, 200)] == [2 / 256, 8 / 256, 1]
    assert decide(results, tests, looks=7)[0].outcome == "undecided"
    found = [decide(results, tests, look=look)[0] for look in (1, 2, 3)]
    assert [one.p for one in found] == pytest.approx([2 / 256 * 20 / 19, 2 / 256 * 40, 2 / 256 * 120])
    assert [one.outcome for one in found] == ["holds", "undecided", "undecided"]
    for wrong in ({"looks": 0}, {"look": 0}, {"looks": 2, "look": 2}):
        with pytest.raises(ValueError, match="looks: got"):
            decide(results, tests, **wrong)


def test_several_studies_are_one_family():
    studies = {"first": scored(a=FAR, b=np.zeros(8)), "second": scored(a=NEAR, b=np.zeros(8))}
    tests = [DeclaredTest("final", "a", "b", study=name) for name in studies]
    decided = decide(studies, tests)
    assert [one.outcome for one in decided] == ["holds", "undecided"]
    assert decided[0].p == 2 * 2 / 256


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"expect": "same"}, "expect: got 'same', wanted one of less, more, different, equal"),
        ({"b": "a"}, "b: got 'a', wanted another model than a"),
        ({"margin": -0.1}, "margin: got -0.1, wanted a finite number, at least 0"),
        ({"expect": "equal"}, "margin: got 0.0, wanted above 0: nothing is shown to be exactly equal"),
        ({"a": "c"}, "a: got 'c', wanted one of 'a', 'b'"),
        ({"b": float("nan")}, "b: got nan, wanted a name or a finite number"),
        ({"study": "other"}, "study: got 'other', wanted one of ''"),
        ({"measure": "steps"}, "measure: got 'steps', wanted one of 'final'"),
    ],
)
def test_what_cannot_be_tested_is_refused(changes, says):
    with pytest.raises(ValueError, match=says):
        decide(scored(a=FAR, b=np.zeros(8)), [DeclaredTest(**{"measure": "final", "a": "a", "b": "b", **changes})])


def test_a_mean_is_held_against_a_number():
    results = scored(a=[0.6, 0.7, 0.65, 0.7, 0.62, 0.66, 0.61, 0.69], b=np.zeros(8))
    (one,) = decide(results, [DeclaredTest("final", "a", 0.5, expect="more")])
    assert (one.outcome, one.p) == ("holds", 2 / 256)
    assert one.difference == pytest.approx(0.65375 - 0.5)
    with pytest.raises(ValueError, match=r"b: got 0.5 for solved, wanted the name of a model: shares"):
        decide(study(all_solved(), none_solved()), [DeclaredTest("solved", "lstm", 0.5)])


def test_no_tests_and_a_level_that_is_none():
    assert decide(scored(a=FAR, b=np.zeros(8)), []) == []
    with pytest.raises(ValueError, match="level: got 1, wanted a number between 0 and 1"):
        decide(scored(a=FAR, b=np.zeros(8)), [], 1)


# How often a study in which nothing differs is said to decide something.


def false_alarms(draws, means, test, wrong=lambda one: one.outcome != "undecided", seed=0):
    """The share of studies of 8 seeds with a wrong answer among the tests of all models against `a`."""
    rng = np.random.default_rng(seed)
    alarms = 0
    for _ in range(draws):
        results = scored(**{name: rng.normal(mean, 1, 8) for name, mean in means.items()})
        alarms += any(map(wrong, decide(results, [test(name) for name in means if name != "a"])))
    return alarms / draws


NOTHING = dict.fromkeys("abcde", 0.0)


def differ(name):
    return DeclaredTest("final", name, "a")


@cache
def signs(n):
    """All flips of eight seeds, and 4,000 of more."""
    if n <= 8:
        return np.array(list(itertools.product([1, -1], repeat=n)))
    return np.vstack([np.ones(n), np.random.default_rng(n).choice([-1, 1], (3999, n))])


def quick_p(d):
    """The share of flips that are as far from 0, in one product."""
    return float((abs(signs(len(d)) @ d) >= abs(d.sum()) * (1 - 1e-12)).mean())


@pytest.fixture
def hurried(monkeypatch):
    """Many studies in little time: no intervals, no count of the seeds that would decide."""
    quick = lambda a, b, limits, level: Difference((a - b).mean(), -np.inf, np.inf, quick_p(a - b), "none")  # noqa: E731
    monkeypatch.setattr(deciding, "paired_difference", quick)
    monkeypatch.setattr(sides, "sign_flip_p", quick_p)
    monkeypatch.setattr(deciding, "seeds_to_decide", lambda *args, **kwargs: None)


def test_the_hurried_p_is_that_of_the_package():
    d = np.random.default_rng(1).normal(0.4, 1, (5, 8))
    assert [quick_p(row) for row in d] == [paired_difference(row, np.zeros(8)).p for row in d]


@pytest.mark.usefixtures("hurried")
def test_the_family_has_few_false_alarms():
    assert 0.01 < false_alarms(300, NOTHING, differ) <= 0.05


@pytest.mark.usefixtures("hurried")
def test_without_holm_there_are_too_many(monkeypatch):
    monkeypatch.setattr(deciding, "holm", list)
    assert false_alarms(300, NOTHING, differ) > 0.1


@pytest.mark.usefixtures("hurried")
def test_with_a_one_sided_p_there_are_too_many(monkeypatch):
    seen = deciding._see
    monkeypatch.setattr(deciding, "_see", lambda *args: (one := seen(*args))._replace(p=one.p / 2))
    assert false_alarms(300, NOTHING, differ) > 0.05


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("expect", ["equal", "less", "more", "different"])
def test_what_lies_on_the_margin_seldom_holds(expect):
    """b - a is the margin itself, so nothing is below, above or within it."""
    border = -1.0 if expect == "less" else 1.0
    test = lambda name: DeclaredTest("final", name, "a", expect=expect, margin=1.0)  # noqa: E731
    assert false_alarms(300, {"a": 0.0, "b": border}, test, lambda one: one.outcome == "holds") <= 0.05


@pytest.mark.exhaustive
@pytest.mark.usefixtures("hurried")
def test_the_family_has_few_false_alarms_in_many_studies():
    assert false_alarms(3000, NOTHING, differ, seed=1) <= 0.05


@pytest.mark.exhaustive
@pytest.mark.usefixtures("hurried")
def test_looks_that_are_not_counted_alarm_too_often():
    """Studies that grow until they decide, at most to 32 seeds in four looks.

    Counting all four from the first on keeps the level. Counting those so far, the first pays for itself alone, the
    second twice ...: level x (1 + 1/2 + 1/3 + 1/4) at most, as `decide` says.
    """
    rng, draws = np.random.default_rng(0), 300
    ways = {"none": [1, 1, 1, 1], "so far": [1, 2, 3, 4], "all": [4, 4, 4, 4]}
    alarms = dict.fromkeys(ways, 0)
    for _ in range(draws):
        d = rng.normal(0, 1, 32)
        grown = [scored(a=d[:n], b=np.zeros(n)) for n in (8, 16, 24, 32)]
        p = np.array([decide(results, [differ("b")])[0].p for results in grown])
        for way, looks in ways.items():
            again = [decide(results, [differ("b")], looks=k)[0] for results, k in zip(grown, looks, strict=True)]
            assert [one.p for one in again] == np.minimum(1, p * looks).tolist()
            alarms[way] += any(one.outcome != "undecided" for one in again)
    assert alarms["none"] / draws > 0.1
    assert alarms["so far"] / draws < 0.05 * (1 + 1 / 2 + 1 / 3 + 1 / 4)
    assert alarms["all"] / draws <= 0.05


def test_words_of_what_is_undecided():
    row = summarize(scored(a=NEAR, b=np.zeros(8)))["comparisons"][0]
    assert outcome_in_words(row) == f"undecided: about {row['seeds_to_decide']} seeds would decide at the effect seen"
    assert outcome_in_words({**row, "outcome": "fails", "expect": "less"}) == "not less"
    assert outcome_in_words({**row, "outcome": "holds", "expect": "less", "margin": 0.1}) == "less by more than 0.1"
