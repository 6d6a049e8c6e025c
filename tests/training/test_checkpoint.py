"""Checkpoints that are flipped, cut off, or find no room: found quietly, and in one line."""

import errno
import os
import resource
import shutil
from pathlib import Path
from unittest.mock import Mock

import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.errors import MachineError
from attn_jax.training.checkpoint import Checkpoints, read_checkpoint

STATE = {"x": np.random.default_rng(0).normal(size=50_000).astype(np.float32)}
MANY = {
    "half": [np.asarray(jnp.array([1.5, -2], jnp.bfloat16)), np.float16([np.inf])],
    "flag": np.array(True),
    "pair": (np.int32(7), {"of": np.zeros((0, 3), np.uint8)}),
}


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Checkpoints of steps 1 and 2."""
    folder = tmp_path_factory.mktemp("two") / "checkpoints"
    saved = Checkpoints(folder)
    for step in (1, 2):
        saved.save(step, {"x": STATE["x"] + step})
    return folder


def flip(path, place=0.5):
    data = bytearray(path.read_bytes())
    data[int(place * (len(data) - 1))] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize("place", [0, 1e-4, 0.5, 0.9999, 1])
def test_a_flipped_bit_is_one_line_and_the_checkpoint_before_it(two, tmp_path, capfd, place):
    folder = shutil.copytree(two, tmp_path / "checkpoints")
    flip(folder / "2.npz", place)
    step, state = Checkpoints(folder).restore(STATE)
    assert step == 1
    np.testing.assert_array_equal(state["x"], STATE["x"] + 1)
    said = "".join(capfd.readouterr())
    assert said == f"{folder}/unreadable-2.npz: checkpoint 2 is damaged, set aside; the one before it is used\n"


@pytest.mark.parametrize("left", [0, 10, 1000, -1])
def test_one_that_is_cut_off_is_damaged(two, left):
    path = two / "cut"
    path.write_bytes((two / "2.npz").read_bytes()[:left])
    assert read_checkpoint(path, STATE) is None
    path.unlink()


def test_all_flipped_is_one_sentence(two, tmp_path, capfd):
    folder = shutil.copytree(two, tmp_path / "checkpoints")
    for step in (1, 2):
        flip(folder / f"{step}.npz")
    with pytest.raises(MachineError, match=r"no checkpoint can be read.*; delete the folder") as caught:
        Checkpoints(folder).restore(STATE)
    assert len(str(caught.value)) - 2 * len(str(tmp_path)) < 200
    assert "".join(capfd.readouterr()) == ""


def test_one_whose_saving_was_cut_off_is_no_damage(two, tmp_path, capfd):
    folder = shutil.copytree(two, tmp_path / "checkpoints")
    (folder / "2.npz").rename(folder / "2.npz.part")
    saved = Checkpoints(folder)
    assert saved.restore(STATE)[0] == 1
    saved.save(2, STATE)
    assert sorted(path.name for path in folder.iterdir()) == ["1.npz", "2.npz"]
    assert "".join(capfd.readouterr()) == ""


def test_two_are_kept(tmp_path):
    for step in (9, 10, 100):  # not in the order of their names
        Checkpoints(tmp_path).save(step, STATE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["10.npz", "100.npz"]


def test_no_room_is_an_error_of_the_system_and_leaves_nothing(tmp_path, capfd):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            Checkpoints(tmp_path).save(1, STATE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.filename == str(tmp_path / "1.npz")
    assert not list(tmp_path.iterdir())
    assert "".join(capfd.readouterr()) == ""


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.EMFILE, os.strerror(errno.EMFILE))])
def test_what_the_machine_lacks_is_no_damage(error, two, tmp_path, monkeypatch, capfd):
    folder = shutil.copytree(two, tmp_path / "checkpoints")
    monkeypatch.setattr(Path, "read_bytes", Mock(side_effect=error))
    with pytest.raises(type(error)):
        Checkpoints(folder).restore(STATE)
    assert sorted(path.name for path in folder.iterdir()) == ["1.npz", "2.npz"]
    assert "".join(capfd.readouterr()) == ""


def test_every_dtype_and_shape_comes_back(tmp_path):
    Checkpoints(tmp_path).save(3, MANY)
    _, state = Checkpoints(tmp_path).restore(MANY)
    assert isinstance(state["pair"], tuple)
    for got, want in ((state["half"], MANY["half"]), ([state["flag"], *state["pair"][:1]], [True, np.int32(7)])):
        for a, b in zip(got, want, strict=True):
            np.testing.assert_array_equal(a, b)
    assert state["half"][0].dtype == jnp.bfloat16
    assert state["pair"][1]["of"].shape == (0, 3)


OTHERS = {
    "another name": {"y": STATE["x"]},
    "one more": {**STATE, "y": STATE["x"]},
    "deeper": {"x": {"z": STATE["x"]}},
    "another shape": {"x": STATE["x"][:-1]},
    "another dtype": {"x": STATE["x"].view(np.int32)},
}


@pytest.mark.parametrize("like", OTHERS.values(), ids=OTHERS)
def test_another_structure_cannot_be_read(two, like):
    with pytest.raises(MachineError, match="no checkpoint can be read"):
        Checkpoints(two).restore(like)


def test_anyone_can_open_one(two):
    with np.load(two / "2.npz") as saved:
        np.testing.assert_array_equal(saved["x"], STATE["x"] + 2)
