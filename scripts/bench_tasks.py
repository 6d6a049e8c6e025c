"""Sampling measured: a batch of 128 of every task at the longest length it trains on, on one pinned core.

    python scripts/bench_tasks.py [--tasks NAME ...] [--repeats N] [--check]

CPU time of the process (`time.process_time`), the median over the calls of one compiled program with a traced length.
`--check` ends with 1 where a task takes longer than its limit: 2 ms, or 15 ms for those that evaluate an expression,
run a stack, multiply or take a root. All tasks take about a minute, most of it compiling.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from statistics import median

from bench_attention import environment, pin_one_core
from rich.console import Console
from rich.table import Column, Table
from script_words import count

BATCH_SIZE = 128
LIMIT_MS = 2.0
LIMITS_MS: dict[str, float] = dict.fromkeys(
    ("modular_arithmetic_brackets", "solve_equation", "stack_manipulation", "binary_multiplication", "square_root"),
    15.0,
)


@dataclass(frozen=True)
class Row:
    """One task; None where it cannot be sampled here."""

    task: str
    length: str
    sample_ms: float | None = None
    compile_s: float | None = None
    note: str = ""

    @property
    def limit_ms(self) -> float:
        """What it may take."""
        return LIMITS_MS.get(self.task, LIMIT_MS)

    @property
    def is_over(self) -> bool:
        """Whether it takes longer."""
        return self.sample_ms is not None and self.sample_ms > self.limit_ms


def measure(name: str, repeats: int) -> Row:
    """Compiles one task's `sample` and calls it."""
    import jax
    import numpy as np

    from attn_jax.tasks import TASKS

    task = TASKS[name].make()
    longest = task.spec.train_lengths[1]
    length = f"{longest} {task.spec.length_unit}"
    key = jax.random.key(0)
    started = time.process_time()
    try:
        sample = (
            jax.jit(task.sample, static_argnums=(1, 3)).lower(key, BATCH_SIZE, np.int32(longest), longest).compile()
        )
    except ImportError as error:
        return Row(name, length, note=str(error))
    compile_s = time.process_time() - started
    samples = []
    for _ in range(repeats + 1):
        started = time.process_time()
        jax.block_until_ready(sample(key, np.int32(longest)))
        samples.append(time.process_time() - started)
    return Row(name, length, median(samples[1:]) * 1e3, compile_s)


def table_of(rows: list[Row]) -> Table:
    """One line a task; what is over its limit says so."""
    right = (Column(heading, justify="right") for heading in ("CPU ms", "limit ms", "compile s"))
    table = Table("task", "length", *right, "note")
    for row in rows:
        taken = "-" if row.sample_ms is None else f"{row.sample_ms:.2f}"
        compiled = "-" if row.compile_s is None else f"{row.compile_s:.2f}"
        note = "over its limit" if row.is_over else row.note
        style = "bold red" if row.is_over else None
        table.add_row(row.task, row.length, taken, f"{row.limit_ms:g}", compiled, note, style=style)
    return table


def parse(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", metavar="NAME", help="registered names; all by default")
    parser.add_argument("--repeats", type=count, default=50, help="calls; 50 by default")
    parser.add_argument("--check", action="store_true", help="end with 1 where a task is over its limit")
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    """Measures and prints; 2 where no task is meant."""
    arguments = parse(words)
    core = pin_one_core()  # before jax is imported
    from attn_jax.tasks import TASKS

    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    names = arguments.tasks or list(TASKS)
    unknown = [name for name in names if name not in TASKS]
    if unknown:
        console.print(f"no task {unknown[0]}; there are {', '.join(TASKS)}")
        return 2
    console.print(*(f"{name}: {fact}" for name, fact in environment(core).items()), sep="\n")
    with console.status("") as status:
        rows = []
        for name in names:
            status.update(name)
            rows.append(measure(name, arguments.repeats))
    console.print(table_of(rows))
    over = [row.task for row in rows if row.is_over]
    console.print(f"over the limit: {', '.join(over) or 'none'}")
    return 1 if arguments.check and over else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
