"""The places that `--place` takes by name: an executor each, and how many work there."""

import re
from collections.abc import Callable
from pathlib import Path

from attn_jax.errors import ConfigError
from attn_jax.lab.run.places.base import Place
from attn_jax.lab.run.places.dask import dask
from attn_jax.lab.run.places.own import own
from attn_jax.lab.run.places.processes import processes
from attn_jax.lab.run.places.slurm import slurm
from attn_jax.lab.run.places.thread import thread

# what stands after "NAME:", the platform of the jobs, the study's directory
PLACES: dict[str, Callable[[str, str, Path], Place]] = {
    "processes": lambda argument, platform, directory: processes(platform),
    "thread": lambda argument, platform, directory: thread(platform),
    "dask": dask,
    "slurm": slurm,
}
_OWN = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
HERE = ("auto", "processes", "thread")  # they compute on this machine, and on what jax finds here


def open_place(name: str, platform: str, directory: Path) -> Place:
    """The place of a name; its executor is to be shut down.

    Args:
      name: as `--place` takes it; "auto" is processes on a CPU and thread beside an accelerator.
      platform: of the jobs, "cpu", "gpu" or "tpu".
      directory: of the study, which every worker must see.

    Raises:
      ConfigError: there is no such place.
      MachineError: it cannot be reached, or its workers would not do.
    """
    if name == "auto":
        name = "processes" if platform == "cpu" else "thread"
    kind, _, argument = name.partition(":")
    if _OWN.fullmatch(name) and kind not in PLACES:
        return own(name, platform, directory)
    if kind not in PLACES or (kind in HERE and argument):
        raise ConfigError(f"--place: got {name!r}, wanted one of {', '.join(PLACES)}, or package.module:function")
    return PLACES[kind](argument, platform, directory)
