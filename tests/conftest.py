"""Every test runs on the CPU, with keys checked for reuse and compiled programs kept in .cache."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# compiling is most of the time of these tests, and level 1 halves it
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=1")

import jax
import pytest

jax.config.update("jax_compilation_cache_dir", os.path.join(os.path.dirname(__file__), "..", ".cache", "jax"))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
jax.config.update("jax_debug_key_reuse", True)


@pytest.fixture
def x64():
    """float64 for one test."""
    with jax.enable_x64(True):
        yield
