"""The source that decides a model's numbers, per model: which files, and what change of theirs counts."""

import pytest
from own_files import FILES, write

from attn_jax.config_file import load_study
from attn_jax.errors import ConfigError
from attn_jax.lab.sources import hashed_sources, keep_sources, refuse_changed

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
