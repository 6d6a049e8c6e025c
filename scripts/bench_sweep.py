"""One sweep against the same studies, each a command of its own: wall time, start-up and all.

    python scripts/bench_sweep.py [--studies N] [--steps N] [--vary rates|widths] [--alone N]

Writes a sweep of two small models on parity whose studies differ in their learning rate, so that all run the same
programs, or in the reference's width, so that none do; trains it by `attn-jax compare`, then the first studies alone,
each from its study.json. What it prints is seconds; `taskset -c 1` before it is one core.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table
from script_words import count

CONFIG = """
from attn_jax.config import EvaluateConfig, Study, Sweep, TrainConfig
from attn_jax.mixers import GRU, Attention
from attn_jax.models import ModelConfig, classic
from attn_jax.tasks import Parity


def get_config():
    models = {{
        "transformer": ModelConfig(16, 1, (Attention(num_heads=2),), positions="sinusoidal"),
        "gru": classic(GRU(), num_layers=1),
    }}
    train = TrainConfig({steps}, batch_size=16, lengths=(2, 12), seeds=4, learning_rates=(1e-3,), warmup_steps=5)
    study = Study("bench", Parity(), models, train, EvaluateConfig(every={every}, num_examples=32, lengths=(4, 12, 24)))
    return Sweep(study, axes={axes})
"""
AXES = {
    "rates": lambda n: {"train.learning_rates": tuple((1e-3 * 2**place,) for place in range(n))},
    "widths": lambda n: {"models.transformer.d_model": tuple(8 + 4 * place for place in range(n))},
}


def seconds(config: Path, directory: Path) -> float:
    """How long `attn-jax compare` takes."""
    command = [sys.executable, "-m", "attn_jax.cli", "compare", f"--config={config}", f"--workdir={directory}"]
    began = time.perf_counter()
    alone = os.environ | {"ATTN_JAX_CACHE": "off"}  # each finds what it compiled itself
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=alone)
    return time.perf_counter() - began


def main(words: list[str]) -> int:
    """Trains, measures, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=count, default=6)
    parser.add_argument("--steps", type=count, default=90, help="a multiple of 10")
    parser.add_argument("--vary", choices=AXES, default="rates")
    parser.add_argument("--alone", type=int, default=None, help="how many of them alone too; default all")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as temporary:
        root, axes = Path(temporary), AXES[options.vary](options.studies)
        config = root / "bench.py"
        config.write_text(CONFIG.format(steps=options.steps, every=max(options.steps // 9, 1), axes=axes))
        table = Table("", *(Column(heading, justify="right") for heading in ("studies", "s", "s a study")))
        taken = seconds(config, root / "sweep")
        table.add_row("one sweep", str(options.studies), f"{taken:.1f}", f"{taken / options.studies:.1f}")
        points = sorted((root / "sweep" / "points").iterdir())[: options.alone]
        taken = sum(seconds(point / "study.json", root / point.name) for point in points)
        if points:
            table.add_row("commands alone", str(len(points)), f"{taken:.1f}", f"{taken / len(points):.1f}")
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
