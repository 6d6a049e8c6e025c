"""scripts/compile_for.py: on the CPU at hand what it compiles, counts and writes; attention for machines not here.

The compilers of those are 270 MB, which `.ci/run` fetches for the second tier.
"""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from attn_jax.ops.placement import platform

SCRIPTS = Path(__file__).parent.parent.parent / "scripts"
COMPILERS = SCRIPTS.parent / ".cache" / "compilers"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    monkeypatch.setenv("TPU_SKIP_MDS_QUERY", "1")
    yield importlib.import_module("compile_for")
    for name in ("compile_for", "nvidia_targets"):
        sys.modules.pop(name, None)


def test_a_program_is_traced_for_the_machine_and_counted(script):
    seen = []

    def square(x):
        seen.append(platform())
        return (x[:, None] - x[None]).sum(0) @ x

    shape = jax.ShapeDtypeStruct((100,), jnp.float32)
    device, backend = script.device_of("cpu")
    row = script.compiled(script.Program("square", square, (shape,)), device, backend)
    assert seen == ["cpu"]
    assert row.program == "square"
    assert row.temporaries > 0
    assert row.peak >= 400, "its argument alone"
    assert not row.refused
    refused = script.compiled(script.Program("no", lambda x: x @ jnp.ones(7), (shape,)), device, backend)
    assert refused.cells()["temporaries, MB"].startswith("refused: ")
    assert refused.cells().keys() == row.cells().keys()


def test_every_path_of_the_platform_is_compiled(script):
    names = [program.name for program in script.attention_programs("tpu")]
    assert len(names) == 2 * 3
    assert [name.split(", ")[1] for name in names[::2]] == ["dense", "blockwise", "splash"]
    for name in ("h100", "b200"):
        assert f'name: "{script.GPUS[name].name}"' in script.target_text(script.GPUS[name])


def test_a_page_takes_the_table_of_a_machine_and_keeps_the_others(script, tmp_path):
    page = tmp_path / "page.md"
    start = "<!-- {0}: python scripts/compile_for.py {0} -->\n"
    page.write_text("".join(f"{start.format(name)}old {name}\n<!-- {name} ends -->\n" for name in ("v5e", "h100")))
    script.write_page(page, "h100", [script.Row("attention", 1_500_000, 2_000_000, 100_000, 1.0, 2.5)])
    text = page.read_text()
    assert "old v5e" in text and "old h100" not in text
    assert "| attention | 1.5 | 2.0 | 0.1 | 1.0 | 2.5 |\n" in text
    assert f"jax {jax.__version__}" in text


def test_the_page_has_a_place_for_every_machine(script):
    text = (SCRIPTS.parent / "docs" / "accelerators.md").read_text()
    for name in script.MACHINES[:-1]:
        assert f"<!-- {name}: python scripts/compile_for.py {name} -->\n" in text
        assert f"<!-- {name} ends -->" in text


@pytest.mark.exhaustive
def test_a_chunk_of_each_model_of_a_config(script):
    names = [program.name for program in script.chunk_programs("quickstart", 2, "tpu")]
    assert names == [f"quickstart, {model}, 2 runs" for model in ("transformer", "lstm", "gru")]


@pytest.mark.exhaustive
@pytest.mark.skipif(not COMPILERS.exists(), reason="bash .ci/compilers .cache/compilers, as .ci/run does")
@pytest.mark.parametrize(("machine", "paths"), [("v5e", 3), ("h100", 2)])
def test_attention_compiles_for_machines_that_are_not_here(machine, paths):
    environment = os.environ | {"PYTHONPATH": f"{COMPILERS}{os.pathsep}{SCRIPTS.parent}", "JAX_PLATFORMS": "cpu"}
    del environment["XLA_FLAGS"]  # conftest.py's, of a CPU's programs
    command = [sys.executable, SCRIPTS / "compile_for.py", machine, "--only", "^attention, (?!cudnn)"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    head, *rows = done.stdout.splitlines()
    assert head.startswith(f"{machine}: ")
    assert len(rows) == 2 * paths
    assert "refused" not in done.stdout, done.stdout
    held = {name: float(temporaries.replace(",", "")) for name, temporaries, *_ in (row.split(" | ") for row in rows)}
    for pass_ in ("forward", "forward + backward"):
        assert held[f"attention, blockwise, {pass_}"] < held[f"attention, dense, {pass_}"] / 4, "linear memory"
