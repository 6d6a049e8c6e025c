"""A few figures of every bench script, kept over time: benchmarks/history.jsonl, on one pinned core.

    python scripts/bench_history.py [--only REGEX] [--repeats N] [--check]

Each measure is CPU milliseconds, printed beside the median of its last five rows on the same kind of machine (its
processor, cores and jax), then appended as a row. `--check` appends nothing and ends with 1 where a measure takes more
than 1.5 times that median; with fewer than five rows there is nothing to hold it against, and it says so. A minute.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench_attention import environment, pin_one_core
from script_words import count, pattern

HISTORY = Path(__file__).parent.parent / "benchmarks" / "history.jsonl"
COMPARED = 5  # rows
SLOWER = 1.5  # times the median
ATTENTION = ("causal-2048", "train-64")
SAMPLED = ("associative_recall", "dyck")


@dataclass(frozen=True)
class Row:
    """One measure, once."""

    measure: str
    cpu_ms: float
    date: str
    commit: str  # with a "+" where files were changed
    processor: str
    cores: int
    jax: str
    python: str

    @property
    def kind(self) -> tuple[str, int, str]:
        """What must be the same for two rows to be compared."""
        return self.processor, self.cores, self.jax


def attention(repeats: int) -> Iterator[tuple[str, float]]:
    """A long causal sequence and many short ones, forward and backward: scripts/bench_attention.py."""
    from bench_attention import measure_family

    for row in measure_family(list(ATTENTION), re.compile("^attn_jax$"), repeats, lambda text: None):
        assert row.cpu_s is not None, row.note
        yield f"{row.case}, {row.passes}", row.cpu_s * 1e3


def scans(repeats: int) -> Iterator[tuple[str, float]]:
    """The linear recurrence in every form, T 256: scripts/bench_scans.py."""
    from bench_scans import PASSES, measure

    row = measure(("real", "16x64", 256, PASSES[1]), repeats, time.process_time)
    for form, taken in row.taken_ms.items():
        yield f"{form}, {row.size}, T {row.length}, {row.passes}", taken


def mixers(repeats: int) -> Iterator[tuple[str, float]]:
    """A GRU, and the delta rule in chunks, forward + backward: scripts/bench_mixers.py."""
    from bench_mixers_contenders import cells, recurrence
    from bench_timing import interleaved

    gru = {"gru, T 128": cells("gru")["attn_jax"]}
    delta = {"delta rule, T 1024": recurrence("delta_rule", "chunked", length=1024)["chunked"]}
    yield from ((f"{name}, forward + backward", taken) for name, taken in interleaved(gru | delta, repeats).items())


def sampling(repeats: int) -> Iterator[tuple[str, float]]:
    """A batch of 128: scripts/bench_tasks.py."""
    from bench_tasks import measure

    for name in SAMPLED:  # calls of .2 ms, many of them
        row = measure(name, 50 * repeats)
        assert row.sample_ms is not None, row.note
        yield f"{name}, {row.length}", row.sample_ms


MEASURES: dict[str, Callable[[int], Iterator[tuple[str, float]]]] = {
    "attention": attention,
    "scan": scans,
    "mixer": mixers,
    "sample": sampling,
}


def taken(only: re.Pattern[str], repeats: int) -> Iterator[tuple[str, float]]:
    """(measure, CPU milliseconds) of the groups that `only` matches."""
    for group, measure in MEASURES.items():
        if only.search(group):
            yield from ((f"{group}: {what}", cpu_ms) for what, cpu_ms in measure(repeats))


def row_of(measure: str, cpu_ms: float, facts: dict[str, Any], commit: str) -> Row:
    """A measure with what it holds for; `facts` are bench_attention's."""
    versions = facts["versions"]
    where = (facts["machine"], facts["cores"], versions["jax"], versions["python"])
    return Row(measure, round(cpu_ms, 4), facts["date"], commit, *where)


def usual(row: Row, history: Iterable[Row]) -> float | None:
    """The median of the last COMPARED rows of the same measure and kind; None where there are fewer."""
    alike = [old.cpu_ms for old in history if (old.measure, old.kind) == (row.measure, row.kind)]
    return median(alike[-COMPARED:]) if len(alike) >= COMPARED else None


def told(row: Row, before: float | None) -> str:
    """A line: the measure, and how it stands to what is usual."""
    if before is None:
        return f"{row.measure:60} {row.cpu_ms:9.3f} ms  fewer than {COMPARED} rows of this kind of machine"
    ratio = row.cpu_ms / before
    slower = f": SLOWER than {SLOWER:g}" if ratio > SLOWER else ""
    return f"{row.measure:60} {row.cpu_ms:9.3f} ms  {ratio:.2f} x the median of {COMPARED}{slower}"


def read(path: Path) -> list[Row]:
    """The history, oldest first."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [Row(**json.loads(line)) for line in lines]


def append(row: Row, path: Path) -> None:
    """Adds one line."""
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(row), allow_nan=False) + "\n")


def commit_here() -> str:
    """The checkout's commit, with a "+" where files that git knows were changed; "unknown" outside of git."""
    words = ["git", "-C", str(HISTORY.parent.parent), "describe", "--always", "--exclude=*", "--dirty=+"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def parse(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=pattern, default=re.compile(""), help=f"groups: {', '.join(MEASURES)}")
    parser.add_argument("--repeats", type=count, default=9, help="rounds; 9 by default")
    parser.add_argument("--check", action="store_true", help="append nothing; end with 1 where a measure got slower")
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    """Measures, compares, and keeps."""
    arguments = parse(words)
    if not any(map(arguments.only.search, MEASURES)):
        print(f"--only: {arguments.only.pattern} is in none of the groups, {', '.join(MEASURES)}", file=sys.stderr)
        return 2
    facts, commit = environment(pin_one_core()), commit_here()  # pinned before jax is imported
    history, slower = read(HISTORY), []
    for measure, cpu_ms in taken(arguments.only, arguments.repeats):
        row = row_of(measure, cpu_ms, facts, commit)
        before = usual(row, history)
        print(told(row, before), flush=True)
        slower += [measure] if before is not None and cpu_ms > SLOWER * before else []
        if not arguments.check:
            append(row, HISTORY)
    print(f"more than {SLOWER:g} times the median: {', '.join(slower) or 'none'}")
    return int(arguments.check and bool(slower))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
