"""In a worker, before its first job: all that decides bits and is no jax setting of a thread.

Whoever starts workers, we or a scheduler, need not know of it. Precision, random numbers and 64 bits are set by
`lab.plan.numerics` around every job.
"""

import json
import os
import socket
from typing import Any

import jax

from attn_jax.config.differences import differences
from attn_jax.errors import MachineError
from attn_jax.lab.plan.numerics import recorded
from attn_jax.lab.run.places.base import Terms
from attn_jax.names import counted

_OPTIONS = {"gpu": "cuda"}  # what jax calls the platform of a backend


def prepare(terms: Terms, num_devices: int | None = None) -> None:
    """Gives this process one thread on a CPU, the platform and the compiler's flags, if jax has not started yet.

    Args:
      terms: of the command.
      num_devices: over which the runs of its job are split; None = it has none.

    Raises:
      MachineError: the process would give other numbers than the command: another version of a package, or jax has
        started on another platform, with other flags or with more threads; or it does not see the job's devices alone.
    """
    if not terms.platform:
        return
    wanted = json.loads(terms.numbers) if terms.numbers else None
    if not _started():
        _set(terms.platform, {} if wanted is None else wanted["flags"])
    try:
        backend = jax.default_backend()
    except RuntimeError:  # it finds no such device
        backend = "nothing"
    if backend != terms.platform:
        raise MachineError(f"the worker on {socket.gethostname()} runs jax on {backend}, wanted {terms.platform}")
    if backend == "cpu" and os.environ.get("NPROC") != "1":
        raise MachineError(
            f"the worker on {socket.gethostname()} had started jax with several threads before its first job, and "
            "sums in another order; wanted a process that has not, or the environment variable NPROC=1"
        )
    if wanted is not None and (changes := list(differences(wanted, recorded()))):
        raise MachineError(
            f"the worker on {socket.gethostname()} gives other numbers than the command ({'; '.join(changes[:3])}); "
            "install the same there"
        )
    if num_devices is not None:
        _refuse_devices(backend, num_devices)


def _refuse_devices(backend: str, wanted: int) -> None:
    """Of one GPU each, jobs of workers that see several would all take the first."""
    seen = jax.local_device_count()
    if seen < wanted or (backend == "gpu" and seen > wanted):
        own = "; CUDA_VISIBLE_DEVICES gives each worker its own" if backend == "gpu" else ""
        raise MachineError(
            f"the worker on {socket.gethostname()} sees {counted(seen, f'{backend} device')}, wanted {wanted} for its "
            f"job{own}"
        )


def _set(platform: str, flags: dict[str, Any]) -> None:
    if platform == "cpu":
        os.environ["NPROC"] = "1"  # XLA's thread pool
    for name, value in flags.items():
        if " ".join(sorted(os.environ.get(name, "").split())) != value:
            os.environ[name] = value
    jax.config.update("jax_platforms", _OPTIONS.get(platform, platform))


def _started() -> bool:
    """Whether jax has chosen its devices, and XLA its threads."""
    from jax._src import xla_bridge  # nothing public says it without starting them

    return xla_bridge.backends_are_initialized()
