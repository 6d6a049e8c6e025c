"""Mixers measured: against torch, form against form, to compile, and one whole command; on one pinned core.

    python scripts/bench_mixers.py [--groups cells transformer delta forms compile command] [--repeats N] [--check]

CPU time of the process (`time.process_time`); rivals take turns, round by round, and a ratio is that of the medians.
The command alone runs on all cores, and is measured by the clock. `--check` ends with 1 where a target is missed. Torch
comes with `pip install -e ".[bench]"`; without it what it is compared with is measured alone. All takes ten minutes.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench_attention import environment, pin_one_core
from bench_timing import interleaved
from script_words import count

FORMS = ("recurrent", "chunked", "parallel")
LONGEST_PARALLEL = 1024  # a matrix of all pairs of places beyond
COMPILE_LIMIT_S, COMMAND_LIMIT_S = 6.0, 30.0
PARITY = Path(__file__).parent.parent / "configs" / "parity_rnn.py"


@dataclass(frozen=True)
class Row:
    """One measurement: a sentence of figures, and, where there is a target, what is held against it."""

    what: str
    told: str
    got: float | None = None
    target: float | None = None

    @property
    def missed(self) -> bool:
        """Whether the target was missed."""
        return self.got is not None and self.target is not None and self.got > self.target

    def __str__(self) -> str:
        aim = "" if self.target is None else f"  target {self.target:g}{': MISSED' if self.missed else ''}"
        return f"{self.what:42} {self.told}{aim}"


def against(what: str, calls: dict[str, Callable], target: float, repeats: int) -> Row:
    """The first call against the second, where there is one."""
    taken = interleaved(calls, repeats)
    told = ", ".join(f"{name} {ms:.1f} ms" for name, ms in taken.items())
    if len(taken) < 2:
        return Row(what, f"{told} (nothing to compare with: torch is not installed)")
    ours, theirs = taken.values()
    return Row(what, f"{told}: {ours / theirs:.2f} x", ours / theirs, target)


def measure_cells(repeats: int) -> Iterator[Row]:
    """rnn, lstm and gru, T 128, batch 64, width 128."""
    from bench_mixers_contenders import cells

    for name in ("rnn", "lstm", "gru"):
        yield against(f"{name}, forward + backward", cells(name), 1.0, repeats)


def measure_transformer(repeats: int) -> Iterator[Row]:
    """A training step, 2 layers, D 128, 4 heads, T 128, batch 64."""
    from bench_mixers_contenders import transformer

    yield against("transformer, training step", transformer(), 1.1, repeats)


def measure_delta(repeats: int) -> Iterator[Row]:
    """The delta rule against its own recurrent form, 4 heads of 32."""
    from bench_mixers_contenders import recurrence

    calls = recurrence("delta_rule", "chunked", length=1024) | recurrence("delta_rule", "recurrent", length=1024)
    yield against("delta rule, T 1024, forward + backward", calls, 0.2, repeats)


def measure_forms(repeats: int) -> Iterator[Row]:
    """Every operator with a matrix as state in its forms; elementwise ones are scripts/bench_scans.py's."""
    from bench_mixers_contenders import OPERATORS, recurrence

    for name in OPERATORS:
        for length in (64, 256, 1024, 4096):
            forms = [form for form in FORMS if form != "parallel" or length <= LONGEST_PARALLEL]
            calls = {form: recurrence(name, form, length=length)[form] for form in forms}
            yield form_row(f"{name}, T {length}", interleaved(calls, repeats))


def form_row(what: str, taken: dict[str, float]) -> Row:
    """Every form, the fastest named."""
    fastest = min(taken, key=taken.__getitem__)
    return Row(what, f"{', '.join(f'{form} {ms:.2f}' for form, ms in taken.items())} ms; fastest: {fastest}")


def measure_compile(repeats: int) -> Iterator[Row]:
    """Four layers of every mixer, T 128, tracing included, as studies compile on a CPU."""
    from bench_mixers_contenders import four_layers

    from attn_jax.mixers import MIXERS

    del repeats
    for name in MIXERS:
        started = time.process_time()
        four_layers(name).compile(compiler_options={"xla_backend_optimization_level": "1"})
        taken = time.process_time() - started
        yield Row(f"compile {name}", f"{taken:.1f} s", taken, COMPILE_LIMIT_S)


def measure_command(repeats: int) -> Iterator[Row]:
    """The parity study of one tanh RNN of 256 units, from the command's start to its end."""
    del repeats
    with tempfile.TemporaryDirectory() as folder:
        words = ["compare", f"--config={PARITY}", f"--workdir={folder}/study", "--platform=cpu"]
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "attn_jax.cli", *words],
            env={name: value for name, value in os.environ.items() if name not in ("NPROC", "XLA_FLAGS")}
            | {"ATTN_JAX_CACHE": "off"},  # as on its first run
            preexec_fn=lambda: os.sched_setaffinity(0, range(os.cpu_count() or 1)),
            capture_output=True,
            text=True,
            check=True,
        )
        taken, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    solved = "1/1" in done.stdout
    told = f"{taken:.1f} s, {cpu:.1f} s of CPU, {'' if solved else 'not '}solved"
    yield Row("parity_rnn, the whole command", told, taken if solved else float("inf"), COMMAND_LIMIT_S)


GROUPS: dict[str, Callable[[int], Iterator[Row]]] = {
    "cells": measure_cells,
    "transformer": measure_transformer,
    "delta": measure_delta,
    "forms": measure_forms,
    "compile": measure_compile,
    "command": measure_command,
}


def parse(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", nargs="+", choices=GROUPS, default=list(GROUPS), metavar="GROUP")
    parser.add_argument("--repeats", type=count, default=9, help="rounds; 9 by default")
    parser.add_argument("--check", action="store_true", help="end with 1 where a target is missed")
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    """Measures and prints."""
    arguments = parse(words)
    core = pin_one_core()  # before jax is imported
    print(*(f"{name}: {fact}" for name, fact in environment(core).items()), sep="\n")
    missed = []
    for group in arguments.groups:
        for row in GROUPS[group](arguments.repeats):
            print(row, flush=True)
            missed += [row.what] if row.missed else []
    print(f"targets missed: {', '.join(missed) or 'none'}")
    return int(arguments.check and bool(missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
