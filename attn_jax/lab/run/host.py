"""On what a block is trained: what may move its last bits beside config, versions and flags, recorded a block.

Blocks of one study may lie on different machines. Another instruction set sums in another order; so does another
jaxlib, which is refused (`places/prepare.py`).
"""

import hashlib
import importlib.metadata
import os
import platform
import re
import socket
from functools import cache
from pathlib import Path
from typing import Any

import jax

_CPU = Path("/proc/cpuinfo")
# what a compiler may use; the rest of /proc/cpuinfo is of no weight
_USED = re.compile(r"sse|ssse|avx|amx|fma|f16c|bmi|popcnt|abm|gfni|vaes|pclmul|vpclmul|asimd|sve|sme|fp|bf16|i8mm")
_WIDEST = ("avx512f", "avx2", "avx", "sse4_2", "sve", "asimd")


def host() -> dict[str, Any]:
    """What the row of a block's start says of the machine."""
    known = {"host": socket.gethostname(), "jaxlib": importlib.metadata.version("jaxlib")}
    if jax.default_backend() != "cpu":
        return known | {"device": jax.local_devices()[0].device_kind}
    threads = os.environ.get("NPROC", "")
    return known | {"device": instruction_set(), "threads": int(threads) if threads.isdecimal() else os.cpu_count()}


@cache
def instruction_set() -> str:
    """The CPU's instructions as a word, and a digest of which it has: "x86_64-avx512f-1f3a5c7e"."""
    known = sorted(flag for flag in _flags() if _USED.match(flag))
    widest = [name for name in _WIDEST if name in known][:1]
    digest = hashlib.sha256(" ".join(known).encode()).hexdigest()[:8] if known else ""
    return "-".join(filter(None, [platform.machine(), *widest, digest]))


def _flags() -> list[str]:
    """Of the first CPU; none where the system does not say."""
    try:
        found = re.search(r"^(?:flags|Features)\s*:(.*)$", _CPU.read_text(errors="replace"), re.MULTILINE)
    except OSError:
        return []
    return found.group(1).split() if found else []
