"""What decides the bits of a study's numbers beside its config: pinned where jax lets itself be told, else recorded."""

import contextlib
import importlib.metadata
import os
from collections.abc import Callable, Iterator
from typing import Any

import jax

from attn_jax.config import Study
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.version import __version__

# Raised with every change of this package that moves the numbers of a study, be it by a bit: between releases, too,
# nobody goes on with half of a study and compares it with the rest.
NUMBERS = 5
# Of these the last that moved scores by more than rounding does: baselines that were trained since can be compared.
SCORES = 4
# Of the package: whatever the environment or the caller's program has set, a study's numbers are the same.
_PINNED: dict[str, Any] = {
    "enable_x64": False,
    "default_prng_impl": "threefry2x32",
    "threefry_partitionable": True,
    "enable_custom_prng": False,
    "legacy_prng_key": "allow",
    "numpy_dtype_promotion": "standard",
    "numpy_rank_promotion": "allow",
    "softmax_custom_jvp": False,
    "debug_nans": False,  # a diverged run is a result
    "debug_infs": False,
    "disable_jit": False,
    "transfer_guard": "allow",
}
# What has no such switch: the compiler's, and choices of algorithms. Not every version of jax has each.
_SETTINGS = (
    "eager_constant_folding",
    "jax_accurate_erf_inv",
    "jax_compiler_enable_remat_pass",
    "jax_default_dtype_bits",
    "jax_disable_most_optimizations",
    "jax_exec_time_optimization_effort",
    "jax_high_dynamic_range_gumbel",
    "jax_optimization_level",
    "jax_random_seed_offset",
    "jax_remat3",
    "jax_scan3",
    "jax_threefry_gpu_kernel_lowering",
    "jax_use_direct_linearize",
    "jax_use_hlo_logistic_lowering",
    "jax_use_magma",
    "jax_use_shardy_partitioner",
)
_FLAGS = ("XLA_FLAGS", "LIBTPU_INIT_ARGS", "NVIDIA_TF32_OVERRIDE")


@contextlib.contextmanager
def planned(load: Callable[[], Study]) -> Iterator[StudyPlan]:
    """A study, loaded and worked on where nothing but itself decides its numbers."""
    with pinned():
        study = load()
        with jax.default_matmul_precision(study.train.matmul_precision):
            yield StudyPlan(study)


@contextlib.contextmanager
def pinned() -> Iterator[None]:
    """In this thread: the numbers that are drawn, traced and computed depend on no setting of jax's but these."""
    with contextlib.ExitStack() as stack:
        for name, value in _PINNED.items():
            if hasattr(jax, name):  # a version without the switch has nothing to pin
                stack.enter_context(getattr(jax, name)(value))
        yield


def recorded() -> dict[str, Any]:
    """What could not be pinned, as JSON: a study is resumed only where it is the same.

    >>> sorted(recorded())
    ['flags', 'settings', 'versions']
    """
    known: dict[str, Any] = jax.config.values  # pyright: ignore[reportAttributeAccessIssue]
    packages = {name: importlib.metadata.version(name) for name in ("jax", "jaxlib", "numpy", "optax")}
    return {
        "versions": {"attn_jax": __version__, "numbers": NUMBERS} | packages,
        "flags": {name: " ".join(sorted(os.environ.get(name, "").split())) for name in _FLAGS},
        "settings": {name: _plain(known[name]) for name in _SETTINGS if name in known},
    }


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
