"""Every form of the linear recurrence measured, T = 64..4096, real and complex states, interleaved on one pinned core.

    python scripts/bench_scans.py [--lengths T ...] [--sizes BxP ...] [--repeats N]

CPU time of the process (`time.process_time`); the forms take turns, round by round, and a ratio is that of the medians.
Decays differ at every place, |a| < 1. The fastest forms, forward + backward, are the table in
attn_jax/ops/recurrence/linear_scan.py. All cases take about five minutes; JAX_PLATFORMS=cuda measures wall time on a
GPU instead.
"""

import argparse
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench_attention import environment, pin_one_core
from bench_timing import interleaved
from script_words import count

PASSES = ("forward", "forward + backward")
KINDS = ("real", "complex")


@dataclass(frozen=True)
class Row:
    """One case: medians over the rounds in milliseconds, by form."""

    kind: str
    size: str
    length: int
    passes: str
    taken_ms: dict[str, float]

    @property
    def fastest(self) -> str:
        """The form that takes the least."""
        return min(self.taken_ms, key=self.taken_ms.__getitem__)


def make_case(kind: str, size: str, length: int, passes: str, form: Any) -> Callable[[], Any]:
    """A compiled call of one form."""
    import jax
    import jax.numpy as jnp

    from attn_jax.ops.recurrence.linear_scan import linear_scan

    batch, width = map(int, size.split("x"))
    keys = jax.random.split(jax.random.key(0), 3)
    a = jax.random.uniform(keys[0], (batch, length, width), minval=0.5)
    b = jax.random.normal(keys[1], (batch, length, width))
    if kind == "complex":
        a, b = a * jnp.exp(1j * jax.random.normal(keys[2], a.shape)), b + 1j * b[::-1]

    def total(a, b):
        return jnp.sum(jnp.real(linear_scan(a, b, form=form)[0]) ** 2)

    def forward(a, b):
        return linear_scan(a, b, form=form)[0]

    program = jax.jit(forward if passes == PASSES[0] else jax.grad(total, argnums=(0, 1)))
    return lambda: jax.block_until_ready(program(a, b))


def measure(case: tuple[str, str, int, str], repeats: int, clock: Callable[[], float]) -> Row:
    """All forms of one case, in turns."""
    from attn_jax.ops.recurrence.linear_scan import SCAN_FORMS

    calls = {form: make_case(*case, form) for form in SCAN_FORMS}
    return Row(*case, interleaved(calls, repeats, clock))


def line_of(row: Row) -> str:
    """One case; every form also as a ratio to the sequential one."""
    base = row.taken_ms["sequential"]
    told = (f"{form} {taken:8.2f} ms ({taken / base:5.2f})" for form, taken in row.taken_ms.items())
    return f"{row.kind:7} {row.size} T {row.length:5} {row.passes:18} {'  '.join(told)}  fastest: {row.fastest}"


def _size(text: str) -> str:
    """A batch and a width, as in 16x64."""
    if not re.fullmatch(r"[1-9]\d*x[1-9]\d*", text):
        raise argparse.ArgumentTypeError(f"got {text!r}, wanted BxP, such as 16x64")
    return text


def parse(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", nargs="+", type=count, metavar="T", default=[64, 256, 1024, 4096])
    parser.add_argument("--sizes", nargs="+", type=_size, metavar="BxP", default=["1x64", "16x64"])
    parser.add_argument("--repeats", type=count, default=9, help="rounds; 9 by default")
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    """Measures and prints."""
    arguments = parse(words)
    on_cpu = os.environ.get("JAX_PLATFORMS", "cpu") == "cpu"
    core = pin_one_core()  # before jax is imported
    cases = [
        (kind, size, length, passes)
        for kind in KINDS
        for size in arguments.sizes
        for length in arguments.lengths
        for passes in PASSES
    ]
    print(*(f"{name}: {fact}" for name, fact in environment(core).items()), sep="\n")
    for case in cases:
        print(line_of(measure(case, arguments.repeats, time.process_time if on_cpu else time.perf_counter)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
