"""Which accelerator a command runs on. The library itself never chooses: importing it starts no device."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

from attn_jax.errors import MachineError
from attn_jax.names import counted
from attn_jax.version import __version__

Platform: TypeAlias = Literal["auto", "cpu", "cuda", "tpu"]
_INSTALL = {"cuda": 'pip install "attn_jax[cuda13]" (or cuda12, by your driver)', "tpu": 'pip install "attn_jax[tpu]"'}


def select_platform(name: Platform) -> str:
    """Starts jax on a platform and says which it is: "cpu", "gpu" or "tpu".

    Raises:
      MachineError: the platform is not there; says how to install it.
    """
    import jax

    if name != "auto":
        jax.config.update("jax_platforms", name)
    try:
        backend = jax.default_backend()
    except (RuntimeError, AssertionError):  # what jax raises for a platform that it cannot start
        backend = None
    if backend is None and name == "auto":
        asked = os.environ.get("JAX_PLATFORMS")
        raise MachineError(f"jax finds no device to run on (JAX_PLATFORMS={asked}). Unset it, or give --platform=cpu.")
    if backend is None or name not in ("auto", "cuda" if backend == "gpu" else backend):
        install = _INSTALL.get(name)
        mend = f"If the hardware is there: {install}. Else give --platform=auto." if install else "Try --platform=auto."
        raise MachineError(f"--platform={name}: this machine offers jax no {name} device. {mend}")
    return backend


def cpu_cores() -> list[int]:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def device_lines() -> list[str]:
    """One line a device."""
    import jax

    return [f"{device.platform}:{device.id}  {device.device_kind}" for device in jax.devices()]


def where_studies_run() -> str:
    """What a study's blocks run on here, in words."""
    import jax

    if jax.default_backend() == "cpu":
        workers = counted(len(cpu_cores()), "worker process", "worker processes")
        return f"{workers}, one a CPU core ({platform.machine()})"
    devices = jax.local_devices()
    return f"{len(devices)} x {devices[0].device_kind} ({jax.default_backend()})"


def environment() -> dict[str, Any]:
    """What a result may depend on beside its config: versions, devices, flags, the code's state."""
    import jax

    packages = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy")
    own = {"python": platform.python_version(), "attn_jax": __version__}
    return {
        "versions": own | {name: importlib.metadata.version(name) for name in packages},
        "devices": [f"{device.platform}: {device.device_kind}" for device in jax.local_devices()],
        "machine": f"{platform.system()} {platform.machine()}, {counted(len(cpu_cores()), 'core')}",
        "flags": {name: os.environ[name] for name in ("XLA_FLAGS", "JAX_PLATFORMS") if name in os.environ},
        "git": _git_state(Path(__file__).parents[1]),
        "argv": sys.argv,
    }


def _git_state(checkout: Path) -> dict[str, Any] | None:
    """The commit of the checkout the package runs from, and whether it was changed; None where it runs from none."""
    if shutil.which("git") is None or not (checkout / ".git").exists():
        return None
    git = partial(subprocess.run, cwd=checkout, capture_output=True, text=True, check=False)
    commit, changes = git(["git", "rev-parse", "HEAD"]), git(["git", "status", "--porcelain"])
    return {"commit": commit.stdout.strip() or None, "dirty": bool(changes.stdout.strip())}
