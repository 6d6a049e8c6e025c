"""The comparison: a study is planned, trained in blocks, gathered and judged. `compare` is the command, from Python."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attn_jax.lab.comparison import compare as compare
    from attn_jax.lab.loading import load as load

_PUBLIC = {"compare": "attn_jax.lab.comparison", "load": "attn_jax.lab.loading"}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'attn_jax.lab' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)  # what trains is not loaded by what only reads
