"""What workers elsewhere say of themselves before anything is written: versions, and whether they see the directory."""

import os
import re
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attn_jax.config.differences import differences
from attn_jax.errors import MachineError
from attn_jax.lab.plan.numerics import recorded

_LACKS = re.compile("ModuleNotFoundError|ImportError|AttributeError")  # an engine may give the words alone


def report(marker: str) -> dict[str, Any]:
    """In a worker, without starting jax."""
    return {"host": socket.gethostname(), "versions": recorded()["versions"], "sees": os.path.exists(marker)}


@contextmanager
def marked(directory: Path) -> Iterator[str]:
    """The path of a file in a study's directory, or where it will be made: gone afterwards."""
    there = next(folder for folder in (directory.absolute(), *directory.absolute().parents) if folder.is_dir())
    with tempfile.NamedTemporaryFile(dir=there, prefix=".attn-jax-") as file:
        yield file.name


def refuse_unfit(place: str, reports: Iterable[Any], directory: Path) -> None:
    """Refuses workers that would fail later, or give other numbers.

    Args:
      place: where they are, as `--place` takes it.
      reports: of each worker what `report` gave, or the exception instead.
      directory: of the study.

    Raises:
      MachineError: one of them has no attn_jax, another version of a package, or does not see the directory.
    """
    for said in reports:
        if isinstance(said, ImportError) or (isinstance(said, Exception) and _LACKS.match(str(said))):
            raise MachineError(f"--place={place}: a worker has no attn_jax as it is here ({said}); install it there")
        if isinstance(said, BaseException):
            raise MachineError(f"--place={place}: a worker cannot say what it is ({type(said).__name__}: {said})")
        if changes := list(differences(recorded()["versions"], said["versions"])):
            raise MachineError(
                f"--place={place}: the worker on {said['host']} has other versions than this command "
                f"({'; '.join(changes[:3])}); install the same"
            )
        if not said["sees"]:
            raise MachineError(
                f"--place={place}: the worker on {said['host']} does not see {directory.absolute()}; give a --workdir "
                "on a file system that all of them share"
            )
