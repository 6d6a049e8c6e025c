"""Compiles attention and the shipped configs for a machine that is not here: what they hold there, what it takes.

    python scripts/compile_for.py v5e|v6e|h100|b200|cpu [--only WORDS] [--runs N] [--page FILE]

Needs no accelerator, but the compilers: `bash .ci/compilers .cache/compilers`, then PYTHONPATH=.cache/compilers before
the command. Minutes a machine, on one core; --only takes the programs whose names match a regular expression. Rows are
printed as they come; with --page they go into a page (docs/accelerators.md), in the place of those that it had of this
machine.

Attention: each path, forward and forward + backward, causal, T = 4096, 8 heads of 128, bfloat16. Configs: a training
chunk with its validation, of each model, as wide as the config has runs and in the groups that they have there.
Temporaries and peak (with arguments and results) are the compiler's own count. That a program compiles proves that, and
nothing of its speed.
"""

import argparse
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")  # libtpu would ask the network which TPU this is

import jax
import jax.numpy as jnp
from jax.experimental import topologies
from jax.sharding import SingleDeviceSharding
from nvidia_targets import GPUS, target_text
from page_table import markdown_table, put_between
from script_words import a_file, count, pattern

from attn_jax import dot_product_attention
from attn_jax.config.file import load_config
from attn_jax.config.shipped import shipped_configs
from attn_jax.config.study import Study
from attn_jax.lab.plan.numerics import planned
from attn_jax.lab.plan.widths import device_share, group_size
from attn_jax.names import counted
from attn_jax.ops.placement import meant_for
from attn_jax.training.runs import advance_runs, init_runs

TPUS = {"v5e": "v5e:2x2", "v6e": "v6e:2x2"}
MACHINES = [*TPUS, *GPUS, "cpu"]
PATHS = {"tpu": ("dense", "blockwise", "splash"), "gpu": ("dense", "blockwise", "cudnn"), "cpu": ("dense", "blockwise")}


class Row(NamedTuple):
    """What compiling one program says, in bytes and seconds; or why it does not compile."""

    program: str
    temporaries: int = 0
    peak: int = 0
    code: int = 0
    lowering: float = 0.0
    compiling: float = 0.0
    refused: str = ""

    def cells(self) -> dict[str, str]:
        """Column by column, as the page has it."""
        if self.refused:
            return {"program": self.program, "temporaries, MB": self.refused} | dict.fromkeys(
                ("peak, MB", "code, MB", "trace and lower, s", "compile, s"), ""
            )
        return {
            "program": self.program,
            "temporaries, MB": f"{self.temporaries / 1e6:,.1f}",
            "peak, MB": f"{self.peak / 1e6:,.1f}",
            "code, MB": f"{self.code / 1e6:.1f}",
            "trace and lower, s": f"{self.lowering:.1f}",
            "compile, s": f"{self.compiling:.1f}",
        }


class Program(NamedTuple):
    """A function to be compiled for arguments of these shapes."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    donated: tuple[int, ...] = ()


def device_of(machine: str) -> tuple[Any, str]:
    """(a device of the machine, what `jax.default_backend()` says there)."""
    if machine == "cpu":
        return jax.local_devices(backend="cpu")[0], "cpu"
    if machine in TPUS:
        return topologies.get_topology_desc(TPUS[machine], "tpu").devices[0], "tpu"
    text = target_text(GPUS[machine])
    found = topologies.get_topology_desc(platform="cuda", target_config=text, topology="1x1x1")
    return found.devices[0], "gpu"


def attention_programs(backend: str, length: int = 4096) -> Iterator[Program]:
    """Each path of ours and of the platform's own, forward and forward + backward."""
    x = jax.ShapeDtypeStruct((1, length, 8, 128), jnp.bfloat16)
    for name in PATHS[backend]:
        run = partial(dot_product_attention, is_causal=True, implementation=name)

        def loss(query, key, value, run=run):
            return run(query, key, value).astype(jnp.float32).sum()

        yield Program(f"attention, {name}, forward", run, (x, x, x))
        yield Program(f"attention, {name}, forward + backward", jax.grad(loss, (0, 1, 2)), (x, x, x))


def chunk_programs(config: str, runs: int | None, backend: str) -> Iterator[Program]:
    """A training chunk of each model of a config, of a sweep those of the study that is varied; within its numbers."""
    found = load_config(config)
    study = found if isinstance(found, Study) else found.study
    with planned(lambda: study) as plan:
        for model in study.models:
            width = device_share(runs or len(plan.runs), backend)
            block = replace(plan.block_plan(model), group=group_size(width, backend))
            shapes = [jax.ShapeDtypeStruct((width,), dtype) for dtype in (jnp.int32, jnp.float32)]
            state = jax.eval_shape(partial(init_runs, block), *shapes)
            step = jax.ShapeDtypeStruct((), jnp.int32)
            name = f"{config}, {model}, {counted(width, 'run')}"
            yield Program(name, partial(advance_runs, block), (state, step), (0,))


def compiled(program: Program, device: Any, backend: str) -> Row:
    """Compiles it; what the compiler refuses is a row too."""
    placed = SingleDeviceSharding(device)
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=placed), program.arguments)
    began = time.perf_counter()
    try:
        with meant_for(backend):
            lowered = jax.jit(program.function, donate_argnums=program.donated).lower(*shapes)
        between = time.perf_counter()
        done = lowered.compile()
    except Exception as error:  # whatever a compiler raises
        return Row(program.name, refused=f"refused: {' '.join(str(error).split())[:160]}")
    ended, found = time.perf_counter(), done.memory_analysis()
    assert found is not None  # every compiler asked here tells it
    return Row(
        program.name,
        found.temp_size_in_bytes,
        found.peak_memory_in_bytes,
        found.generated_code_size_in_bytes,
        between - began,
        ended - between,
    )


def programs(backend: str, runs: int | None, only: re.Pattern[str]) -> Iterator[Program]:
    """All that the page tells of, or those whose names match."""
    yield from (program for program in attention_programs(backend) if only.search(program.name))
    for config in sorted(shipped_configs()):
        yield from (program for program in chunk_programs(config, runs, backend) if only.search(program.name))


def versions() -> str:
    """What compiled, with the versions."""
    found = []
    for name in ("jax", "jaxlib", "libtpu", "jax-cuda13-plugin"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def main(words: list[str]) -> None:
    """Compiles and prints, row by row, then writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("machine", choices=MACHINES)
    parser.add_argument("--only", type=pattern, default=re.compile(""))
    parser.add_argument("--runs", type=count, help="instead of each config's own number")
    parser.add_argument("--page", type=a_file)
    options = parser.parse_args(words)
    device, backend = device_of(options.machine)
    print(f"{options.machine}: {device.device_kind}; {versions()}", flush=True)
    rows = []
    for program in programs(backend, options.runs, options.only):
        rows.append(compiled(program, device, backend))
        print(" | ".join(rows[-1].cells().values()), flush=True)
    if options.page:
        write_page(options.page, options.machine, rows)


def write_page(page: Path, machine: str, rows: list[Row]) -> None:
    """Puts the table in the place of the one that the page has of this machine."""
    marks = f"<!-- {machine}: python scripts/compile_for.py {machine} -->\n", f"<!-- {machine} ends -->"
    text = f"{markdown_table([row.cells() for row in rows])}\n{date.today()}, {versions()}.\n"
    page.write_text(put_between(page.read_text(), marks, text))


if __name__ == "__main__":
    main(sys.argv[1:])
