"""Hands the rows of a command's studies to its trackers. Nothing that a tracker does ends a study or holds it up.

The process that shows how far a study is passes on each row that it reads; what it says is worked out, and told to the
tracker, in a thread of the tracker's own. Workers know nothing of it, so that no number is moved.
"""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from rich.console import Console

from attn_jax.blame import brief, in_a_sentence, raised
from attn_jax.config.own_code import import_function
from attn_jax.errors import ConfigError, DefectError
from attn_jax.files import read_json
from attn_jax.lab.record.schema import read_study
from attn_jax.lab.run.pace import Extent, Heard, Pace
from attn_jax.lab.track.protocol import MakeTracker
from attn_jax.lab.track.scalars import Scalars
from attn_jax.names import nearest_names

TRACKERS = {"tensorboard": "attn_jax.lab.track.tensorboard:TensorBoard"}
_METHODS = ("start", "log", "finish")
_PATIENCE, _SHORT_PATIENCE = 30.0, 5.0  # seconds for a tracker that stands still; where the study has failed, too
_WAITING = 10_000  # rows that a tracker may be behind
Which: TypeAlias = str | MakeTracker


class Tracking:
    """The trackers of a command, each told of all its studies."""

    def __init__(self, which: Sequence[Which], console: Console):
        self._console = console
        self._posts = [_Post(one) for one in which]
        self._directories: dict[Path, None] = {}

    def heard(self, directory: Path) -> Heard | None:
        """What takes a study's rows: `heard(model, block, row)`; None where there are no trackers."""
        if not self._posts:
            return None
        self._directories[directory] = None
        self._send("open", directory)
        return partial(self._send, "row", directory)

    def catch_up(self, directory: Path, extent: Extent) -> None:
        """Hands on what was trained before, of a study of which nothing is left to be trained."""
        if (heard := self.heard(directory)) is not None:
            Pace(directory, extent, heard)

    def finish(self, *, concluded: bool, patience: float) -> None:
        """Ends the trackers; `concluded` where each study's summary.json is of what was told."""
        for directory in self._directories:
            self._send("finish", directory, concluded)
        for post in self._posts:
            post.close(patience)
        self._warn()

    def _send(self, *what: Any) -> None:
        for post in self._posts:
            post.send(what)
        self._warn()

    def _warn(self) -> None:
        """One sentence of each tracker that has failed, once."""
        for post in self._posts:
            if said := post.new_failure():
                self._console.print(said, markup=False, highlight=False, soft_wrap=True)


@contextlib.contextmanager
def tracked(which: Sequence[Which], console: Console, *, concluded: bool = True) -> Iterator[Tracking]:
    """Trackers for as long as a command runs; `concluded` where it ends with a summary.json."""
    tracking = Tracking(which, console)
    try:
        yield tracking
    except BaseException:
        tracking.finish(concluded=False, patience=_SHORT_PATIENCE)
        raise
    tracking.finish(concluded=concluded, patience=_PATIENCE)


class _Post:
    """One tracker's thread, and what is on its way to it."""

    def __init__(self, which: Which):
        self._name = which if isinstance(which, str) else getattr(which, "__qualname__", repr(which))
        self._which, self._waiting = which, queue.Queue[Any](_WAITING)
        self._failure, self._told, self._done = "", False, 0
        self._studies: dict[Path, tuple[Any, Scalars]] = {}
        self._make: MakeTracker | None = None
        # a daemon, so that the command ends however long it takes
        self._thread = threading.Thread(target=self._work, name=f"--track={self._name}", daemon=True)
        self._thread.start()

    def send(self, what: Any) -> None:
        """Waits where the tracker is far behind, for a while."""
        if self._failure:
            return
        try:
            self._waiting.put(what, timeout=_PATIENCE)
        except queue.Full:
            self._fail(f"is {_WAITING:,} evaluations behind and has not moved for {_PATIENCE:g} s")

    def close(self, patience: float) -> None:
        """Waits for the thread as long as it goes on with what it was sent."""
        self.send(None)
        while self._thread.is_alive() and not self._failure:
            done = self._done
            self._thread.join(patience)
            if self._thread.is_alive() and self._done == done:
                self._fail(f"has not answered for {patience:g} s")

    def new_failure(self) -> str:
        """The sentence about what has gone wrong, the first time; else ""."""
        if self._told or not self._failure:
            return ""
        self._told = True
        return brief(f"--track={self._name}: {self._failure}; the study goes on without it")

    def _fail(self, said: str) -> None:
        self._failure = self._failure or said

    def _work(self) -> None:
        try:
            for what, *given in iter(self._waiting.get, None):
                if self._failure:
                    return
                getattr(self, f"_{what}")(*given)
                self._done += 1
        except BaseException as error:  # whatever it does, it does to itself
            said = in_a_sentence(error)
            self._fail(raised(error) if isinstance(said, DefectError) else str(said))  # a package's that it uses
            with contextlib.suppress(queue.Empty):  # lets go of who waits to send
                while True:
                    self._waiting.get_nowait()

    def _open(self, directory: Path) -> None:
        """The study as it is now; a tracker that knows it has been told what began it."""
        facts = read_study(directory)
        if directory in self._studies:  # its grid was widened
            self._studies[directory][1].grow(facts)
            return
        self._make = self._make or _maker(self._which)
        tracker = self._make()
        if missing := [name for name in _METHODS if not callable(getattr(tracker, name, None))]:
            raise ConfigError(f"gave a {type(tracker).__name__} without {missing[0]}()")
        self._studies[directory] = tracker, Scalars(facts)
        parts = {key: facts[key] for key in ("config", "task", "models")}
        tracker.start({"name": facts["config"]["name"], "directory": str(directory.absolute())} | parts)

    def _row(self, directory: Path, model: str, block: int, row: Mapping[str, Any]) -> None:
        tracker, scalars = self._studies[directory]
        for run, step, numbers in scalars.of(model, block, row):
            if numbers:
                tracker.log(run, step, numbers)

    def _finish(self, directory: Path, concluded: bool) -> None:
        tracker, _ = self._studies[directory]
        tracker.finish(read_json(directory / "summary.json") if concluded else None)


def _maker(which: Which) -> Callable[[], Any]:
    """The function that a name stands for."""
    if not isinstance(which, str):
        return which
    name = TRACKERS.get(which, which)
    if not all(name.partition(":")):
        raise ConfigError(f"no such tracker, {nearest_names(which, TRACKERS)} or package.module:function")
    return import_function(name)
