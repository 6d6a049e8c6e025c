"""The source that decides a model's numbers, per model: which files, and what change of theirs counts."""

import pytest
from own_files import FILES, write

from attn_jax.config.file import load_study
from attn_jax.errors import ConfigError
from attn_jax.lab.plan.sources import hashed_sources, keep_sources, refuse_changed

REACHED = ["helper.py", "lazy.py", "mine.py", "pack/__init__.py", "pack/inner.py", "pack/sibling.py"]


def hashes(config):
    study = load_study(config)
    return {name: hashed_sources(study, name) for name in study.models}


def test_a_model_has_the_files_that_its_classes_reach(tmp_path):
    found = hashes(write(tmp_path))
    assert {name: list(files) for name, files in found.items()} == {
        "mine": REACHED,
        "other": ["other.py"],
        "gru": [],
    }


@pytest.mark.parametrize(
    ("changes", "models"),
    [
        ({"helper.py": FILES["helper.py"].replace("1.0", "2.0")}, ["mine"]),
        ({"lazy.py": FILES["lazy.py"].replace("1", "2")}, ["mine"]),
        ({"pack/sibling.py": "y = 3\n"}, ["mine"]),
        ({"pack/__init__.py": "import os\n"}, ["mine"]),
        ({"other.py": FILES["other.py"].replace("super()", "super(Other, self)")}, ["other"]),
        ({"unused.py": "z = 4\n"}, []),
        ({"helper.py": "# a comment\n" + FILES["helper.py"].replace(" = ", "=")}, []),
        ({"mine.py": FILES["mine.py"].replace("A mixer.", "Another docstring.")}, []),
        ({"mine.py": '"A docstring that was not there."\n' + FILES["mine.py"]}, []),
        ({"config.py": FILES["config.py"].replace("30, 4", "60, 4")}, []),  # the config's own hash says so
    ],
)
def test_what_changes_a_model_and_what_does_not(changes, models, tmp_path):
    before = hashes(write(tmp_path))
    after = hashes(write(tmp_path, changes))
    assert [name for name in before if before[name] != after[name]] == models
    for name in before:
        if name in models:
            with pytest.raises(ConfigError, match=rf"^models.{name}: its source changed since it was trained \(.*py\)"):
                refuse_changed(name, before[name], after[name])
        else:
            refuse_changed(name, before[name], after[name])


ONE_FILE = FILES["mine.py"] + FILES["config.py"].replace("from mine import Mine\n", "")


def test_a_renamed_config_changes_nothing_and_get_config_is_left_out(tmp_path):
    write(tmp_path)
    (tmp_path / "one.py").write_text(ONE_FILE)
    before = hashes(tmp_path / "one.py")["mine"]
    (tmp_path / "two.py").write_text(ONE_FILE.replace("seeds=1", "seeds=2").replace("1e-3", "1e-2"))
    after = hashes(tmp_path / "two.py")["mine"]
    assert "one.py" in before
    assert "two.py" in after
    refuse_changed("mine", before, after)
    (tmp_path / "two.py").write_text(ONE_FILE.replace("rate: int | float = 0.5", "rate: int | float = 0.25"))
    with pytest.raises(ConfigError, match=r"\(two.py\)"):
        refuse_changed("mine", before, hashes(tmp_path / "two.py")["mine"])


def test_a_task_of_ones_own_counts_for_every_model(tmp_path):
    task = "class Own(Parity):\n    pass\n\ndef get_config"
    config = FILES["config.py"].replace("def get_config", task).replace("Parity(),", "Own(),")
    assert all("config.py" in files for files in hashes(write(tmp_path, {"config.py": config})).values())


def test_a_copy_lies_in_the_studys_folder(tmp_path):
    keep_sources(load_study(write(tmp_path)), tmp_path / "kept")
    kept = {path.relative_to(tmp_path / "kept").as_posix() for path in (tmp_path / "kept").rglob("*.py")}
    assert kept == {*REACHED, "other.py"}
    assert (tmp_path / "kept" / "helper.py").read_text() == FILES["helper.py"]


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ({"a.py": "1", "b.py": "2"}, {"a.py": "2", "b.py": "1"}, "a.py"),  # swapped
        ({"a.py": "1", "b.py": "2"}, {"c.py": "1", "b.py": "2"}, None),  # renamed
        ({"a.py": "1", "b.py": "1"}, {"a.py": "1", "c.py": "1"}, None),
        ({"a.py": "1"}, {"a.py": "1", "b.py": "1"}, "b.py"),
        ({"a.py": "1", "b.py": "1"}, {"a.py": "1"}, "b.py"),
        ({"a.py": "1"}, {"b.py": "2"}, "b.py"),
    ],
)
def test_only_a_renamed_file_is_the_same_under_another_name(before, now, said):
    if said is None:
        refuse_changed("m", before, now)
    else:
        with pytest.raises(ConfigError, match=rf"^models.m: its source changed since it was trained \({said}\)"):
            refuse_changed("m", before, now)


BY_CALLS = {
    "mine.py": FILES["other.py"].replace("Other", "Mine")
    + """
from importlib import import_module
import_module(f"hel{'per'}")
import_module(".inner", "pack")
import_module(name=".late", package=__package__) if __package__ else None
""",
    "pack/inner.py": "import importlib\nimportlib.import_module('.sibling', __package__)\n",
    "helper.py": "",
}


def test_modules_imported_by_calls_count_for_the_model_that_imports_them(tmp_path):
    study = load_study(write(tmp_path, BY_CALLS))
    reached = [name for name in REACHED if name != "lazy.py"]
    assert list(hashed_sources(study, "mine")) == reached
    assert list(hashed_sources(study, "other")) == ["other.py"]


def test_a_module_that_two_models_import_by_calls_counts_for_both(tmp_path):
    call = "\nimport importlib\nimportlib.import_module(f\"hel{'per'}\")\n"
    study = load_study(
        write(tmp_path, {name: FILES[name] + call for name in ("other.py",)} | {"mine.py": BY_CALLS["mine.py"]})
    )
    assert "helper.py" in hashed_sources(study, "mine")
    assert "helper.py" in hashed_sources(study, "other")


def test_another_process_looks_at_the_files_that_are_known(tmp_path, monkeypatch):
    study = load_study(write(tmp_path, BY_CALLS))
    before = hashed_sources(study, "mine")
    monkeypatch.setattr("attn_jax.lab.plan.sources.found_from", dict)  # it has imported nothing
    assert hashed_sources(study, "mine", known=before) == before
    (tmp_path / "helper.py").write_text("x = 2")
    with pytest.raises(ConfigError, match=r"\(helper.py\)"):
        refuse_changed("mine", before, hashed_sources(study, "mine", known=before))


def test_a_linked_module_with_a_relative_import_has_its_files(tmp_path):
    links = [f"linked{i}" for i in range(6)]
    imports = "".join(f"\nimport pack.{name}" for name in links)
    config = write(tmp_path / "own", {"mine.py": FILES["other.py"].replace("Other", "Mine") + imports})
    for name in links:  # in folders of their own, whose hashes have any order
        (tmp_path / name).mkdir()
        (tmp_path / name / "real.py").write_text("from . import sibling\n")
        (tmp_path / "own" / "pack" / f"{name}.py").symlink_to(tmp_path / name / "real.py")
    found = list(hashed_sources(load_study(config), "mine"))
    assert found == ["mine.py", "pack/__init__.py", *(f"pack/{name}.py" for name in links), "pack/sibling.py"]
