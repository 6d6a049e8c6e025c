"""Workers of a Dask cluster: of one that runs, by its scheduler's address, or of one of this machine's own."""

import logging
import re
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from attn_jax.errors import ConfigError, MachineError
from attn_jax.lab.run.places.base import Place, worker_died
from attn_jax.lab.run.places.there import marked, refuse_unfit, report
from attn_jax.names import counted

_ADDRESS = re.compile(r"(tcp|tls)://(\[[0-9a-fA-F:]+\]|[^\s:/\[\]]+):\d+")
_LOCAL = re.compile(r"local:([1-9]\d*)")
_CONNECT_SECONDS = 10


def dask(argument: str, platform: str, directory: Path) -> Place:
    """The workers behind `tcp://HOST:PORT`, or as many as `local:4` says.

    A worker that is killed is the scheduler's to replace: it gives the job to another one, which goes on from the last
    checkpoint, and says KilledWorker only of a job that killed several.

    Raises:
      ConfigError: the argument is neither.
      MachineError: Dask is not installed, nobody answers there, there are no workers, or they would not do.
    """
    del platform  # a worker has the device that whoever started it gave it
    local = _LOCAL.fullmatch(argument)
    if not local and not _ADDRESS.fullmatch(argument):
        raise ConfigError(f"--place: got 'dask:{argument}', wanted dask:tcp://HOST:PORT or dask:local:4, say")
    try:
        import distributed
    except ImportError as error:
        raise MachineError('--place=dask: its package is not here; pip install "attn_jax[dask]"') from error
    for name in ("distributed", "distributed.client"):  # what there is to say the command says
        logging.getLogger(name).setLevel(logging.CRITICAL)
    closing: list[Callable[[], Any]] = []
    try:
        address = _local_cluster(int(local[1]), closing) if local else argument
        client = _connected(address, closing)
        workers = _workers(client, f"dask:{argument}", directory)
    except BaseException:
        _close(closing)
        raise
    died = (distributed.KilledWorker,)
    return Place(
        _Closing(client.get_executor(pure=False, retries=0), closing),
        workers,
        died=lambda error: worker_died(error) or isinstance(error, died),
        words=f"{counted(workers, 'worker')} of Dask at {address}",
    )


def _local_cluster(workers: int, closing: list[Callable[[], Any]]) -> str:
    import distributed

    # no dashboard, which their annotations have no word for
    alone: dict[str, Any] = {"host": "127.0.0.1", "dashboard_address": None}
    cluster = distributed.LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, **alone)
    closing.append(cluster.close)
    return cluster.scheduler_address


def _connected(address: str, closing: list[Callable[[], Any]]) -> Any:
    import distributed

    try:
        client = distributed.Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise MachineError(f"--place=dask:{address}: no scheduler answers there; dask scheduler starts one") from error
    except TypeError as error:  # its word for no ssl_context
        if not address.startswith("tls:"):
            raise
        raise MachineError(
            f"--place=dask:{address}: Dask's own configuration names no certificates here, wanted "
            "distributed.comm.tls.ca-file, .client.cert and .client.key"
        ) from error
    closing.insert(0, client.close)
    return client


def _workers(client: Any, place: str, directory: Path) -> int:
    """How many there are; refuses what would not do."""
    address = client.scheduler.address
    workers = client.scheduler_info(n_workers=-1)["workers"]
    if not workers:
        raise MachineError(f"--place={place}: has no workers; start some: dask worker {address} --nthreads=1")
    several = [(name, worker["nthreads"]) for name, worker in workers.items() if worker["nthreads"] != 1]
    if several:
        raise MachineError(
            f"--place={place}: the worker {several[0][0]} has {several[0][1]} threads, wanted one each: "
            f"dask worker {address} --nthreads=1 --nworkers={several[0][1]}"
        )
    with marked(directory) as marker:
        reports = client.run(report, marker, on_error="return")
    refuse_unfit(place, reports.values(), directory)
    return len(workers)


def _close(closing: list[Callable[[], Any]]) -> None:
    while closing:
        closing.pop(0)()


class _Closing(Executor):
    """An executor of a client, which goes with it."""

    def __init__(self, inner: Executor, closing: list[Callable[[], Any]]):
        self._inner, self._closing = inner, closing

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """Hands it to the scheduler."""
        return self._inner.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leaves the scheduler; a cluster of our own ends."""
        del wait, cancel_futures  # jobs are over, or asked to stop
        _close(self._closing)
