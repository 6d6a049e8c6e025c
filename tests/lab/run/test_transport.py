"""A study as JSON in another process, with the user's own classes; and what cannot travel, in one sentence."""

import json
import os
import subprocess
import sys
from collections import namedtuple
from dataclasses import dataclass, make_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_files import FILES, write

from attn_jax.config import Study
from attn_jax.config.codec import checked, fingerprint, from_dict, from_json, own_class, to_json
from attn_jax.config.file import load_study
from attn_jax.errors import ConfigError
from attn_jax.lab.plan.sources import source_files
from attn_jax.mixers import GRU, MIXERS
from attn_jax.models import ModelConfig
from attn_jax.tasks import Parity

READ = """
import json, sys
from attn_jax.config.codec import fingerprint, from_json
import random, scipy
for line in sys.stdin:
    study = from_json(line)
    module = type(study.models["mine"].mixers[0]).__module__
    print(json.dumps([fingerprint(study), sys.modules[module].helper.scale, sys.modules[module].helper.late()]))
"""


@pytest.mark.exhaustive
def test_another_process_reads_the_same_study(tmp_path, monkeypatch):
    """Neighbours, packages with relative imports, lazy imports; two folders with files of one name; names in unicode;
    a link; a relative path. And no file of the user's shadows the standard library's."""
    folders = [tmp_path / name for name in ("one", "zwei ä", "link")]
    write(folders[0])
    write(folders[1], {"helper.py": FILES["helper.py"].replace("1.0", "2.0")})
    folders[2].mkdir()
    (folders[2] / "linked.py").symlink_to(folders[0] / "config.py")
    monkeypatch.chdir(tmp_path)
    lines, prints = [], []
    for config in ("one/config.py", folders[1] / "config.py", folders[2] / "linked.py"):
        study = load_study(config)
        lines.append(to_json(study))
        prints.append(fingerprint(study))
    # each in a process of its own, as workers are; all at once
    run = lambda line: subprocess.Popen(  # noqa: E731
        [sys.executable, "-c", READ], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/"
    )
    started = [run(line) for line in lines]
    found = [json.loads(one.communicate(line)[0]) for one, line in zip(started, lines, strict=True)]
    assert found == [[prints[0], 1.0, 1], [prints[1], 2.0, 1], [prints[0], 1.0, 1]]
    assert prints[2] == prints[0]
    assert from_json(lines[2]) == study


def test_files_of_one_name_in_one_process_are_kept_apart_and_edits_are_seen(tmp_path):
    scales = []
    for folder, scale in (("a", "1.0"), ("b", "2.0"), ("a", "3.0")):  # an edit within a second, of the same size
        config = write(tmp_path / folder, {"helper.py": FILES["helper.py"].replace("1.0", scale)})
        module = type(load_study(config).models["mine"].mixers[0]).__module__
        scales.append(sys.modules[module].helper.scale)
    assert scales == [1.0, 2.0, 3.0]
    assert not list(tmp_path.rglob("__pycache__"))


def beside(folder, body="import mine", mixer="mine.Mine()"):
    """A config and a mixer in a module beside it, whose default says whose it is."""
    folder.mkdir()
    (folder / "mine.py").write_text(FILES["other.py"].replace("Other", "Mine") + f"\nwhose = {folder.name!r}\n")
    (folder / "cfg.py").write_text(ONE.replace("BODY", body).replace("MIXER", mixer))
    return folder / "cfg.py"


ONE = """
from attn_jax.config import Study
from attn_jax.mixers import GRU
from attn_jax.models import ModelConfig
from attn_jax.tasks import Parity
BODY

def get_config():
    return Study("s", Parity(), {"m": ModelConfig(8, 1, (MIXER,))})
"""


@pytest.mark.parametrize("body", ["import mine", "class mine:\n    Mine = GRU"])
def test_a_class_stays_that_of_its_file_after_another_config_was_loaded(body, tmp_path):
    a = load_study(beside(tmp_path / "a"))
    b = load_study(beside(tmp_path / "b", body))
    for study, folder in [(a, "a"), (b, "b")][: 1 + (body == "import mine")]:
        own = json.loads(to_json(study))["models"]["m"]["mixers"][0]
        assert own["file"] == str(tmp_path / folder / "mine.py")
        assert source_files(study, "m") == {"mine.py": tmp_path / folder / "mine.py"}
        again = from_json(to_json(study)).models["m"].mixers[0]
        assert again == study.models["m"].mixers[0]
        assert type(again).make.__globals__["whose"] == folder


