"""A card from the command to its page, on invented scores: what is kept, what is refused; and a tiny one for real."""

import json
from pathlib import Path

import numpy as np
import pytest
from invented_card import BROKEN, FLOW, HOLDS, MEASURED, baselines, counts, tasks_like

from attn_jax.cli import main
from attn_jax.commands import card as of_command
from attn_jax.config import TrainConfig
from attn_jax.lab.card import baselines as of_baselines
from attn_jax.lab.card import session, trials
from attn_jax.lab.card.baselines import comparable, elsewhere, mixers_in, read_baselines, write_baselines
from attn_jax.lab.card.contract import Sight
from attn_jax.lab.card.record import kept
from attn_jax.lab.card.relabelled import read_runs
from attn_jax.lab.card.standing import RIVALS
from attn_jax.lab.outcome.selection import cross_fitted_rates
from attn_jax.lab.plan import numerics
from attn_jax.mixers import GRU, MIXERS
from attn_jax.models import ModelConfig, classic
from attn_jax.report import card_page
from attn_jax.tasks import Parity

MINE = """
from dataclasses import dataclass
from attn_jax.mixers import GRU

@dataclass(frozen=True)
class Mine(GRU):
    pass
"""

BESIDE = {"counts": counts(), "flow": FLOW, "measured": MEASURED}


@pytest.fixture
def card(tmp_path, monkeypatch, capsys):
    """Runs `attn-jax card my.py:Mine` on invented parts: (exit code, what it says, card.json or None)."""
    monkeypatch.setattr(of_baselines, "COMMITTED", tmp_path / "none.json")
    monkeypatch.setattr(card_page, "drawn_panels", lambda name, panels: ([], []))  # which takes longest
    path, root = tmp_path / "my.py", tmp_path / "cards"
    path.write_text(MINE)

    def run(
        *words,
        contract=HOLDS,
        nature="mixes",
        task="running_parity",
        flow=lambda config: FLOW,
        size=lambda *args, **options: (ModelConfig(8), None),
    ):
        monkeypatch.setattr(session, "contract_of", lambda config, path: [contract])
        monkeypatch.setattr(session, "sight_of", lambda config: Sight(nature, True))
        looks = {"counts": lambda config: counts(), "flow": flow, "measured": lambda config: MEASURED}
        monkeypatch.setattr(session, "_LOOKS", looks)
        monkeypatch.setattr(session, "_beside", lambda directory, key: dict.fromkeys(RIVALS, BESIDE[key]))
        monkeypatch.setattr(session, "sized", size)
        monkeypatch.setattr(session, "_trained", lambda *args: ({task: tasks_like("gru")[task]}, 1.0))
        code = main(["card", *(words or (f"{path}:Mine",)), f"--workdir={root}", "--platform=cpu"])
        out, err = capsys.readouterr()
        at = root / "Mine" / "card.json"
        return code, out + err, json.loads(at.read_text()) if at.exists() else None

    return run


def test_a_card_run_twice_is_the_same_but_for_its_timing(card, tmp_path, monkeypatch):
    others = {"gru": baselines()["gru"], "lru": baselines()["lru"]}
    terms = {task: task for task in others["gru"]["tasks"]}
    monkeypatch.setattr(session, "read_baselines", lambda root: comparable(others, terms))
    code, said, first = card()
    assert code == 0
    assert "1 of 24 tests: the other baselines are not there" in said
    assert first["tests"][0]["rival"] == "gru"
    _, _, second = card()
    for told in (first, second):
        del told["timing"]
    assert json.dumps(first) == json.dumps(second)
    assert "running parity" in (tmp_path / "cards" / "Mine" / "card.html").read_text()


def test_without_baselines_all_else_comes_and_it_is_said_how_to_make_them(card):
    code, said, told = card()
    assert code == 0
    assert "there are no baselines: attn-jax card --baselines makes them" in said
    assert (told["tests"], told["ranks"], told["nearest"]) == ([], {}, {})
    assert told["tasks"]["running_parity"]["score"]["value"] > 0.9


