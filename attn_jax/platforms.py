"""Which accelerator a command runs on. The library itself never chooses: importing it starts no device."""

import os
import platform
from typing import Any, Literal, TypeAlias

from attn_jax.errors import MachineError

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
    except RuntimeError:  # jax's own words for a platform it cannot start
        backend = None
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
    """One line a device, as `attn-jax devices` prints them."""
    import jax

    lines = [f"{device.platform}:{device.id}  {device.device_kind}" for device in jax.devices()]
    if jax.default_backend() == "cpu":
        lines.append(f"studies run in {len(cpu_cores())} worker processes, one a core ({platform.machine()})")
    return lines


def environment() -> dict[str, Any]:
    """What a result may depend on beside its config: versions, devices, flags, the code's state."""
    import subprocess
    import sys
    from importlib.metadata import version
    from pathlib import Path

    import jax

    def git(*words: str) -> str | None:
        command = ["git", "-C", str(Path(__file__).parent), *words]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        return result.stdout.strip() if result.returncode == 0 else None

    packages = ("attn_jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scipy")
    changed = git("status", "--porcelain")
    return {
        "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
        "devices": [f"{device.platform}: {device.device_kind}" for device in jax.local_devices()],
        "machine": f"{platform.system()} {platform.machine()}, {len(cpu_cores())} cores",
        "flags": {name: os.environ[name] for name in ("XLA_FLAGS", "JAX_PLATFORMS") if name in os.environ},
        "git": {"commit": git("rev-parse", "HEAD"), "dirty": None if changed is None else bool(changed)},
        "argv": sys.argv,
    }
