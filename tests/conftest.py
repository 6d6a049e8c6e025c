"""Every test runs on the CPU, with keys checked for reuse, compiled programs kept in .cache and bytecode kept."""

import contextlib
import ctypes
import gc
import os
import sys
from importlib.metadata import version

# compiling is most of the time of these tests: unoptimised and in one piece it costs half, and an eighth with the older
# emitters, which are gone from newer versions (an unknown flag is fatal)
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["PYTHONDONTWRITEBYTECODE"] = ""  # without bytecode each process that tests start needs a second more
os.environ["ATTN_JAX_CACHE"] = "off"  # theirs is below
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"  # other processes, those that tests start too, want them
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1"
    + " --xla_cpu_use_fusion_emitters=false" * version("jaxlib").startswith("0.10."),
)

import jax
import pytest
import tiers

jax.config.update("jax_compilation_cache_dir", os.path.join(os.path.dirname(__file__), "..", ".cache", "jax"))
jax.config.update("jax_debug_key_reuse", True)
sys.dont_write_bytecode = False  # nor does pytest rewrite its assertions anew each time: 10 s of collecting


# Programs that a test may compile: they are what tests cost, half of it XLA, half tracing and lowering. A dozen should
# do. What comes first in a process compiles the small ones that later tests find, and which test that is, the workers
# decide anew each time: half as many more are no failure. Counted under the oldest jax alone: others split operations
# otherwise.
_BUDGET = 32
_FIRST = 1.5
_COUNTED = version("jax").startswith("0.10.")
_KEPT = 300  # programs in memory before they are forgotten
_compiled = []  # grows by one for each, from a cache or not


def _listen(event, duration, **_):
    if event == "/jax/core/compile/backend_compile_duration":
        _compiled.append(duration)


jax.monitoring.register_event_duration_secs_listener(_listen)


def _give_back():
    """glibc keeps what was freed for itself."""
    with contextlib.suppress(AttributeError, OSError):  # another system's library
        ctypes.CDLL(None).malloc_trim(0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Fails a test that passes but compiles more programs than its budget, or than its mark says."""
    before = len(_compiled)
    result = yield
    marked = item.get_closest_marker("programs")
    budget, count = marked.args[0] if marked else _BUDGET, len(_compiled) - before
    if _COUNTED and count > _FIRST * budget:
        pytest.fail(
            f"compiles {count} programs, wanted at most {budget}: eager jax.numpy compiles one an operation and shape; "
            'say it in NumPy or inside one jax.jit (CONTRIBUTING.md, "Tests")',
            pytrace=False,
        )
    return result


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items):
    tiers.sample(items)


def pytest_collection_finish():
    """Tracing makes objects by the million, and looking through all that lives for each is an eighth of the time."""
    gc.freeze()
    gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    """Between files: what is compiled is kept by JAX, 4 GB of it in the end; most files share no programs."""
    if (nextitem is None or nextitem.path != item.path) and len(_compiled) > _KEPT:
        jax.clear_caches()
        _compiled.clear()
        gc.collect()
        _give_back()


@pytest.fixture
def compiles():
    """Calls a function to its end; how many programs that compiled."""

    def count(call, *args, **options):
        before = len(_compiled)
        jax.block_until_ready(call(*args, **options))
        jax.effects_barrier()
        return len(_compiled) - before

    return count


@pytest.fixture
def x64():
    """float64 for one test."""
    with jax.enable_x64(True):
        yield