def test_a_broken_contract_is_told_on_the_page_and_nothing_is_trained(card, tmp_path):
    code, said, told = card(contract=BROKEN, nature="leaks the future")
    assert code == 1
    assert "my.py:Mine breaks its contract: not causal: y depends on a later x" in said
    assert told["tasks"] == {}
    assert "it leaks the future" in (tmp_path / "cards" / "Mine" / "card.html").read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--list",), "there are no baselines"),
        (("--baselines", "grru"), "did you mean gru?"),
        (("gru", "lstm"), "got 2 of them, wanted FILE.py:ClassName or a registered name"),
        (("--baselines", "--list"), "not allowed with argument"),
        (("gru", "--list"), "--list: got gru, wanted no names"),
    ],
)
def test_other_words_of_the_command(card, words, says):
    code, said, _ = card(*words)
    assert code == (0 if words == ("--list",) else 2)
    assert says in said


def test_a_mixer_of_the_users_has_no_registered_ones_name(card, tmp_path):
    (tmp_path / "other.py").write_text(f"{MINE}\ngru = Mine()\n")
    code, said, _ = card(f"{tmp_path}/other.py:gru")
    assert code == 2
    assert "'gru' is the name of a registered mixer, wanted another one" in said
    assert not (tmp_path / "cards" / "gru").exists()


def test_an_instance_may_have_a_width_and_is_sized_as_all_are(card, tmp_path):
    (tmp_path / "other.py").write_text(f"{MINE}\nwide = Mine(d_model=64)\n")
    assert card(f"{tmp_path}/other.py:wide", size=trials.sized)[0] == 0
    told = json.loads((tmp_path / "cards" / "wide" / "card.json").read_text())
    assert told["model"]["config"]["d_model"] < 64
    assert told["model"]["note"] is None


def test_a_broken_mixer_that_exits_has_a_card(card):
    def exits(config):
        raise SystemExit(3)

    code, _, told = card(contract=BROKEN, flow=exits)
    assert code == 1
    assert told["flow"] is None


def test_a_part_that_is_damaged_is_made_anew(tmp_path):
    path = tmp_path / "part.json"
    kept(tmp_path, "part", "a", lambda: 1)
    whole = json.loads(path.read_text())
    for text in ("", "{", "[1]", json.dumps({"key": whole["key"]})):
        path.write_text(text)
        assert kept(tmp_path, "part", "a", lambda: 2) == 2
    assert json.loads(path.read_text()) == whole | {"value": 2}


def test_a_part_is_made_once_until_what_it_is_made_of_changes(tmp_path):
    made = []
    for of in ("a", "a", "b"):
        assert kept(tmp_path, "part", of, lambda of=of: made.append(of) or {"x": (1, 2)}) == {"x": [1, 2]}
    assert made == ["a", "b"]


def test_a_broken_contract_is_looked_at_again_though_the_file_is_the_same(card):
    missing = HOLDS | {"holds": False, "said": "No module named 'einops'"}
    assert card(contract=missing)[2]["contract"] == [missing]
    assert card()[2]["contract"] == [HOLDS]


def test_a_folders_own_baselines_stand_beside_those_of_the_package_and_in_their_place(tmp_path, monkeypatch):
    monkeypatch.setattr(of_baselines, "fingerprints", lambda: {"running_parity": "running_parity"})
    committed, own = tmp_path / "committed.json", tmp_path / "baselines.json"
    monkeypatch.setattr(of_baselines, "COMMITTED", committed)
    mixers = baselines()
    write_baselines(committed, {"gru": mixers["gru"], "lru": mixers["lru"] | {"seeds": 1}})
    assert read_baselines(tmp_path).mixers.keys() == {"gru", "lru"}
    write_baselines(own, {"lru": mixers["lru"]})
    found = read_baselines(tmp_path)
    assert {name: entry["seeds"] for name, entry in found.mixers.items()} == {"gru": 16, "lru": 4}
    assert list(found.mixers["lru"]["tasks"]) == ["running_parity"]
    assert "trained on other terms" in found.notes[0]


