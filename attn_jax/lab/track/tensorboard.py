"""A study for TensorBoard: `tensorboard --logdir results/parity` while it runs, or after it.

A run of TensorBoard's is a folder with one file of events. It is opened for each event: a study has thousands of runs,
and a process may hold a few hundred files open.
"""

import json
import shutil
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attn_jax.errors import MachineError
from attn_jax.lab.track.protocol import TrackedRun

FOLDER = "tensorboard"  # in the study's; made anew by each command, from the whole study


class TensorBoard:
    """Writes what it is told into the study's folder `tensorboard/`, where nothing else may lie."""

    def __init__(self):
        try:
            import tensorboardX  # noqa: F401
        except ImportError as error:
            raise MachineError('tensorboardX is not installed: pip install "attn_jax[tb]"') from error

    def start(self, study: Mapping[str, Any]) -> None:
        """Begins the folder anew; the config is a text of the run "config"."""
        self._folder, self._begun = Path(study["directory"]) / FOLDER, set[Path]()
        self._file = f"events.out.tfevents.{time.time_ns()}.attn_jax"  # who still reads an earlier one goes on to it
        if self._folder.is_dir():
            shutil.rmtree(self._folder)
        self._text("config", study["config"])

    def log(self, run: TrackedRun, step: int, scalars: Mapping[str, float]) -> None:
        """One event of all scalars."""
        _, _, Summary = _protos()
        values = [Summary.Value(tag=name, simple_value=value) for name, value in scalars.items()]
        self._write(self._folder / str(run), step, values)

    def finish(self, summary: Mapping[str, Any] | None) -> None:
        """What summary.json holds is a text of the run "summary"."""
        if summary is not None:
            self._text("summary", summary)

    def _text(self, name: str, value: Any) -> None:
        """JSON, as markdown's code."""
        from tensorboardX.summary import text

        shown = "\n".join(f"    {line}" for line in json.dumps(value, indent=1).splitlines())
        self._write(self._folder / name, 0, [*text(name, shown).value])

    def _write(self, folder: Path, step: int, values: list[Any]) -> None:
        Event, SessionLog, Summary = _protos()
        now, events = time.time(), []
        if folder not in self._begun:
            folder.mkdir(parents=True, exist_ok=True)
            self._begun.add(folder)
            anew = SessionLog(status=SessionLog.SessionStatus.Value("START"))  # forgets the steps of an earlier file
            events = [Event(wall_time=now, file_version="brain.Event:2"), Event(wall_time=now, session_log=anew)]
        events.append(Event(wall_time=now, step=step, summary=Summary(value=values)))
        with (folder / self._file).open("ab") as file:
            file.write(b"".join(_record(event.SerializeToString()) for event in events))


def _protos() -> tuple[Any, Any, Any]:
    """TensorFlow's Event, SessionLog and Summary: classes that protobuf makes as they are imported."""
    from tensorboardX.proto import event_pb2, summary_pb2

    return vars(event_pb2)["Event"], vars(event_pb2)["SessionLog"], vars(summary_pb2)["Summary"]


def _record(data: bytes) -> bytes:
    """A record of TensorFlow's: its length and its bytes, each followed by its checksum."""
    from tensorboardX.record_writer import masked_crc32c

    length = struct.pack("<Q", len(data))
    checked = (struct.pack("<I", masked_crc32c(part)) for part in (length, data))
    return b"".join(part for pair in zip((length, data), checked, strict=True) for part in pair)
