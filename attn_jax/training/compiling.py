"""How far a program is optimised on a CPU: what runs long, and what runs but once or twice: starts, most probes."""

from collections.abc import Callable
from typing import Any

import jax

# LLVM's higher levels take twice as long to compile and give programs that are no faster (measured).
_LONG = {"xla_backend_optimization_level": "1"}
# Reductions outside of XLA's library of products: .89 of a transformer's step, and no more of a recurrent model's.
_FASTER = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}
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
    options, special = (_TWICE, _OLDER) if quickly else (_LONG, _FASTER)
    try:
        return lowered.compile(compiler_options=options | special)
    except jax.errors.JaxRuntimeError:  # another version of XLA lacks an option, and knows no program with it
        return lowered.compile(compiler_options=options)
