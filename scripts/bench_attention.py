"""Attention measured: our paths against jax.nn, torch and equinox, on one pinned core, interleaved in one process.

    python scripts/bench_attention.py [--only REGEX] [--who REGEX] [--repeats N] [--out FILE] [--profile NAME]

CPU time is the process's (`time.process_time`), wall time is beside it. Cases that are compared with each other and
all contenders take turns, round by round; a ratio is the median of the rounds' ratios. Temporaries are XLA's own
figure. `--list` names the cases (scripts/bench_attention_cases.py); a case `memory-*` is compiled, never run.
`--profile NAME` traces that case to `--profile-dir` and prints where its time goes. All cases take about an hour.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import re
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

from rich.console import Console
from rich.table import Column, Table
from script_words import count, pattern, to_write

PASSES = {"forward": False, "forward + backward": True}
RIVALS = ("torch SDPA", "jax.nn")
MIN_SAMPLE_S = 0.05  # a shorter call is repeated within its turn

Turn: TypeAlias = tuple[str, str, str]  # (case, pass, contender)


@dataclass(frozen=True)
class Row:
    """One contender on one case: medians over the rounds, seconds; None where there is nothing."""

    case: str
    passes: str
    contender: str
    cpu_s: float | None = None
    wall_s: float | None = None
    # CPU time over that of a rival, and over that of the same contender on another case
    ratios: dict[str, float] = field(default_factory=dict)
    temporary_bytes: int | None = None
    compile_s: float | None = None
    note: str = ""
    samples_cpu_s: tuple[float, ...] = ()


def pin_one_core() -> int | None:
    """Keeps this process, and the threads it will start, on its last core. To be called before jax is imported."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ |= {"NPROC": "1", "OMP_NUM_THREADS": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1"}
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
    if not hasattr(os, "sched_setaffinity"):  # macOS has none
        return None
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core


def environment(core: int | None) -> dict[str, Any]:
    """What the figures hold for."""
    packages = ("attn_jax", "jax", "jaxlib", "numpy", "torch", "equinox")
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {_processor()}",
        "cores": os.cpu_count(),
        "pinned_to_core": core,
        "load_average": round(os.getloadavg()[0], 2),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in packages},
        "XLA_FLAGS": os.environ["XLA_FLAGS"],
    }


def _processor() -> str:
    """The processor's name, as far as the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or "unknown processor"


def _version(package: str) -> str | None:
    """The version of an installed package."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def measure_family(names: list[str], who: re.Pattern[str], repeats: int, say: Callable[[str], None]) -> list[Row]:
    """The rows of cases that take turns; a contender that cannot has a row that says why."""
    from bench_attention_cases import CASES
    from bench_attention_contenders import CONTENDERS, Program, forget_arrays

    turns = [(case, which, name) for case in names for which in PASSES for name in CONTENDERS if who.search(name)]
    programs: dict[Turn, Program] = {}
    refusals: dict[Turn, str] = {}
    for turn in turns:
        case, which, name = turn
        say(f"{case}: {which}: {name}: compiling")
        try:
            program = CONTENDERS[name](CASES[case], PASSES[which])
            if program.run is not None:
                program.run()
            programs[turn] = program
        except (NotImplementedError, ValueError, ImportError, RuntimeError) as reason:
            refusals[turn] = str(reason).strip().partition("\n")[0][:100] or type(reason).__name__
    say(f"{', '.join(names)}: measuring")
    samples = take_turns({turn: program.run for turn, program in programs.items() if program.run}, repeats)
    forget_arrays()
    return [_row(turn, programs.get(turn), refusals.get(turn, ""), samples, CASES[turn[0]].against) for turn in turns]


def take_turns(runs: dict[Turn, Callable[[], object]], repeats: int) -> dict[Turn, list[tuple[float, float]]]:
    """(CPU, wall) seconds of each run in each round; every round begins with another one."""
    counts = {turn: max(1, int(MIN_SAMPLE_S / max(_time(run, 1)[1], 1e-6))) for turn, run in runs.items()}
    samples: dict[Turn, list[tuple[float, float]]] = {turn: [] for turn in runs}
    turns = list(runs)
    for i in range(repeats):
        first = i % max(len(turns), 1)
        for turn in turns[first:] + turns[:first]:
            samples[turn].append(_time(runs[turn], counts[turn]))
    return samples


