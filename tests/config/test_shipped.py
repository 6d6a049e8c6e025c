"""Shipped configs are found by name, in a wheel and in a checkout; a path of the user's own always goes before."""

from pathlib import Path

import pytest

from attn_jax.commands.listing import list_configs
from attn_jax.config.file import load_study
from attn_jax.config.shipped import config_path, shipped_configs, shipped_files
from attn_jax.errors import ConfigError

CONFIGS = Path(__file__).parent.parent.parent / "configs"
TINY = Path(__file__).parent.parent / "lab" / "tiny_study.py"


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_name_of_a_shipped_config_is_the_file(elsewhere):
    assert config_path("quickstart").samefile(CONFIGS / "quickstart.py")
    words = ["--config.train.steps=500"]
    assert load_study("quickstart", words) == load_study(CONFIGS / "quickstart.py", words)
    assert load_study("quickstart", words).train.steps == 500


def test_an_existing_file_goes_before_a_shipped_name_and_a_folder_does_not(elsewhere):
    Path("parity").mkdir()
    Path("quickstart").write_text("")
    assert config_path("quickstart") == Path("quickstart")
    assert config_path("parity").samefile(CONFIGS / "parity.py")
    assert config_path(TINY) == TINY


@pytest.mark.parametrize("name", ["quickstart.py", "configs/quickstart.py", "quickstart.json"])
def test_a_name_with_a_suffix_is_a_path(name, elsewhere):
    with pytest.raises(ConfigError, match=rf"^{name}: no such config file$"):
        config_path(name)


def test_an_unknown_name_is_answered_with_the_nearest(elsewhere):
    with pytest.raises(ConfigError, match=r"^quikstart: no .* \(attn-jax list configs\), did you mean quickstart\?$"):
        load_study("quikstart")
    with pytest.raises(ConfigError, match=r"^zzz: no such config file or shipped .*, wanted one of copy_memory, "):
        load_study("zzz")


@pytest.mark.parametrize("layout", ["site-packages/attn_jax/configs", "site-packages/configs"])
def test_a_wheel_holds_them_inside_the_package_and_a_checkout_beside_it(layout, tmp_path):
    folder = tmp_path / layout
    (folder / "claims").mkdir(parents=True)
    for name in ("one.py", "claims/two.py", "notes.md"):
        (folder / name).write_text('"""About."""')
    found = shipped_files(tmp_path / "site-packages" / "attn_jax")
    assert found == {"claims/two": folder / "claims" / "two.py", "one": folder / "one.py"}
    assert list(shipped_configs(tmp_path / "site-packages" / "attn_jax")) == ["one"]


def test_what_lies_inside_the_package_goes_before_what_lies_beside_it(tmp_path):
    for folder in ("attn_jax/configs", "configs"):  # beside a wheel's package, `configs` is another project's
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / f"{len(folder)}.py").write_text("")
    assert list(shipped_configs(tmp_path / "attn_jax")) == ["16"]


def test_the_list_names_the_shipped_and_then_the_users_own(elsewhere):
    shipped = [row["name"] for row in list_configs()]
    assert shipped == list(shipped_configs())
    (elsewhere / "configs").mkdir()
    (elsewhere / "configs" / "mine.py").write_text('"""Mine.\n\nMore."""')
    assert list_configs()[-1] == {"name": "configs/mine.py", "about": "Mine."}
    assert len(list_configs()) == len(shipped) + 1


def test_in_a_checkout_no_config_is_listed_twice(monkeypatch):
    monkeypatch.chdir(CONFIGS.parent)
    assert [row["name"] for row in list_configs()] == list(shipped_configs())
    assert "quickstart" in shipped_configs()
