"""How far a program is optimised on a CPU: what runs long, and what runs twice. An accelerator has its own defaults."""

from collections.abc import Callable
from typing import Any

import jax

# LLVM's higher levels take twice as long to compile and give programs that are no faster (measured).
_LONG = {"xla_backend_optimization_level": "1"}
# Unoptimised, in one piece, and by XLA's older emitters: a third of the time, of programs that take three times theirs.
_TWICE = {"xla_backend_optimization_level": "0", "xla_cpu_parallel_codegen_split_count": "1"}
_OLDER = {"xla_cpu_use_fusion_emitters": False}


def compiled(program: Callable, *args: Any, donate: tuple[int, ...] = (), quickly: bool = False) -> Any:
    """A program compiled for arguments of these shapes."""
    return from_lowered(jax.jit(program, donate_argnums=donate).lower(*args), quickly=quickly)


def from_lowered(lowered: Any, *, quickly: bool = False) -> Any:
    """A program that was traced, compiled; quickly, where it runs once or twice and compiling is what it costs."""
    if jax.default_backend() != "cpu":
        return lowered.compile()
    if not quickly:
        return lowered.compile(compiler_options=_LONG)
    try:
        return lowered.compile(compiler_options=_TWICE | _OLDER)
    except jax.errors.JaxRuntimeError:  # a newer XLA has lost an option, and knows no program with it
        return lowered.compile(compiler_options=_TWICE)
