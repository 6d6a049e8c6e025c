"""What is declared is not changed any more: each part of a claim, changed, is refused in its folder, by name."""

import json
from dataclasses import replace

import pytest
from claim_files import write_claim
from tiny_study import get_config

from attn_jax.config.claim_file import load_claim
from attn_jax.errors import ConfigError
from attn_jax.lab.claim.record import declaration, declare, read_declared, read_verdicts, study_directory
from attn_jax.lab.claim.session import prepare
from attn_jax.lab.plan import sources
from attn_jax.lab.plan.sources import hashed_file


def begin(tmp_path, *changes, run="first"):
    return prepare(write_claim(tmp_path, *changes), tmp_path / "root", run)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("Small gradients", "Large gradients"), r"sentence: Small gradients vanish. -> Large gradients vanish."),
        (("margin=0.1),\n        ", "margin=0.2),\n        "), "tests.a tanh network.margin: 0.1 -> 0.2"),
        (('"a GRU": DeclaredTest', '"an LSTM": DeclaredTest'), "tests.a GRU: "),
        (("rule=holds_for", "rule=all_hold"), "rule: holds_for -> all_hold"),
        (("It is so for one of them.", "As was clear."), "explain.in part: It is so for one of them. -> As was clear."),
        (("seeds=8", "seeds=9"), "measurements.start.seeds: 8 -> 9"),
        (('"-0.3"', '"-0.4"'), "published"),
        (("(seed % 7)", "(seed % 5)"), "code.01_drop.py: "),
        (('["n"]}, ("count"', '["n"] + 0}, ("count"'), "code.01_drop.py: "),  # what get_config alone has counts too
        (('"log10")', '"nats")'), "quantities.drop.unit: log10 -> nats"),
    ],
)
def test_a_changed_claim_is_another(change, says, tmp_path):
    more = [("import holds_for", "import all_hold, holds_for")] if "all_hold" in change[1] else []
    begin(tmp_path)
    with pytest.raises(ConfigError, match=rf"belongs to another claim \(.*{says}"):
        begin(tmp_path, change, *more)


@pytest.mark.parametrize(
    "change", [("Result: none yet.", "Result: it is so."), ("def panels", "# why\n\n\ndef panels")]
)
def test_docstrings_and_comments_may_change(change, tmp_path):
    begin(tmp_path)
    begin(tmp_path, change)


def test_a_file_that_it_imports_is_part_of_it(tmp_path):
    beside = tmp_path / "offsets.py"
    beside.write_text("OFFSET = 0.5\n")
    change = ("from attn_jax.config import Claim", "from offsets import OFFSET\nfrom attn_jax.config import Claim")
    begin(tmp_path, change)
    beside.write_text("OFFSET = 0.6\n")
    with pytest.raises(ConfigError, match=r"another claim \(code.offsets.py"):
        begin(tmp_path, change)


def test_what_of_the_package_measures_for_it_is_part_of_it(tmp_path, monkeypatch):
    path = write_claim(tmp_path)
    monkeypatch.setattr(sources, "_MEASURING", "attn_jax.lab.outcome.by_seed.")
    assert set(hashed_file(path)) == {"01_drop.py", "attn_jax/lab/outcome/by_seed.py"}


def test_the_three_runs_have_folders_of_their_own(tmp_path):
    runs = {run: begin(tmp_path, run=run) for run in ("first", "again", "quick")}
    assert len({one.directory for one in runs.values()}) == 3
    starts = {run: one.claim.measurements["start"] for run, one in runs.items()}
    seeds = {run: (start.first_seed, start.seeds) for run, start in starts.items()}
    assert seeds == {"first": (100, 8), "again": (1000, 8), "quick": (100, 3)}


def test_what_cannot_be_decided_is_refused_before_anything_is_written_but_in_small(tmp_path):
    few = ("seeds=8", "seeds=5")
    with pytest.raises(ConfigError, match=r"01_drop.py: tests.a tanh network: 5 seeds cannot decide it: over 2 tests"):
        begin(tmp_path, few)
    assert not (tmp_path / "root").exists()
    begin(tmp_path, few, run="quick")


def test_a_declaration_that_was_tampered_with_is_no_declaration(tmp_path):
    claim = begin(tmp_path)
    path = claim.directory / "claim.json"
    facts = json.loads(path.read_text())
    facts["declared"]["tests"]["a GRU"]["expect"] = "more"
    path.write_text(json.dumps(facts))
    with pytest.raises(ConfigError, match="is damaged: what is declared has another fingerprint"):
        read_declared(claim.directory)
    with pytest.raises(ConfigError, match="holds no claim"):
        read_declared(tmp_path)


def test_equal_studies_share_a_folder_and_others_do_not(tmp_path):
    study = get_config()
    assert study_directory(tmp_path, study) == study_directory(tmp_path, get_config())
    longer = replace(study, train=replace(study.train, steps=400))
    assert study_directory(tmp_path, longer) != study_directory(tmp_path, study)


def test_the_seeds_of_a_study_are_declared(tmp_path):
    path = write_claim(tmp_path)
    study = get_config()
    claim = replace(load_claim(path), studies={"s": study})
    declare(tmp_path / "c", declaration(claim, path))
    more = replace(claim, studies={"s": replace(study, train=replace(study.train, seeds=3))})
    with pytest.raises(ConfigError, match=r"studies.s.train.seeds: 2 -> 3"):
        declare(tmp_path / "c", declaration(more, path))


def test_a_folder_without_verdicts(tmp_path):
    assert read_verdicts(tmp_path) == {}
