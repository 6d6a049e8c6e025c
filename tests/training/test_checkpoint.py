"""Checkpoints that are flipped, cut off, or find no room: found quietly, and in one line."""

import errno
import logging
import os
import resource
import shutil
import sys
from unittest.mock import Mock

import chex
import numpy as np
import pytest

from attn_jax.errors import MachineError
from attn_jax.training.checkpoint import Checkpoints

STATE = {"x": np.random.default_rng(0).normal(size=50_000).astype(np.float32)}  # does not compress


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Checkpoints of steps 1 and 2."""
    folder = tmp_path_factory.mktemp("two") / "checkpoints"
    saved = Checkpoints(folder)
    for step in (1, 2):
        saved.save(step, {"x": STATE["x"] + step})
    saved.close()
    return folder


def flip(folder):
    """One bit of the largest file."""
    path = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def test_a_flipped_bit_is_one_line_and_the_checkpoint_before_it(two, tmp_path, capfd):
    folder = shutil.copytree(two, tmp_path / "checkpoints")
    flip(folder / "2")
    step, state = Checkpoints(folder).restore(STATE)
    assert step == 1
    chex.assert_trees_all_equal(state, {"x": STATE["x"] + 1})
    said = "".join(capfd.readouterr())
    assert said == f"{folder}/unreadable-2: checkpoint 2 is damaged, set aside; the one before it is used\n"


def test_all_flipped_is_one_sentence(two, tmp_path, capfd):
    folder = shutil.copytree(two, tmp_path / "checkpoints")
    for step in (1, 2):
        flip(folder / str(step))
    with pytest.raises(MachineError, match=r"no checkpoint can be read.*; delete the folder") as caught:
        Checkpoints(folder).restore(STATE)
    assert len(str(caught.value)) - 2 * len(str(tmp_path)) < 200
    assert "".join(capfd.readouterr()) == ""


def test_one_whose_saving_was_cut_off_is_no_damage(two, tmp_path, capfd):
    folder = shutil.copytree(two, tmp_path / "checkpoints")
    (folder / "2" / "digest").unlink()
    (folder / "3.orbax-checkpoint-tmp").mkdir()
    step, _ = Checkpoints(folder).restore(STATE)
    assert step == 1
    assert [path.name for path in folder.iterdir()] == ["1"]
    assert "".join(capfd.readouterr()) == ""


def test_no_room_is_an_error_of_the_system_and_leaves_nothing(tmp_path, capfd):
    saved = Checkpoints(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            saved.save(1, STATE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.filename == str(tmp_path / "1")
    assert not list(tmp_path.iterdir())
    assert "".join(capfd.readouterr()) == ""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.EMFILE, os.strerror(errno.EMFILE)),
        ValueError("Error opening: [os_error_code='24'] Too many open files"),
        ValueError("RESOURCE_EXHAUSTED: out of memory"),
        RuntimeError("RESOURCE_EXHAUSTED: out of memory"),
    ],
)
def test_what_the_machine_lacks_is_no_damage(error, two, tmp_path, monkeypatch, capfd):
    folder = shutil.copytree(two, tmp_path / "checkpoints")
    saved = Checkpoints(folder)
    monkeypatch.setattr(saved._manager, "restore", Mock(side_effect=error))
    with pytest.raises(OSError if "open files" in str(error) else type(error)):
        saved.restore(STATE)
    assert sorted(path.name for path in folder.iterdir()) == ["1", "2"]
    assert "".join(capfd.readouterr()) == ""


def test_another_structure_cannot_be_read(two, tmp_path):
    folder = shutil.copytree(two, tmp_path / "checkpoints")
    with pytest.raises(MachineError, match="no checkpoint can be read"):
        Checkpoints(folder).restore({"y": {"z": STATE["x"]}})


def test_what_others_log_is_heard_again_after_close(tmp_path, caplog):
    caplog.set_level(logging.WARNING, "asyncio")
    Checkpoints(tmp_path / "checkpoints").close()
    logging.getLogger("asyncio").error("the user's own")
    assert "the user's own" in caplog.text


def test_a_write_that_was_given_up_is_not_heard_of(tmp_path, monkeypatch, capsys):
    """tensorstore's threads print what became of it, long after the failure was raised; all else is told."""
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    for folder in ("a", "b"):
        Checkpoints(tmp_path / folder).close()
    sys.excepthook(RuntimeError, RuntimeError("Event loop is closed"), None)
    assert not capsys.readouterr().err
    sys.excepthook(RuntimeError, RuntimeError("another"), None)
    assert capsys.readouterr().err == "RuntimeError: another\n"
