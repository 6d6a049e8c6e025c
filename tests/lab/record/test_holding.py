"""Who holds a block: exclusive over processes and machines, given up by what is dead, taken from nobody who lives."""

import json
import threading
import time

import pytest

from attn_jax.errors import MachineError
from attn_jax.lab.record import holding
from attn_jax.lab.record.directory import locked
from attn_jax.lab.record.holding import held, is_owner, take_over


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    monkeypatch.setattr(holding, "_BEAT_SECONDS", 0.02)
    monkeypatch.setattr(holding, "_DEAD_SECONDS", 0.2)
    monkeypatch.setattr(holding, "_LOOK_SECONDS", 0.01)


def elsewhere(folder, number=1, beat=0):
    """The file of a holder on another machine."""
    content = {"machine": "another", "holder": "process 7 on far", "beat": beat}
    (folder / f"holder-{number}").write_text(json.dumps(content))


def test_a_folder_is_held_by_one_and_left_clean(tmp_path):
    with held(tmp_path) as lost:
        assert not lost()
        assert [path.name for path in tmp_path.glob("holder-*")] == ["holder-1"]
        with pytest.raises(MachineError, match=r"is in use by process \d+ on"), held(tmp_path, wait_seconds=0.0):
            pass
    assert not list(tmp_path.glob("holder-*"))
    with held(tmp_path) as lost:
        assert not lost()


def test_one_that_lives_elsewhere_is_waited_for(tmp_path):
    over = threading.Event()

    def beat():
        for count in range(10_000):
            if over.wait(0.05):
                return
            elsewhere(tmp_path, beat=count)

    elsewhere(tmp_path)
    other = threading.Thread(target=beat)
    other.start()
    try:
        with pytest.raises(MachineError, match="is in use by process 7 on far"), held(tmp_path, wait_seconds=0.5):
            pass
        began = time.monotonic()
        with held(tmp_path, give_up=lambda: time.monotonic() - began > 0.3) as lost:
            assert lost is None
    finally:
        over.set()
        other.join()


def test_one_that_stands_still_is_dead_and_learns_of_it(tmp_path):
    elsewhere(tmp_path, 3)
    began = time.monotonic()
    with held(tmp_path) as lost:
        assert time.monotonic() - began >= 0.2
        assert [path.name for path in tmp_path.glob("holder-*")] == ["holder-4"]
        elsewhere(tmp_path, 5)  # another machine thinks that this one is dead
        assert lost()
    assert [path.name for path in tmp_path.glob("holder-*")] == ["holder-5"]


def test_one_of_this_machine_is_dead_once_its_lock_is_free(tmp_path):
    (tmp_path / "holder-1").write_text(json.dumps({"machine": holding._machine(), "holder": "gone", "beat": 3}))
    began = time.monotonic()
    with held(tmp_path):
        assert time.monotonic() - began < 0.15
    with held(tmp_path):
        pass
    with locked(tmp_path), pytest.raises(MachineError), held(tmp_path, wait_seconds=0.0):
        pass


def test_of_two_that_find_it_free_one_is_faster(tmp_path, monkeypatch):
    monkeypatch.setattr(holding, "_newest", lambda folder: None)
    assert holding._create(tmp_path, 1)
    assert holding._create(tmp_path, 1) is None


def test_a_study_is_the_last_commands(tmp_path):
    first = take_over(tmp_path)
    assert is_owner(tmp_path, first)
    second = take_over(tmp_path)
    assert is_owner(tmp_path, second)
    assert is_owner(tmp_path, "")
    assert not is_owner(tmp_path, first)
