"""What lies in TensorBoard's files, read anew: TensorFlow's records with their checksums, and the events in them."""

import io
import json
import struct
from collections import defaultdict

import pytest
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboardX.proto.event_pb2 import Event, SessionLog
from written_study import write_study

from attn_jax.lab.record.directory import write_json
from attn_jax.lab.record.schema import read_study
from attn_jax.lab.run.pace import Extent
from attn_jax.lab.track.tracking import tracked

EXTENT = Extent({"transformer": 1, "gru": 1}, 200, [2, 4, 6], 10, 2)


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """The folder of a study that was told twice."""
    directory = tmp_path_factory.mktemp("board") / "s"
    write_study(directory)
    write_json(directory / "summary.json", {"verdict": "so"})
    for _ in range(2):
        with tracked(["tensorboard"], Console(file=io.StringIO())) as following:
            following.catch_up(directory, EXTENT)
    return directory / "tensorboard"


def checksum(data):
    """Castagnoli's, a bit at a time, masked as TensorFlow does."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    value ^= 0xFFFFFFFF
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF


def events(folder):
    """The events of the one file of a run."""
    (path,) = folder.iterdir()
    assert path.name.startswith("events.out.tfevents.")
    data, found = path.read_bytes(), []
    while data:
        (length,), (of_length,) = struct.unpack("<Q", data[:8]), struct.unpack("<I", data[8:12])
        event, (of_event,), data = (
            data[12 : 12 + length],
            struct.unpack("<I", data[12 + length :][:4]),
            data[16 + length :],
        )
        assert of_length == checksum(struct.pack("<Q", length))
        if len(found) < 4:  # a bit at a time takes long
            assert of_event == checksum(event)
        found.append(Event.FromString(event))
    return found


def scalars(folder):
    """{name: [(step, value), ...]} as they come."""
    found = defaultdict(list)
    for event in events(folder):
        for value in event.summary.value:
            found[value.tag].append((event.step, value.simple_value))
    return found


def test_a_run_has_its_numbers_once(board):
    found = scalars(board / "gru" / "lr=0.003" / "seed=1")
    steps = [*range(10, 201, 10)]
    assert [step for step, _ in found["eval/score"]] == steps
    assert [value for _, value in found["eval/score"]] == pytest.approx([0.6] * 20)
    assert {"train/loss", "eval/loss", "optim/learning_rate", "perf/seconds_per_step", "eval/test/score"} <= {*found}
    lost = scalars(board / "gru" / "lr=0.001" / "seed=1")
    assert lost["optim/diverged"] == [(step, 1.0) for step in steps]
    assert "eval/score" not in lost


def test_seeds_together_are_a_run(board):
    found = scalars(board / "transformer" / "lr=0.003" / "seeds")
    assert {*found} == {"eval/score/mean", "eval/score/low", "eval/score/high"}
    assert found["eval/score/mean"] == [(step, pytest.approx(0.4)) for step in range(10, 201, 10)]
    assert all(len(values) == 20 for values in found.values())


def test_a_file_begins_as_tensorboard_wants_it(board):
    first, second, *_ = events(board / "gru" / "lr=0.001" / "seed=0")
    assert first.file_version == "brain.Event:2"
    assert second.session_log.status == SessionLog.START


@pytest.mark.parametrize("what", ["config", "summary"])
def test_config_and_summary_are_texts(board, what):
    *_, event = events(board / what)
    (value,) = event.summary.value
    assert value.metadata.plugin_data.plugin_name == "text"
    text = "\n".join(line.removeprefix("    ") for line in value.tensor.string_val[0].decode().splitlines())
    assert json.loads(text) == (read_study(board.parent)["config"] if what == "config" else {"verdict": "so"})


def test_tensorboard_itself_reads_it_back(board):
    """As it stands in its own pages: the last of two times that the study was told, each step once."""

    def read(run):
        return EventAccumulator(str(board / run)).Reload()

    scores = read("gru/lr=0.003/seed=1").Scalars("eval/score")
    assert [event.step for event in scores] == [*range(10, 201, 10)]
    assert [event.value for event in scores] == pytest.approx([0.6] * 20)
    for run, wanted in (("config", read_study(board.parent)["config"]), ("summary", {"verdict": "so"})):
        found = read(run)
        (tag,) = found.Tags()["tensors"]
        (event,) = found.Tensors(tag)
        lines = event.tensor_proto.string_val[0].decode().splitlines()
        assert json.loads("\n".join(line.removeprefix("    ") for line in lines)) == wanted


def test_without_tensorboard_x_a_sentence_says_what_to_install(board, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX", None)
    screen = io.StringIO()
    with tracked(["tensorboard"], Console(file=screen, soft_wrap=True), concluded=False) as following:
        following.catch_up(board.parent, EXTENT)
    assert 'tensorboardX is not installed: pip install "attn_jax[tb]"; the study goes on' in screen.getvalue()