def _time(run: Callable[[], object], count: int) -> tuple[float, float]:
    """(CPU, wall) seconds of one of `count` calls."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(count):
        run()
    return (time.process_time() - cpu) / count, (time.perf_counter() - wall) / count


def _row(
    turn: Turn, program: Any, refusal: str, samples: dict[Turn, list[tuple[float, float]]], against: str | None
) -> Row:
    """Medians of a turn, and of its ratios to the rivals on the same case and to itself on the other one."""
    if program is None:
        return Row(*turn, note=refusal)
    row = Row(*turn, temporary_bytes=program.temporary_bytes, compile_s=program.compile_s, note=program.note)
    if turn not in samples:
        return row
    case, which, name = turn
    others = {rival: (case, which, rival) for rival in RIVALS if rival != name}
    others |= {} if against is None else {against: (against, which, name)}
    mine = samples[turn]
    ratios = {
        label: median(a[0] / b[0] for a, b in zip(mine, samples[other], strict=True))
        for label, other in others.items()
        if other in samples
    }
    cpu, wall = (median(sample[i] for sample in mine) for i in (0, 1))
    return replace(row, cpu_s=cpu, wall_s=wall, ratios=ratios, samples_cpu_s=tuple(sample[0] for sample in mine))


def print_rows(rows: list[Row], console: Console) -> None:
    """One table of a family."""
    headings = ("CPU ms", "wall ms", *(f"/ {rival}" for rival in RIVALS), "/ other case", "temp MB", "compile s")
    table = Table("case", "pass", "who", *(Column(h, justify="right") for h in headings), "note")
    for row in rows:
        others = [f"{x:.2f} x {label}" for label, x in row.ratios.items() if label not in RIVALS]
        table.add_row(
            row.case,
            row.passes,
            row.contender,
            _number(row.cpu_s, 1e3),
            _number(row.wall_s, 1e3),
            *(_number(row.ratios.get(rival)) for rival in RIVALS),
            *(others or ["-"]),
            _number(row.temporary_bytes, 1e-6),
            _number(row.compile_s),
            row.note,
        )
    console.print(table)


def _number(x: float | None, unit: float = 1) -> str:
    """A figure to three digits or to the unit, or a dash."""
    if x is None:
        return "-"
    return f"{x * unit:.{2 if x * unit < 10 else 1 if x * unit < 100 else 0}f}"


def parse(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=pattern, default=re.compile("^(?!tiny)"), help="cases that this matches")
    parser.add_argument("--who", type=pattern, default=re.compile(""), help="contenders that this matches")
    parser.add_argument("--repeats", type=count, default=5, help="rounds; 5 by default")
    parser.add_argument("--out", type=to_write, help="where to write all figures as JSON")
    parser.add_argument("--profile", metavar="NAME", help="trace one case instead, and print its operations")
    parser.add_argument("--profile-dir", type=Path, default=Path("results/profile"), help="where its trace goes")
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    """Measures, prints, writes; 2 where no case is meant."""
    arguments = parse(words)
    core = pin_one_core()
    from bench_attention_cases import CASES, families
    from bench_attention_profile import profile

    console = Console(width=None if sys.stdout.isatty() else 180)
    names = [arguments.profile] if arguments.profile else [name for name in CASES if arguments.only.search(name)]
    if arguments.list:
        console.print("\n".join(CASES))
        return 0
    if not names or names[0] not in CASES:
        console.print(f"no such case; there are {', '.join(CASES)}")
        return 2
    facts = environment(core)
    console.print(*(f"{name}: {fact}" for name, fact in facts.items()), sep="\n")
    if arguments.profile:
        profile(arguments.profile, arguments.who, PASSES, arguments.profile_dir / arguments.profile, console)
        return 0
    rows: list[Row] = []
    for family in families(names):
        with console.status("") as status:
            rows += (measured := measure_family(family, arguments.who, arguments.repeats, status.update))
        print_rows(measured, console)
        if arguments.out:  # after every family, so that an hour's work survives an interruption
            record = {"environment": facts, "repeats": arguments.repeats, "rows": [asdict(row) for row in rows]}
            arguments.out.write_text(json.dumps(record, indent=1, allow_nan=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