def test_a_class_that_its_module_has_no_more_is_another(monkeypatch):
    old = type("Field", (GRU,), {"__module__": __name__, "__qualname__": "Field"})
    with pytest.raises(ConfigError, match=rf"Field is another class than {__name__}.Field; wanted classes"):
        to_json(study_of(old()))


def test_a_registered_class_of_ones_own_stays_ones_own(tmp_path, monkeypatch):
    mixer = load_study(beside(tmp_path / "a")).models["m"].mixers[0]
    monkeypatch.setitem(MIXERS, "mine", mixer)
    assert own_class(mixer) is type(mixer)
    assert json.loads(to_json(study_of(mixer)))["models"]["m"]["mixers"][0]["class"] == "Mine"
    assert list(source_files(study_of(mixer), "m")) == ["mine.py"]
    assert own_class(GRU()) is None


@pytest.mark.parametrize("name", ["random", "jax", "scipy", "abc"])
def test_a_config_may_have_any_name(name, tmp_path):
    path = write(tmp_path).rename(tmp_path / f"{name}.py")
    before = sys.modules.get(name)
    assert load_study(path).name == "own"
    assert sys.modules.get(name) is before


def study_of(mixer):
    return Study("s", Parity(), {"m": ModelConfig(8, 1, (mixer,))})


@dataclass(frozen=True)
class Field(GRU):
    anything: Any = None


def local():
    @dataclass(frozen=True)
    class Local(GRU):
        pass

    return Local()


def in_a_notebook(monkeypatch):
    own = make_dataclass("Cell", [], bases=(GRU,), frozen=True)
    own.__module__ = "__main__"
    return own()


FEATURES = namedtuple("FEATURES", "a b")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([1, 2], None),
        ((1, (2.5, "x")), None),
        (float("nan"), None),
        (len, r"models.m.mixers.0.anything: got a builtin_function_or_method, which JSON has not; wanted numbers"),
        (np.ones(2), r"models.m.mixers.0.anything: got a ndarray"),
        ({1: 2}, r"models.m.mixers.0.anything: {1: 2} cannot travel to a worker; wanted numbers"),
        (FEATURES(1, 2), r"models.m.mixers.0.anything: FEATURES\(a=1, b=2\) cannot travel"),
        (np.float64(1), r"models.m.mixers.0.anything: .* cannot travel"),
    ],
)
def test_what_travels_and_what_does_not(value, said):
    study = checked(study_of(Field(anything=value)))
    if said is None:
        assert repr(from_json(to_json(study))) == repr(study)
    else:
        with pytest.raises(ConfigError, match=f"^{said}"):
            to_json(study)


def test_a_class_of_a_notebook_or_a_function_is_refused_in_one_sentence(monkeypatch):
    for mixer, said in [
        (in_a_notebook(monkeypatch), r"Cell is defined in a notebook or in the script that runs; wanted classes"),
        (local(), r"local\(\).Local is defined inside a function; wanted classes of your own at the top level of a f"),
    ]:
        with pytest.raises(ConfigError, match=f"^models.m.mixers.0: {said}"):
            to_json(study_of(mixer))


def test_json_of_a_users_imports_nothing(tmp_path):
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    data = json.loads(to_json(study_of(Field())))
    data["models"]["m"]["mixers"][0] |= {"file": str(tmp_path / "evil.py"), "module": "evil"}
    with pytest.raises(ConfigError, match=r"^models.m.mixers.0: Field is not the package's own"):
        from_dict(data)
    assert not (tmp_path / "ran").exists()


@dataclass(frozen=True)
class Options:
    depth: int = 1


@dataclass(frozen=True)
class More(Options):
    width: int = 2


@dataclass(frozen=True)
class WithOptions(GRU):
    options: Options = Options()
    count: int = 1
    share: float = 0.5


def test_a_subclass_stays_what_it_is_and_numpy_scalars_become_numbers():
    study = checked(study_of(WithOptions(options=More(), count=np.int32(3), share=np.float32(0.5))))
    mixer = study.models["m"].mixers[0]
    assert (mixer.options, type(mixer.count), type(mixer.share)) == (More(), int, float)
    assert from_json(to_json(study)) == study
    assert fingerprint(study) != fingerprint(replace(study, models=study_of(WithOptions(count=3)).models))


def test_the_folder_of_a_config_is_not_on_the_path(tmp_path):
    before = list(sys.path)
    load_study(write(tmp_path))
    assert sys.path == before
    assert os.fspath(Path(tmp_path)) not in sys.path
