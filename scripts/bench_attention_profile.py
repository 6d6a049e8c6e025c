"""`scripts/bench_attention.py --profile NAME`: a trace of one case, and its operations by time."""

import gzip
import json
import re
from collections import Counter
from pathlib import Path

import jax
from bench_attention_cases import CASES
from bench_attention_contenders import CONTENDERS
from rich.console import Console
from rich.table import Column, Table

RUNS = 3
SHOWN = 15


def profile(name: str, who: re.Pattern[str], passes: dict[str, bool], directory: Path, console: Console) -> None:
    """Traces RUNS calls of each of our paths that `who` matches to `directory`/path/pass, and prints the longest."""
    for contender, make in CONTENDERS.items():
        if not (contender.startswith("attn_jax") and who.search(contender)):
            continue
        for which, backward in passes.items():
            program = make(CASES[name], backward)
            folder = directory / contender.replace(" ", "-") / which.replace(" + ", "-and-")
            if program.run is None:
                raise ValueError(f"profile: got {name!r}, wanted a case that is run")
            program.run()
            with jax.profiler.trace(str(folder)):
                for _ in range(RUNS):
                    program.run()
            _print(operations(folder), f"{name}, {which}, {contender}: trace in {folder}", console)


def operations(folder: Path) -> Counter[str]:
    """XLA's operations in the newest trace of a folder: microseconds by name; loops hold what runs inside them."""
    newest = max(folder.rglob("*.trace.json.gz"), key=lambda path: path.stat().st_mtime)
    times: Counter[str] = Counter()
    for event in json.loads(gzip.decompress(newest.read_bytes()))["traceEvents"]:
        if "hlo_op" in event.get("args", {}):
            times[event["args"]["hlo_op"]] += event["dur"]
    return times


def _print(times: Counter[str], title: str, console: Console) -> None:
    """The operations that take longest."""
    table = Table("operation", Column("ms a call", justify="right"))
    for operation, microseconds in times.most_common(SHOWN):
        table.add_row(operation, f"{microseconds / 1e3 / RUNS:.2f}")
    console.print(title, table, sep="\n")
