"""Every test runs on the CPU, with keys checked for reuse and compiled programs kept in .cache."""

import os
from importlib.metadata import version

# compiling is most of the time of these tests: unoptimised and in one piece it costs half, and an eighth with the older
# emitters, which are gone from newer versions (an unknown flag is fatal)
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1"
    + " --xla_cpu_use_fusion_emitters=false" * version("jaxlib").startswith("0.10."),
)

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
