"""Modules of the user's own: one name may be several files', each of whom keeps its own."""

import pickle
import sys

import pytest

from attn_jax.config.own_code import import_function, load_file

FILES = {
    "configs/config.py": "import helper, mine\nimport pack.mine\n",
    "configs/mine.py": "def told():\n    return 'the config'\n",
    "configs/pack/__init__.py": "",
    "configs/pack/mine.py": "def told():\n    return 'the config, packed'\n",
    "configs/helper.py": "whose = 'the config'\n",
    "here/mine.py": "def told():\n    return 'the command'\n",
    "here/pack/__init__.py": "",
    "here/pack/mine.py": "def told():\n    return 'the command, packed'\n",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where python runs is `here`; modules that a test imports are forgotten."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = {*sys.modules}
    yield tmp_path
    for name in {*sys.modules} - before:
        del sys.modules[name]


@pytest.mark.parametrize(("name", "told"), {"mine": "the command", "pack.mine": "the command, packed"}.items())
@pytest.mark.parametrize("config_first", [True, False])
def test_a_place_and_a_config_s_neighbour_may_have_one_name(name, told, config_first, folder):
    function = None if config_first else import_function(f"{name}:told")
    config = load_file(folder / "configs" / "config.py")
    assert (config.mine.told(), config.pack.mine.told()) == ("the config", "the config, packed")
    found = import_function(f"{name}:told")
    assert found() == told
    assert function in (None, found)
    assert import_function(f"{name}:told") is found  # run once
    assert (config.mine.told(), config.helper.whose) == ("the config", "the config")


def test_a_config_of_a_wheel_finds_its_neighbours(folder):
    """They lie in site-packages, and so are nobody's own."""
    installed = folder / "site-packages" / "attn_jax" / "configs"
    installed.parent.mkdir(parents=True)
    (folder / "configs").rename(installed)
    assert load_file(installed / "config.py").helper.whose == "the config"


def test_a_function_is_found_by_its_name_whatever_config_comes_after(folder):
    (folder / "configs" / "config.py").write_text("whose = 'nobody'\n")
    function = import_function("mine:told")
    load_file(folder / "configs" / "config.py")
    assert import_function("mine:told") is function is pickle.loads(pickle.dumps(function))
