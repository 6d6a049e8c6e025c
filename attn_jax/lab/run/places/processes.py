"""The place of a CPU: spawned processes of this machine, one a core and pinned to it."""

import multiprocessing
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import SpawnContext, SpawnProcess
from types import ModuleType
from typing import Any

from attn_jax.errors import ConfigError
from attn_jax.lab.run.places.base import Place, WorkerDiedError
from attn_jax.platforms import cpu_cores, where_studies_run

_BLOCKED = (signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
_parent_died = threading.Event()  # in a worker
_starting = threading.Lock()
_working = threading.Lock()  # in a worker, held while it runs a job


def processes(platform: str) -> Place:
    """A process a core that this one may use.

    Raises:
      ConfigError: the platform is an accelerator, which one process owns.
    """
    if platform != "cpu":
        raise ConfigError(f"--place=processes: got a {platform}, wanted a CPU; beside an accelerator it is thread")
    cores = cpu_cores()
    return Place(PinnedProcesses(cores), len(cores), words=where_studies_run())


class PinnedProcesses(Executor):
    """One spawned process a core, each pinned to it.

    Several single-process pools instead of one pool: when a worker is killed, its own job fails and no other.
    """

    def __init__(self, cores: list[int]):
        self._cores: queue.Queue[tuple[int, ProcessPoolExecutor]] = queue.Queue()
        for core in cores:
            self._cores.put((core, _process_on(core)))
        # a process inherits the mask of the thread that starts it: Ctrl-C is for the command, which asks for a stop
        self._waiters = ThreadPoolExecutor(len(cores), initializer=signal.pthread_sigmask, initargs=_BLOCKED)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """Runs fn on the next free core."""
        return self._waiters.submit(self._run, fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the processes once their jobs are over."""
        self._waiters.shutdown(wait=wait, cancel_futures=cancel_futures)
        while not self._cores.empty():
            self._cores.get()[1].shutdown(wait=wait)

    def _run(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        core, process = self._cores.get()
        try:
            return process.submit(_in_worker, fn, *args, **kwargs).result()
        except BrokenProcessPool as error:
            process.shutdown(wait=False)
            process = _process_on(core)
            raise WorkerDiedError("its worker process was killed (out of memory?)") from error
        finally:
            self._cores.put((core, process))


def stop_requested() -> bool:
    """In a worker: whether the command that started it is gone."""
    return _parent_died.is_set()


def _process_on(core: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=_Spawn(), initializer=_start_worker, initargs=(core,))


class _Process(SpawnProcess):
    """A spawned process that does not run the command's own script again.

    A job needs nothing of it. It may have no file (standard input, a notebook), or start another study.
    """

    def start(self) -> None:
        """Starts it, with an empty `__main__` to be told of."""
        with _starting:
            main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
            try:
                super().start()
            finally:
                sys.modules["__main__"] = main


class _Spawn(SpawnContext):
    Process = _Process


def _start_worker(core: int) -> None:
    """Keeps the process on its core; that moves no bit, which `prepare` sees to."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    threading.Thread(target=_watch_parent, daemon=True).start()


def _watch_parent() -> None:
    """When the command is gone: a running job saves at the end of its chunk, an idle worker just ends."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # this is a worker
    parent.join()
    _parent_died.set()
    with _working:
        os._exit(75)


def _in_worker(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with _working:
        return fn(*args, **kwargs)
