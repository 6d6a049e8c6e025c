"""How whoever trains is asked to stop: a signal lets it save, a second one ends it; a failure stops its workers."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from attn_jax.errors import InterruptedStudyError


@contextlib.contextmanager
def asked_by_signals(also: Callable[[], Any] = lambda: None) -> Iterator[threading.Event]:
    """An event that the first Ctrl-C or SIGTERM sets; the second ends this process at once.

    Python lets the main thread alone listen to signals: in another one, whoever owns the process does.

    Args:
      also: called at the first.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(number: int, frame: Any) -> None:
        del number, frame
        if asked.is_set():
            os._exit(InterruptedStudyError.exit_code)
        asked.set()
        also()
        print("saving and stopping; once more to leave at once", flush=True)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def stopping_if_this_fails(directory: Path) -> Iterator[None]:
    """Leaves no worker training on for a command that cannot go on."""
    try:
        yield
    except BaseException:
        (directory / "stop").touch()
        raise
