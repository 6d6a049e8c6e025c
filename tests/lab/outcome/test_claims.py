"""The logic of verdicts on synthetic results, what is counted, and which claims are refused because of their seeds."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from test_summary import NEVER, all_solved, model, study
from tiny_study import get_config

from attn_jax.config import Claim, DeclaredTest, Measurement, Quantity
from attn_jax.config.rules import holds_for
from attn_jax.errors import ConfigError
from attn_jax.lab.outcome.by_seed import from_rows
from attn_jax.lab.outcome.claims import COUNTED, judge_claim, refuse_undecidable, smallest_p, try_rule
from attn_jax.lab.outcome.decide import pair_of
from attn_jax.lab.outcome.doubts import doubt

SPREAD = np.array([0.0, 0.01, -0.01, 0.02, -0.02, 0.015, -0.015, 0.005])


def rows(**values):
    """Rows of a measurement, a value a seed."""
    return [{"of": of, "seed": 100 + s, "x": x} for of, row in values.items() for s, x in enumerate(np.atleast_1d(row))]


def claim(*tests, seeds=8, share=False, **changes):
    return Claim(
        "It is so.",
        "nowhere",
        "Because.",
        {str(place): test for place, test in enumerate(tests)},
        measurements={"m": Measurement(lambda seeds: [], seeds=seeds)},
        quantities={"x": Quantity(lambda found: from_rows(found["m"], "x", "of"), ("m",), "steps", share)},
        **changes,
    )


def outcome(test, **values):
    return judge_claim(claim(test), {"m": rows(**values)}).outcome


@pytest.mark.parametrize(
    ("a", "expect", "margin", "says"),
    [
        (SPREAD - 1, "less", 0.5, "holds"),
        (SPREAD + 1, "less", 0.5, "fails"),
        (SPREAD - 0.2, "less", 0.5, "fails"),  # below 0, and decided not to be by .5
        (100 * SPREAD, "less", 0.5, "undecided"),
        (SPREAD, "equal", 0.5, "holds"),
        (SPREAD + 1, "equal", 0.5, "fails"),
        (100 * SPREAD, "equal", 0.5, "undecided"),  # no difference seen is not none there
        (SPREAD + 1, "different", 0.5, "holds"),
        (SPREAD, "different", 0.5, "fails"),
        (SPREAD, "different", 0.0, "undecided"),
    ],
)
@pytest.mark.parametrize("b", ["b", 0.0])
def test_one_test(a, expect, margin, says, b):
    assert outcome(DeclaredTest("x", "a", b, expect=expect, margin=margin), a=a, b=np.zeros(8)) == says


def unsolved(name):
    """At two rates: nothing is said of edges."""
    return model(name, [[NEVER] * 2] * 8)


def test_what_is_read_of_a_study_a_point_and_a_start():
    results = study(all_solved(), unsolved("b"), unsolved("b@wide"))
    sweep = SimpleNamespace(points={"d=8": study(unsolved("a"), all_solved("b"))})
    config = get_config()
    config = replace(config, train=replace(config.train, seeds=8))
    first = next(iter(results.models))
    asked = Claim(
        "It is so.",
        "nowhere",
        "Because.",
        {
            "study": DeclaredTest("solved", first, "b", study="s", expect="more"),
            "start": DeclaredTest("steps", first, "b@wide", study="s", expect="less"),
            "point": DeclaredTest("final", "a", "b", study="t/d=8", expect="less"),
        },
        studies={"s": config, "t": config},
    )
    judged = judge_claim(asked, {"s": results, "t": sweep})
    assert judged.outcome == "holds"
    assert judged.answers["start"].unit == "steps"
    assert judged.answers["study"].a == 1
    for name, says in (("t/d=9", r"study: got 't/d=9', did you mean d=8"), ("s/d=8", "'s', which is no sweep")):
        tests = {"0": DeclaredTest("final", "a", "b", study=name)}
        wrong = Claim("", "", "", tests, studies={"s": config, "t": config})
        with pytest.raises(ConfigError, match=says):
            judge_claim(wrong, {"s": results, "t": sweep})


def compared(expect, *models):
    """The answer to whether the first model takes as many steps as the second."""
    config = get_config()
    config = replace(config, train=replace(config.train, seeds=8))
    test = DeclaredTest("steps", models[0].name, models[1].name, study="s", expect=expect)
    asked = Claim("It is so.", "nowhere", "Because.", {"0": test}, studies={"s": config})
    return judge_claim(asked, {"s": study(*models)}).answers["0"]


@pytest.mark.parametrize("expect", ["more", "less"])
def test_a_model_that_a_grid_starves_is_not_shown_to_be_slower(expect):
    fast = model("fast", [[200, 100, 200]] * 8)
    starved, fed = model("slow", [[NEVER, 600, 300]] * 8), model("slow", [[600, 300, 600]] * 8)
    answer = compared(expect, starved, fast)
    assert (answer.outcome, answer.decided.p < 0.05) == ("undecided", True)
    assert answer.doubt.startswith("the best learning rate of slow is on the edge of the grid")
    assert compared(expect, fed, fast).outcome == {"more": "holds", "less": "fails"}[expect]
    assert compared(expect, fed, model("fast", [[NEVER, 200, 100]] * 8)).doubt == ""  # the faster one may have an edge
    assert compared(expect, model("slow", [[600, 300]] * 8), fast).doubt == ""  # of two rates each is on one


def test_of_a_margin_it_matters_whose_better_rate_would_lead_across():
    fed, starved = model("a", [[600, 300, 600]] * 8), model("b", [[NEVER, 600, 310]] * 8)
    test = DeclaredTest("steps", "a", "b", expect="less", margin=50)  # seen: -10, decided not to be below -50
    results, found = study(fed, starved), {}
    pair_of(results, test, found)
    models = {name: judged for (_, name), judged in found.items()}
    assert doubt(results, test, models, -10.0) == ""  # b's better rate would bring a no nearer to the margin
    assert doubt(results, replace(test, a="b", b="a"), models, 10.0).startswith("the best learning rate of b")
    assert doubt(results, replace(test, expect="equal"), models, -10.0).startswith("the best learning rate of b")


def test_whoever_scores_above_the_best_possible_is_not_believed():
    batches = np.full((8, 3, 4), 2.0) + np.linspace(0, 0.1, 4)
    answer = compared(
        "less", all_solved("told", final=2.05, final_batches=batches), model("slow", [[600, 300, 600]] * 8)
    )
    assert (answer.outcome, answer.doubt) == ("undecided", "told scores above the best possible")


@pytest.mark.parametrize("value", [np.nan, None, 0.5])
def test_what_is_neither_yes_nor_no_is_no_share(value):
    test = claim(DeclaredTest("x", "a", "b", expect="more"), share=True)
    with pytest.raises(ConfigError, match=r"quantities.x: got .* of 'a'"):
        judge_claim(test, {"m": rows(a=[True] * 7 + [value], b=[False] * 8)})


def test_a_rule_that_gives_no_verdict_is_refused():
    odd = claim(DeclaredTest("x", "a", 0.0), rule=lambda answers: "maybe")
    with pytest.raises(ConfigError, match="rule: gave 'maybe', wanted one of holds, in part, fails, undecided"):
        judge_claim(odd, {"m": rows(a=SPREAD + 1)})


def test_a_rule_is_tried_on_every_outcome_before_there_is_one():
    try_rule(claim(DeclaredTest("x", "a", 0.0)))
    for rule, says in ((lambda answers: None, "rule: gave None"), (lambda answers: answers["nope"], "nope")):
        with pytest.raises((ConfigError, KeyError), match=says):
            try_rule(claim(DeclaredTest("x", "a", 0.0), rule=rule))
    bad = {"holds": "holds", "fails": "fails!", "undecided": "undecided"}
    with pytest.raises(ConfigError, match="gave 'fails!'"):
        try_rule(claim(DeclaredTest("x", "a", 0.0), rule=lambda answers: bad[next(iter(answers.values()))]))


def test_p_is_adjusted_over_the_claim_and_the_rule_has_the_last_word():
    tests = [DeclaredTest("x", name, 0.0, expect="more") for name in "ab"]
    found = {"m": rows(a=SPREAD + 1, b=SPREAD - 1)}
    assert judge_claim(claim(*tests), found).outcome == "fails"
    partly = judge_claim(claim(*tests, rule=holds_for), found)
    assert partly.outcome == "in part"
    assert [answer.outcome for answer in partly.answers.values()] == ["holds", "fails"]
    assert [answer.decided.p for answer in partly.answers.values()] == [2 * 2 / 256] * 2


@pytest.mark.parametrize(
    ("a", "b", "expect", "margin", "says"),
    [
        (3, 3.0, "equal", 0.0, "holds"),
        (3, 4.0, "equal", 0.0, "fails"),
        (3, 4.0, "equal", 1.0, "holds"),
        (3, 4.0, "less", 0.0, "holds"),
        (3, 4.0, "less", 1.0, "fails"),
        (5, 4.0, "more", 0.0, "holds"),
        (5, 4.0, "different", 0.0, "holds"),
        (True, 1.0, "equal", 0.0, "holds"),
    ],
)
def test_what_is_counted_is_compared(a, b, expect, margin, says):
    asked = claim(DeclaredTest("x", "a", b, expect=expect, margin=margin), seeds=0)
    judged = judge_claim(asked, {"m": [{"of": "a", "x": a}]})
    assert judged.outcome == says
    assert judged.answers["0"].decided.method == COUNTED


def test_what_is_counted_takes_no_level_from_the_rest():
    asked = Claim(
        "",
        "",
        "",
        {"n": DeclaredTest("n", "a", 1.0, expect="equal"), "x": DeclaredTest("x", "a", 0.0)},
        measurements={"n": Measurement(list), "x": Measurement(list, seeds=6)},
        quantities={key: Quantity(lambda found: {"a": next(iter(found.values()))}, (key,)) for key in "nx"},
    )
    judged = judge_claim(asked, {"n": 1, "x": np.ones(6)})
    assert judged.answers["x"].decided.p == 2 / 64
    assert judged.outcome == "holds"
    refuse_undecidable(asked)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"a": np.ones(7)}, r"quantities.x: got \(7,\) values of 'a', wanted one a seed, 8"),
        ({"a": np.full(8, np.nan)}, "quantities.x: got a value of 'a' that is not finite"),
        ({"c": np.ones(8)}, "tests.0.a: got 'a', wanted one of c"),
        ({"a": ["much"] * 8}, r"quantities.x: got no numbers of 'a' \(.*much.*wanted one a seed"),
    ],
)
def test_a_quantity_without_the_values_of_its_tests_is_named(values, says):
    with pytest.raises(ConfigError, match=says):
        outcome(DeclaredTest("x", "a", 0.0), **values)


@pytest.mark.parametrize("expect", ["less", "more", "different", "equal"])
@pytest.mark.parametrize("share", [False, True])
def test_the_smallest_p_is_reached_and_not_undercut(expect, share):
    test = DeclaredTest("x", "a", "b", expect=expect, margin=0.4)
    least = smallest_p(test, 8, share=share)
    ps = []
    for shift in (-1, 0, 1):  # no data of eight seeds are clearer
        a, b = (shift > 0, shift < 0) if share else [9.0 * shift, 0.0]
        found = {"m": rows(a=[a] * 8, b=[b] * 8)}
        ps.append(judge_claim(claim(test, share=share), found).answers["0"].decided.p)
    wanted = ps if expect in ("equal", "different") else [ps[0], ps[2]]
    assert least == pytest.approx(max(wanted), rel=1e-12)


@pytest.mark.parametrize(("tests", "seeds", "refused"), [(6, 8, False), (7, 8, True), (9, 9, False), (1, 5, True)])
def test_a_claim_that_its_seeds_cannot_decide_is_refused(tests, seeds, refused):
    asked = claim(*[DeclaredTest("x", f"a{n}", 0.0, expect="more") for n in range(tests)], seeds=seeds)
    best = {"m": rows(**{f"a{n}": np.ones(seeds) for n in range(tests)})}
    assert judge_claim(asked, best).outcome == ("undecided" if refused else "holds")  # nothing is clearer than this
    if not refused:
        return refuse_undecidable(asked)
    with pytest.raises(ConfigError, match=rf"{seeds} seeds cannot decide it: over {tests} tests? .*; \d could"):
        refuse_undecidable(asked)


def test_a_margin_that_no_share_of_so_few_seeds_shows_is_refused():
    asked = claim(DeclaredTest("x", "a", "b", expect="equal", margin=0.01), share=True)
    with pytest.raises(ConfigError, match=r"8 seeds cannot decide it: .*64 could not"):
        refuse_undecidable(asked)


def test_shares_are_compared_in_pairs():
    with pytest.raises(ConfigError, match=r"tests.0.b: got 0.5, wanted a name: shares"):
        claim(DeclaredTest("x", "a", 0.5), share=True)
