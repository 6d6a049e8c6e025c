"""What a claim refuses before anything is hashed or run, its rules, and how its file is found."""

import pytest
from tiny_study import get_config

from attn_jax.config import Claim, DeclaredTest, Measurement, Quantity
from attn_jax.config.claim_file import claim_path, load_claim
from attn_jax.config.claim_runs import claim_run
from attn_jax.config.rules import all_hold, any_holds, controlled, holds_for
from attn_jax.errors import ConfigError


def counted(seeds):
    return Measurement(lambda seeds: [], seeds=seeds)


def claim(**changes):
    parts = {
        "tests": {"it": DeclaredTest("final", "gru", "transformer", study="s", expect="less")},
        "studies": {"s": get_config()},
        "measurements": {"m": counted(0), "n": counted(3)},
    }
    return Claim("It is so.", "nowhere", "Because.", **(parts | changes))


def test_seeds_are_those_of_what_is_read():
    quantities = {"depth": Quantity(dict, reads=("m",)), "both": Quantity(dict, reads=("m", "n"))}
    found = claim(quantities=quantities)
    assert found.seeds_of_test(found.tests["it"]) == range(2)
    assert found.seeds_of_test(DeclaredTest("depth", "a", 1.0)) == range(0)
    assert found.seeds_of_test(DeclaredTest("both", "a", 1.0)) == range(100, 103)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tests": {}}, "tests: got none"),
        ({"tests": {"x": DeclaredTest("final", "a", "b", study="t")}}, r"tests.x.study: got 't', wanted one of s"),
        ({"tests": {"x": DeclaredTest("drop", "a", "b")}}, r"tests.x.measure: got 'drop'"),
        (
            {"tests": {"x": DeclaredTest("final", "gru", "transformer", study="s", expect="equal")}},
            r"tests.x.margin: got 0, wanted above 0",
        ),
        ({"measurements": {"s": counted(0)}}, "measurements: got 's', which is a study's key too"),
        ({"measurements": {"m/n": counted(0)}}, "measurements: got the key 'm/n', wanted one without a slash"),
        ({"quantities": {"q": Quantity(dict, reads=())}}, r"quantities.q.reads: got none"),
        ({"quantities": {"q": Quantity(dict, reads=("z",))}}, r"quantities.q.reads: got 'z'"),
        ({"quantities": {"q": Quantity(dict, reads=("s", "n"))}}, "seeds: got s 0 to 1, n 100 to 102"),
        ({"quick": {"z": {}}}, "quick: got 'z'"),
        ({"quick": {"s": 3}}, "quick.s: got 3, wanted a dict of fields, or None"),
        ({"quick": {"it": {}}}, "quick: got 'it'"),  # a test has no fields to change
        ({"rule": controlled(all_hold, "z")}, "rule: got 'z', wanted one of it"),
        ({"rule": controlled(all_hold, "it")}, "rule: got nothing but controls"),
        ({"explain": {"maybe": "?"}}, "explain: got 'maybe', wanted one of holds, in part, fails, undecided"),
    ],
)
def test_what_is_no_claim_is_refused(changes, says):
    with pytest.raises(ConfigError, match=says):
        claim(**changes) if "explain" not in changes else Claim("", "", changes["explain"], claim().tests)


def test_in_small_studies_and_tests_may_be_left_out():
    of_t = {"in t": DeclaredTest("final", "a", "b", study="t"), "of t": DeclaredTest("q", "a", "b")}
    of_both = {"of both": DeclaredTest("both", "a", 1.0), "dropped": DeclaredTest("both", "b", 1.0)}
    whole = claim(
        studies={"s": get_config(), "t": get_config()},
        quantities={"q": Quantity(dict, reads=("t",)), "both": Quantity(dict, reads=("s", "t"))},
        tests=claim().tests | of_t | of_both,
        quick={"s": {"train.steps": 10}, "t": None, "dropped": None},
    )
    small = claim_run(whole, "quick")
    assert {*small.tests} == {*claim().tests, "of both"}
    assert ({*small.studies}, small.quantities.keys(), small.quantities["both"].reads) == ({"s"}, {"both"}, ("s",))
    assert small.studies["s"].train.steps == 10
    assert claim_run(whole, "again").tests == whole.tests


def test_in_small_less_may_be_measured():
    whole, small = (lambda seeds: [{"of": "all"}]), (lambda seeds: [{"of": "few"}])
    one = claim(measurements={"m": Measurement(whole, quick=small), "n": Measurement(whole)})
    measured = {run: claim_run(one, run).measurements for run in ("first", "again", "quick")}
    assert [of["m"].measure for of in measured.values()] == [whole, whole, small]
    assert [of["n"].measure for of in measured.values()] == [whole] * 3


def answers(*outcomes):
    return {str(place): outcome for place, outcome in enumerate(outcomes)}


H, F, U = "holds", "fails", "undecided"


@pytest.mark.parametrize(
    ("outcomes", "all_", "any_", "for_"),
    [
        ((H, H), H, H, H),
        ((H, U), U, H, "in part"),
        ((H, F), F, H, "in part"),
        ((F, F), F, F, F),
        ((F, U), F, U, F),
        ((U, U), U, U, U),
    ],
)
def test_rules(outcomes, all_, any_, for_):
    assert [rule(answers(*outcomes)) for rule in (all_hold, any_holds, holds_for)] == [all_, any_, for_]


def test_where_a_control_does_not_hold_nothing_is_decided():
    rule = controlled(all_hold, "0")
    assert [rule(answers(control, F)) for control in (H, U, F)] == [F, U, U]
    assert rule(answers(H, H)) == H


def test_files(tmp_path):
    file = tmp_path / "mine.py"
    assert claim_path(str(file)) == file
    with pytest.raises(ConfigError, match=r"claim: got 'nope', .*or the path of a file"):
        claim_path("nope")
    for text, says in (
        ("", "has no get_config"),
        ("def get_config():\n    return 3\n", "gave a int, wanted an .*Claim"),
    ):
        file.write_text(text)
        with pytest.raises(ConfigError, match=says):
            load_claim(file)
