"""What `attn-jax compare --plan` says of configs against what it then takes.

    python scripts/bench_plan.py [CONFIG ...] [--seeds N] [--platform P]

By default all shipped configs, on all cores: half an hour on two. Give the machine nothing else to do meanwhile. Each
study or sweep is trained in a process of its own, in a folder that is gone afterwards, by the clock from command to
page.

Measured 2026-12-01, two idle cores (x86-64, AVX-512), Python 3.11, jax 0.10.2, seconds said and taken: quickstart 100
and 106, parity 67 and 73, parity_rnn 34 and 35, reversal 250 and 253, copy_memory 166 and 172, digits 403 and 414,
recall_sweep 69 and 70.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.table import Column, Table
from script_words import count

from attn_jax.platforms import Platform

_FAR = 0.25  # off by more is said to be wrong


def main(words: list[str]) -> int:
    """Plans and trains each config, prints the table; 1 where a plan was far off."""
    from attn_jax.config.shipped import shipped_configs

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", default=sorted(shipped_configs()), help="names or files")
    parser.add_argument("--seeds", type=count, help="instead of each config's own")
    parser.add_argument("--platform", choices=get_args(Platform), default="cpu")
    options = parser.parse_args(words)
    overrides = [f"--config.train.seeds={options.seeds}"] if options.seeds else []
    rows = []
    for config in options.configs:
        rows.append(measure(config, overrides, options.platform))
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)  # half an hour is long, and the last may fail
    print_rows(rows)
    return int(any(abs(row["off"]) > _FAR for row in rows))


def measure(config: str, overrides: list[str], platform: Platform) -> dict:
    """The plan of a config, then the truth."""
    from attn_jax.lab import SweepEstimate, plan_of

    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        estimate = plan_of(config, workdir=f"{folder}/study", overrides=overrides, platform=platform)
        planning = time.perf_counter() - began
        command = [sys.executable, "-m", "attn_jax.cli", "compare", f"--config={config}", *overrides, "--yes"]
        began = time.perf_counter()
        subprocess.run(
            [*command, f"--workdir={folder}/study", f"--platform={platform}"],
            check=True,
            stdout=subprocess.DEVNULL,
            env=os.environ | {"ATTN_JAX_CACHE": "off"},  # as the plan takes it
        )
        taken = time.perf_counter() - began
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        disk = sum(path.stat().st_size for path in files)
        at = "study/points/*" if isinstance(estimate, SweepEstimate) else "study"
        outcomes = [json.loads(path.read_text()) for path in sorted(Path(folder).glob(f"{at}/summary.json"))]
    studies = estimate.studies.values() if isinstance(estimate, SweepEstimate) else [estimate]
    added = max(len(outcome["widened_rates"]) for outcome in outcomes)
    said = estimate.widened[added - 1] if added else estimate.seconds
    return {
        "config": config,
        "planning": planning,
        "said": said,
        "taken": taken,
        "off": said / taken - 1,
        "compile_said": sum(model.compile_seconds for study in studies for model in study.models.values()),
        "compile_taken": sum(model["compile_seconds"] for outcome in outcomes for model in outcome["timing"].values()),
        "files": f"{estimate.files} / {len(files)}",
        "disk": f"{estimate.disk / 1e6:.1f} / {disk / 1e6:.1f}",
    }


def print_rows(rows: list[dict]) -> None:
    """One line a config; compiling is all blocks', of which the first of a model alone compiles.

    Of a sweep it is all points': those that share programs take less than is said, since the first alone compiles them.
    """
    headings = {
        "planning": "plan s",
        "said": "said s",
        "taken": "taken s",
        "off": "off",
        "compile_said": "compile said",
        "compile_taken": "compile taken",
        "files": "files said / there",
        "disk": "MB said / there",
    }
    table = Table("config", *(Column(heading, justify="right") for heading in headings.values()))
    for row in rows:
        cells = {key: f"{row[key]:.1f}" if isinstance(row[key], float) else row[key] for key in headings}
        table.add_row(row["config"], *(cells | {"off": f"{row['off']:+.0%}"}).values())
    Console(width=120).print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