def test_baselines_are_of_the_names_that_are_given_else_the_three_first(card, monkeypatch):
    made = []
    monkeypatch.setattr(of_command, "make_baseline", lambda name, where: made.append(name) or where.root)
    assert card("--baselines", "gru", "attention")[0] == 0
    assert made == ["gru", "attention"]
    made.clear()
    assert card("--baselines")[0] == 0
    assert made[:3] == ["attention", "lstm", "gru"]
    assert sorted(made) == sorted(MIXERS)


def test_baselines_are_added_to_and_what_did_not_change_keeps_its_date(tmp_path):
    path, mixers = tmp_path / "baselines.json", baselines()
    write_baselines(path, {"gru": mixers["gru"]})
    write_baselines(path, {"lru": mixers["lru"], "gru": mixers["gru"] | {"date": "2027-01-01"}})
    assert mixers_in(path) == {"gru": mixers["gru"], "lru": mixers["lru"]}
    lines = path.read_text().splitlines()
    assert max(map(len, lines)) < 250  # a list of numbers is a line
    assert len(lines) < 1000
    write_baselines(path, {"gru": mixers["gru"] | {"seeds": 4, "date": "2027-01-01"}})
    assert mixers_in(path)["gru"]["date"] == "2027-01-01"


@pytest.mark.parametrize(
    "broken",
    [
        lambda gru: gru.clear(),
        lambda gru: gru.update(tasks=[]),
        lambda gru: gru.pop("seeds"),
        lambda gru: gru.update(date=None),
        lambda gru: gru["tasks"]["s3_words"].pop("fingerprint"),
        lambda gru: gru["tasks"]["s3_words"].pop("every_run"),
        lambda gru: gru["tasks"]["s3_words"].pop("limits"),
        lambda gru: gru["tasks"]["s3_words"].update(scores=[]),
        lambda gru: gru["tasks"]["s3_words"].update(scores=["much"] * 16),
        lambda gru: gru["tasks"]["s3_words"]["every_run"]["loss"].pop(),
    ],
)
def test_baselines_that_are_damaged_are_refused_in_a_sentence(card, tmp_path, broken):
    path, mixers = tmp_path / "cards" / "baselines.json", {"gru": baselines()["gru"]}
    path.parent.mkdir()
    write_baselines(path, mixers)
    assert card("--list")[0] == 0
    broken(mixers["gru"])
    path.write_text(json.dumps({"schema": of_baselines.BASELINES_SCHEMA, "mixers": mixers}))
    code, said, _ = card("--list")
    assert code == 2
    assert "baselines.json: gru is damaged; delete the file, and attn-jax card --baselines writes it again" in said


def test_what_is_compared_in_part_and_what_comes_from_elsewhere_is_said_of_these_alone():
    mixers = {name: baselines()[name] for name in ("gru", "lru", "lstm")}
    terms = {task: task for task in mixers["gru"]["tasks"]}
    part = comparable(mixers, terms | {"s3_words": "new"})
    assert len(part.notes) == 1
    assert part.notes[0].startswith("3 baselines were trained on other terms than these in some tasks and are not ")
    assert "not compared there (gru, lru, lstm): " in part.notes[0]
    mixers["gru"]["tasks"] = {"s3_words": mixers["gru"]["tasks"]["s3_words"]}
    both = comparable(mixers, terms | {"s3_words": "new"}).notes
    assert [note.partition(":")[0].rpartition("(")[2] for note in both] == ["gru)", "lru, lstm)"]
    here = {"jaxlib": "0.10.2", "device": "arm"}
    assert elsewhere(mixers, here)[0].startswith("the baselines were trained on another instruction set (x86_64, here")
    mixers["lru"]["device"] = "arm"
    assert elsewhere(mixers, here)[0].startswith("gru and lstm were trained on another instruction set (x86_64, here")


