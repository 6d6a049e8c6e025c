"""The names of the tasks, and what importing them costs."""

import subprocess
import sys

import jax
import pytest

from attn_jax.tasks import TASKS, TaskConfig
from attn_jax.tasks.sampling import first_places, split_key


def test_names():
    assert list(TASKS) == [
        "associative_recall",
        "copy_memory",
        "parity",
        "parity_running",
        "digits",
        "digits_permuted",
    ]
    assert all(isinstance(config, TaskConfig) for config in TASKS.values())
    assert len(set(TASKS.values())) == len(TASKS)


@pytest.mark.parametrize("name", TASKS)
def test_spec_is_whole(name):
    spec = TASKS[name].make().spec
    assert spec.length_unit
    assert spec.source
    assert spec.chance in TASKS[name].make().floors(spec.train_lengths[0])
    assert spec.threshold == (None if name.startswith("digits") else 0.95)


def test_importing_starts_no_device_and_reads_no_data():
    code = (
        "import sys, attn_jax.tasks; from jax._src import xla_bridge as x; "
        "print(bool(x._backends), 'sklearn' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.split() == ["False", "False"]


def test_splits_are_three_streams():
    keys = [jax.random.key_data(split_key(jax.random.key(0), s)).tolist() for s in ("train", "validation", "test")]
    assert len(set(map(tuple, keys))) == 3


def test_first_places_may_be_traced():
    assert jax.jit(first_places, static_argnums=(0, 1))(2, 3, 2).tolist() == [[True, True, False]] * 2
