"""The lab measured on studies that nobody trained: how long reading, summarising, watching and the page take.

    python scripts/bench_lab.py [--seeds N] [--rates N] [--width N] [--keep DIR] [--only MEASURE ...]

Writes a study of three models as workers leave it (by default 2,001 blocks of 12 runs, 24,000 runs), and one of 100
runs, then measures each of these in a process of its own: CPU seconds, without imports, and the peak of its memory; of
a summary the size of its JSON too.

    read_results      metrics.jsonl of every block to arrays
    summarize         the results to summary.json's dictionary
    watch             one `Pace.update` of a study in which one block has written since the last
    jobs              which blocks are not done, as a command asks that goes on with the study
    job_files         a job file for every block, as --place=slurm:array writes them
    page              report.html of the study of 100 runs

CPU seconds and peak MB on one core of a busy two-core machine, before and after these: the checks of a row's numbers go
over whole lists, a block's rows become arrays before the next is read, means have intervals in closed form, signs are
flipped in batches, and a file that has not grown is not opened. read_results 14.1 and 361 -> 8.6 and 234 -> 5.5 and 244
since a file is read as one JSON text, which alone takes 2 to 3, and rows that fit are not searched for words; on a
busier machine 4.3 and 263 -> 3.9 and 260 (medians of 4, in turn) since rows' sizes are seen together and no cycles are
sought; summarize 132 and 2,000 -> 7.0 and 303; watch .08 -> .01; page .7 and 258, unchanged.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Column, Table
from script_words import count

MODELS = 3
SMALL = {"seeds": 8, "rates": 4, "width": 12}  # the study whose page is drawn: 96 runs
EVERY, STEPS, LENGTHS = 50, 1000, (4, 8, 12, 16, 24, 32)


def write_study(directory: Path, seeds: int, rates: int, width: int) -> None:
    """A finished study's folder: curves that rise from chance to the best score at a step of each run's own."""
    from attn_jax.lab.plan.study_plan import StudyPlan
    from attn_jax.lab.record.directory import write_json
    from attn_jax.lab.run.session import Layout, opened

    plan = StudyPlan(_study(seeds, rates))
    blocks = -(-len(plan.runs) // width)
    with opened(directory, plan, Layout(width, 2, "cpu", 1)):
        write_json(directory / "environment.json", {"versions": {}})
        made = plan.block_plan(plan.study.reference_name)
        validated, tested = len(made.validation_lengths), len(made.test_lengths)
        draw = np.random.default_rng(0)
        for place, name in enumerate(plan.study.models):
            for block in range(blocks):
                folder = directory / "blocks" / f"{name}-{block}"
                folder.mkdir(parents=True)
                rows = _rows(draw, place, width, validated, tested)
                (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def _study(seeds: int, rates: int) -> Any:
    from attn_jax.config import EvaluateConfig, Study, TrainConfig
    from attn_jax.mixers import GRU, LSTM, Attention
    from attn_jax.models import ModelConfig, classic
    from attn_jax.tasks import Parity

    return Study(
        name="written",
        task=Parity(),
        models={
            "transformer": ModelConfig(8, 1, (Attention(num_heads=2),), positions="sinusoidal"),
            "gru": classic(GRU(), num_layers=1),
            "lstm": classic(LSTM(), num_layers=1),
        },
        train=TrainConfig(
            STEPS,
            batch_size=16,
            lengths=(2, 12),
            seeds=seeds,
            learning_rates=tuple(1e-4 * 2**place for place in range(rates)),
            warmup_steps=5,
        ),
        evaluate=EvaluateConfig(every=EVERY, num_examples=64, lengths=LENGTHS),
    )


def _rows(draw: np.random.Generator, place: int, width: int, validated: int, tested: int) -> Iterator[dict[str, Any]]:
    """What a worker appends for one block of a model at a place in the study."""
    yield {"compiling": True}
    yield {"start": 0, "compile_seconds": 2.0}
    solved_at = draw.integers(EVERY, int((1.5 + 0.2 * place) * STEPS), (width, 1))
    for step in range(EVERY, STEPS + 1, EVERY):
        scores = _scores(np.where(step >= solved_at, 1.0, draw.uniform(0.5, 0.9, (width, validated))))
        chunk = {"step": step, "seconds": 1.25, "train_loss": [0.5] * width, "diverged": [False] * width}
        yield chunk | {"validation": scores}
    final = draw.uniform(0.5, 1.0, (width, tested)) + np.where(solved_at <= STEPS, 0.4, 0.0)
    yield {"test": _scores(np.minimum(final, 1.0)), "after": STEPS, "lengths": list(LENGTHS)}


def _scores(metric: np.ndarray) -> dict[str, Any]:
    """Single precision in full, as a worker writes it."""
    metric = metric.astype(np.float32).astype(float)
    return {"loss": (1.2 - metric).tolist(), "metric": metric.tolist(), "whole": (metric**2).tolist()}


def read_results(directory: Path) -> Callable[[], Any]:
    """Prepares reading."""
    from attn_jax.lab.outcome.collect import read_results

    return lambda: read_results(directory)


def summarize(directory: Path) -> Callable[[], Any]:
    """Reads, and prepares the summary."""
    import scipy.stats

    from attn_jax.lab.outcome.collect import read_results
    from attn_jax.lab.outcome.summary import summarize

    del scipy
    results = read_results(directory)
    return lambda: summarize(results)


def watch(directory: Path) -> Callable[[], Any]:
    """Reads what there is, then lets one block write a line."""
    from attn_jax.lab.record.schema import read_study
    from attn_jax.lab.run.pace import Extent, Pace

    facts = read_study(directory)
    steps, every = facts["config"]["train"]["steps"], facts["config"]["evaluate"]["every"]
    blocks = {name: len(found) for name, found in facts["runs"].items()}
    # as of a study that goes on: none of its blocks is done
    pace = Pace(directory, Extent(blocks, steps, facts["task"]["lengths"], every, facts["workers"]))
    for found in pace.blocks.values():
        for block in found:
            block.done = False

    def update() -> None:
        pace.update()
        pace.seconds_left()

    return update


def jobs(directory: Path) -> Callable[[], Any]:
    """Plans the study."""
    from attn_jax.config.codec import from_dict
    from attn_jax.lab.plan.numerics import recorded
    from attn_jax.lab.plan.study_plan import StudyPlan
    from attn_jax.lab.record.schema import read_study
    from attn_jax.lab.run.session import Layout, jobs_of

    facts = read_study(directory)
    plan = StudyPlan(from_dict(facts["config"], {}))
    layout = Layout(facts["width"], facts["workers"], "cpu", 1)
    recorded()
    return lambda: jobs_of(plan, directory, layout, list(plan.study.models))


def job_files(directory: Path) -> Callable[[], Any]:
    """Makes up a job for every block."""
    from attn_jax.config.codec import from_dict, to_json
    from attn_jax.lab.record.schema import read_study
    from attn_jax.lab.run.block import Job
    from attn_jax.lab.run.job_file import write_job
    from attn_jax.lab.run.places.base import terms_here

    facts = read_study(directory)
    study, terms, folder = to_json(from_dict(facts["config"], {})), terms_here("cpu", "0" * 32), directory / "jobs"
    folder.mkdir(exist_ok=True)
    made = [
        Job(study, "{}", str(directory), name, k, tuple(map(tuple, runs)), facts["width"])
        for name, blocks in facts["runs"].items()
        for k, runs in enumerate(blocks)
    ]

    def write() -> None:
        for k, job in enumerate(made):
            write_job(folder / f"{k}.json", job, terms)

    return write


def page(directory: Path) -> Callable[[], Any]:
    """Reads and summarises, and prepares the page."""
    import matplotlib.backends.backend_svg

    from attn_jax.lab.outcome.collect import read_results
    from attn_jax.lab.outcome.summary import summarize
    from attn_jax.report.page import render_page

    del matplotlib
    results = read_results(directory)
    summary = summarize(results)
    return lambda: render_page(results, summary)


MEASURES = {"read_results": read_results, "summarize": summarize, "watch": watch}
MEASURES |= {"jobs": jobs, "job_files": job_files, "page": page}


def measure(name: str, directory: Path) -> dict[str, float]:
    """CPU seconds of one call, the process's peak in MB, and those of the JSON that a summary is written as."""
    call = MEASURES[name](directory)
    started = time.process_time()
    made = call()
    found = {
        "cpu_s": time.process_time() - started,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    return found | ({"json_mb": len(json.dumps(made, indent=1)) / 1e6} if name == "summarize" else {})


def in_a_process(name: str, directory: Path) -> dict[str, float]:
    """`measure` in a process of its own."""
    command = [sys.executable, __file__, "--measure", name, str(directory)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(words: list[str]) -> int:
    """Writes the studies, measures, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=count, default=2000)
    parser.add_argument("--rates", type=count, default=4)
    parser.add_argument("--width", type=count, default=12, help="runs a block")
    parser.add_argument("--keep", type=Path, help="where the studies lie, and are found again; default: nowhere")
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES))
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    if options.measure:
        print(json.dumps(measure(options.measure[0], Path(options.measure[1]))))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        root = options.keep or Path(temporary)
        sizes = {"large": {"seeds": options.seeds, "rates": options.rates, "width": options.width}, "small": SMALL}
        for size, numbers in sizes.items():
            if not (root / size).exists():
                write_study(root / size, **numbers)
        print_table(root, options.only, sizes)
    return 0


def print_table(root: Path, only: list[str], sizes: dict[str, dict[str, int]]) -> None:
    """One line a measure."""
    table = Table("measure", *(Column(heading, justify="right") for heading in ("runs", "CPU s", "peak MB", "JSON MB")))
    for name in only:
        size = "small" if name == "page" else "large"
        measured = in_a_process(name, root / size)
        runs = MODELS * sizes[size]["seeds"] * sizes[size]["rates"]
        written = f"{measured['json_mb']:.1f}" if "json_mb" in measured else ""
        table.add_row(name, f"{runs:,}", f"{measured['cpu_s']:.2f}", f"{measured['peak_mb']:.0f}", written)
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