@pytest.mark.parametrize(("path", "rivals"), [(None, {"attention", "lstm"}), ("my.py", {"attention", "lstm", "gru"})])
def test_a_registered_mixer_is_not_tested_against_itself(path, rivals):
    subject = session.Subject("gru", GRU(), path and Path(path))
    stands = session._stands(subject, {"tasks": tasks_like("gru")}, of_baselines.Baselines(baselines(), []))
    assert {row["rival"] for row in stands["tests"]} == rivals
    assert not [note for note in stands["notes"] if "the other baselines are not there" in note]
    assert stands["baselines"].keys() == rivals | {"lru"}


def test_terms_are_all_but_the_mixer_and_the_seeds(monkeypatch):
    before = trials.fingerprints()
    assert len({*before.values()}) == 8
    monkeypatch.setattr(numerics, "NUMBERS", numerics.NUMBERS + 1)  # rounding
    assert trials.fingerprints() == before
    longer = trials.TRIALS["running_parity"]
    monkeypatch.setitem(trials.TRIALS, "running_parity", longer.__class__(**vars(longer) | {"steps": 300}))
    after = trials.fingerprints()
    assert [key for key in before if before[key] != after[key]] == ["running_parity"]
    monkeypatch.setattr(trials, "SCORES", trials.SCORES + 1)
    assert not {*before.values()} & {*trials.fingerprints().values()}


def test_committed_baselines_are_of_the_terms_of_today(tmp_path):
    """`SCORES` was raised, or a trial changed, without training them anew."""
    assert not read_baselines(tmp_path).notes


def test_seeds_of_cards_are_no_baselines():
    studies = trials.studies_of("it", ModelConfig(8), seeds=trials.SEEDS, first_seed=trials.FIRST_SEED)
    assert {study.train.seeds for study in studies.values()} == {4}
    assert all(study.train.first_seed >= trials.MOST_SEEDS for study in studies.values())
    assert isinstance(studies["s3_words"].train, TrainConfig)


@pytest.mark.exhaustive
def test_a_renamed_gru_gets_the_grus_numbers(tmp_path, monkeypatch, capsys):
    tiny = {"running_parity": trials.Trial("parity", Parity(labels="running"), 60, (2, 4), (2, 4), every=20)}
    looks = {"counts": lambda config: counts(), "flow": lambda config: FLOW, "measured": lambda config: MEASURED}
    for of in (trials, session):
        monkeypatch.setattr(of, "TRIALS", tiny)
    for name, value in (("MOST_SEEDS", 8), ("_LOOKS", looks), ("contract_of", lambda config, path: [HOLDS])):
        monkeypatch.setattr(session, name, value)
    monkeypatch.setattr(
        session, "sized", lambda name, mixer, **options: (classic(mixer, d_model=8, num_layers=1), None)
    )
    monkeypatch.setattr(of_baselines, "COMMITTED", tmp_path / "none.json")
    path, root = tmp_path / "my.py", tmp_path / "cards"
    path.write_text(MINE)
    assert main(["card", "--baselines", "gru", f"--workdir={root}", "--platform=cpu"]) == 0
    assert main(["card", f"{path}:Mine", f"--workdir={root}", "--platform=cpu"]) == 0
    assert "Nearest: gru" in capsys.readouterr().out
    told = json.loads((root / "Mine" / "card.json").read_text())
    assert [row["outcome"] for row in told["tests"]] == ["undecided"]
    one = told["tasks"]["running_parity"]
    runs = read_runs(one["every_run"])
    places = cross_fitted_rates(np.isfinite(runs.solved_at), runs.solved_at, runs.loss, 60).places
    assert runs.final[np.arange(4), places].tolist() == one["scores"]  # what is tested is what is shown
    assert one["score"]["low"] <= told["baselines"]["gru"]["means"]["running_parity"] <= one["score"]["high"]
