"""Where the CPU time of `attn-jax compare` goes, part by part, with no compiled program kept before, and with all.

    python scripts/bench_command.py [--config NAME] [--check] [-- --config.train.steps=100 ...]

The command and its workers say where their time goes (`scripts/command_parts`); what they took in all, the system says.
Steps are shown and left out of the sum that is held against its target: `--check` ends with 1 where one is missed, or
where more than a twentieth is unexplained.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Column, Table

FIRST, SECOND = 25.0, 12.0  # CPU seconds beside the steps: of a first study, of another of the same shapes
UNEXPLAINED = 0.05
HOOKS = Path(__file__).parent / "command_parts"


def measure(config: str, words: list[str], cache: Path) -> dict[str, float]:
    """CPU seconds of one command, "command: imports" ..., and "all"."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "parts").mkdir()
        path = os.pathsep.join([str(HOOKS), str(HOOKS.parents[1])])
        env = os.environ | {"PYTHONPATH": path, "COMMAND_PARTS": f"{folder}/parts", "ATTN_JAX_CACHE": str(cache)}
        command = [sys.executable, "-m", "attn_jax", "compare", f"--config={config}", *words, "--platform=cpu"]
        before = _children()
        subprocess.run([*command, f"--workdir={folder}/study"], env=env, check=True, stdout=subprocess.DEVNULL)
        taken = _children() - before
        found = Counter()
        for file in Path(folder, "parts").glob("*.json"):
            told = json.loads(file.read_text())
            found.update({f"{told['kind']}: {part}": seconds for part, seconds in told["parts"].items()})
    return dict(found) | {"unexplained": taken - sum(found.values()), "all": taken}


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(words: list[str] | None = None) -> int:
    """Prints the table; 1 where a target is missed and that was asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="quickstart")
    parser.add_argument("--check", action="store_true", help="end with 1 where a target is missed")
    parser.add_argument("words", nargs="*", help="overrides of the config, after --")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as cache:
        first, second = (measure(options.config, options.words, Path(cache)) for _ in range(2))
    table = Table(Column("CPU seconds"), box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("first", justify="right")
    table.add_column("second", justify="right")
    for part in [*sorted({*first, *second} - {"all"}), "all"]:
        table.add_row(part, f"{first.get(part, 0):.2f}", f"{second.get(part, 0):.2f}")
    Console().print(table)
    missed = 0
    for name, found, most in (("first", first, FIRST), ("second", second, SECOND)):
        beside, unknown = found["all"] - found["workers: steps"], found["unexplained"] / found["all"]
        missed += beside > most or unknown > UNEXPLAINED
        print(f"{name}: {beside:.1f} s beside the steps, wanted {most:g}; {unknown:.1%} unexplained")
    return int(options.check and missed > 0)


if __name__ == "__main__":
    sys.exit(main())
