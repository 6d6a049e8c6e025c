"""A model whose own source changed is trained anew in its study, the others are kept; a task is everybody's."""

import pytest
from own_files import FILES, write
from written_study import layout_of, opened, write_study

from attn_jax.config.file import load_study
from attn_jax.errors import ConfigError, MachineError
from attn_jax.lab import load
from attn_jax.lab.plan import numerics
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.directory import append_row, read_rows
from attn_jax.lab.record.schema import read_study
from attn_jax.lab.run.session import unfinished

EDITED = {"helper.py": FILES["helper.py"].replace("1.0", "2.0")}
OWN_TASK = (
    FILES["config.py"]
    .replace("Parity(),", "Own(),")
    .replace("def get_config", "from task import Own\n\ndef get_config")
)
TASK = "from attn_jax.tasks import Parity\n\nclass Own(Parity):\n    scale = 1\n"


def open_own(folder, changes=None, **options):
    plan = StudyPlan(load_study(write(folder, changes)))
    with opened(folder / "study", plan, layout_of(plan), **options):
        return plan


def blocks(folder):
    return {path.parent.name: path.read_bytes() for path in folder.rglob("metrics.jsonl")}


def test_a_model_is_trained_anew_alone(tmp_path, capsys):
    study = tmp_path / "study"
    write_study(study, load_study(write(tmp_path)))
    before, helper = blocks(study / "blocks"), (study / "sources" / "helper.py").read_bytes()
    mine = sorted(name for name in before if name.startswith("mine-"))
    assert "anew" not in capsys.readouterr().out
    plan = open_own(tmp_path, EDITED)
    assert "its source changed (helper.py), models.mine is trained anew; " in capsys.readouterr().out
    assert blocks(study / "blocks") == {name: rows for name, rows in before.items() if name not in mine}
    assert blocks(study / "replaced" / "1") == {name: before[name] for name in mine}
    assert (study / "replaced" / "1" / "mine-sources" / "helper.py").read_bytes() == helper
    assert (study / "sources" / "helper.py").read_text() == EDITED["helper.py"]
    assert unfinished(study, plan, ["mine", "other", "gru"]) == ["mine"]
    with pytest.raises(ConfigError, match="not finished: mine"):
        load(study)
    open_own(tmp_path, EDITED)
    assert "anew" not in capsys.readouterr().out
    write_study(study, plan.study)
    assert load(study).looks == (1, 1)
    open_own(tmp_path, {"helper.py": FILES["helper.py"]})  # and back
    assert sorted(blocks(study / "replaced" / "2")) == mine


def test_what_was_interrupted_is_ended(tmp_path):
    """One block was moved, study.json not yet written."""
    study = tmp_path / "study"
    write_study(study, load_study(write(tmp_path)))
    (study / "replaced" / "1").mkdir(parents=True)
    (study / "blocks" / "other-0").rename(study / "replaced" / "1" / "other-0")
    open_own(tmp_path, {"other.py": FILES["other.py"].replace("super()", "super(Other, self)")})
    assert not blocks(study / "blocks").keys() & {"other-0", "other-1"}
    assert len(read_study(study)["runs"]["other"]) == 1


def test_a_model_that_has_not_begun_is_none_to_set_aside(tmp_path):
    open_own(tmp_path)
    open_own(tmp_path, EDITED)
    assert not (tmp_path / "study" / "replaced").exists()


def test_a_task_is_every_models(tmp_path):
    study, files = tmp_path / "study", {"config.py": OWN_TASK, "task.py": TASK}
    open_own(tmp_path, files)
    open_own(tmp_path, files | {"task.py": TASK + "    more = 2\n"})  # nothing has begun
    (study / "blocks" / "gru-0").mkdir(parents=True)
    append_row(study / "blocks" / "gru-0" / "metrics.jsonl", {"start": 0, "compile_seconds": 1.0})
    before = (study / "study.json").read_bytes()
    with pytest.raises(
        ConfigError, match=r"^task: its source changed since it was trained \(task.py\); change it back"
    ):
        open_own(tmp_path, files)
    assert (study / "study.json").read_bytes() == before
    assert len(read_rows(study / "blocks" / "gru-0" / "metrics.jsonl")) == 1


def test_not_where_the_others_would_have_other_numbers(tmp_path, monkeypatch):
    write_study(tmp_path / "study", load_study(write(tmp_path)))
    monkeypatch.setattr(numerics, "NUMBERS", numerics.NUMBERS + 1)
    with pytest.raises(MachineError, match="gives other numbers"):
        open_own(tmp_path, EDITED)
    assert not (tmp_path / "study" / "replaced").exists()
