"""Promises of the lab that no other file injects the fault of; docs/promises.md has all of them."""

import json
import os
import re
import signal
import socket
from dataclasses import replace

import numpy as np
import pytest
from tiny_study import get_config

from attn_jax.errors import ConfigError, MachineError
from attn_jax.lab.record.directory import append_row, locked
from attn_jax.lab.run import stopping
from attn_jax.lab.run.lost import say_what_is_lost
from attn_jax.training.checkpoint import Checkpoints


class LeftError(Exception):
    """Stands for the end of this process."""


def signal_twice(directory, number, codes):
    """What a command does between two signals."""
    with stopping.asked_by_signals((directory / "stop").touch) as interrupted:
        os.kill(os.getpid(), number)
        assert interrupted.is_set()
        assert (directory / "stop").exists()  # which every worker looks for after a chunk
        assert not codes
        os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_leaves_at_once(number, tmp_path, monkeypatch, capsys):
    codes = []

    def leave(code):
        codes.append(code)
        raise LeftError

    monkeypatch.setattr(stopping.os, "_exit", leave)
    before = signal.getsignal(number)
    with pytest.raises(LeftError):
        signal_twice(tmp_path, number, codes)
    assert codes == [75]
    assert signal.getsignal(number) is before
    assert "once more to leave at once" in capsys.readouterr().out


def test_the_holder_is_named_by_process_host_and_time(tmp_path):
    with locked(tmp_path), pytest.raises(MachineError) as caught, locked(tmp_path):
        pass
    named = (
        rf"in use by process {os.getpid()} on {re.escape(socket.gethostname())} since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d"
    )
    assert re.search(named, str(caught.value))


def said_of(block, capsys):
    say_what_is_lost(block, every=10)
    return capsys.readouterr().out


def test_a_torn_row_and_checkpoints_that_are_gone_are_said(tmp_path, capsys):
    """A first chunk that was cut off between its row and its checkpoint has lost nothing."""
    metrics = tmp_path / "metrics.jsonl"
    assert not said_of(tmp_path, capsys)
    append_row(metrics, {"step": 10})
    assert not said_of(tmp_path, capsys)
    append_row(metrics, {"step": 20})
    assert (
        said_of(tmp_path, capsys) == f"{tmp_path}: its checkpoints are gone; it is trained anew from its first step\n"
    )
    Checkpoints(tmp_path / "checkpoints").save(20, {"x": np.zeros(2)})
    assert not said_of(tmp_path, capsys)
    with metrics.open("a") as file:
        file.write(json.dumps({"step": 30})[:7])
    said = said_of(tmp_path, capsys)
    assert said == f"{metrics}: its last line is torn and dropped; what it said is measured again\n"
    append_row(metrics, {"start": 20})
    assert not said_of(tmp_path, capsys)


@pytest.mark.parametrize("name", ["../s", "a/b", "/tmp/s", "..", ".", "", "<script>", "[bold]", "a b", "a\n", "ü"])
def test_names_that_would_lead_elsewhere_are_refused(name):
    """Of studies, which name a folder below results/, and of models, which name those of their blocks."""
    study = get_config()
    with pytest.raises(ConfigError, match=r"^name: got .*, wanted letters, digits"):
        replace(study, name=name)
    with pytest.raises(ConfigError, match=r"^models: got .*, wanted letters, digits"):
        replace(study, models={**study.models, name: study.models["gru"]})
