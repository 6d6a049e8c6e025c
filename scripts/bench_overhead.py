"""What is not training in a study: logging, evaluation, probes and checkpoints, of what its blocks take a worker.

    taskset -c 1 python scripts/bench_overhead.py [--config NAME] [--steps N] [--model NAME ...]

Trains every block, one after another, as a worker does, and takes this process's CPU time of each part where it is
done, all compiling included: nothing is found in a cache but what an earlier block left in this process. Validation
lies within the compiled chunk: it is timed apart, and compiled with training. With fewer steps than the study's, chunks
go on at the pace of those.
"""

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rich import box
from rich.console import Console
from rich.table import Column, Table
from script_words import count

PARTS = ("validated", "tested", "test compiled", "probed", "probes compiled", "saved", "logged")
MOST = 0.08  # of the whole, that they may take together


class Parts:
    """CPU seconds by part; what is done within another part is not counted in that."""

    def __init__(self, now: Callable[[], float] = time.process_time):
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._now, self._within = now, [0.0]

    @contextmanager
    def taking(self, part: str) -> Iterator[None]:
        """Whatever is done inside is of this part."""
        began = self._now()
        self._within.append(0.0)
        try:
            yield
        finally:
            taken = self._now() - began
            self.seconds[part] += taken - self._within.pop()
            self._within[-1] += taken

    def timed(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, counted."""

        def counted(*args: Any, **options: Any) -> Any:
            import jax

            with self.taking(part):
                return jax.block_until_ready(call(*args, **options))

        return counted


@contextmanager
def hooked(parts: Parts) -> Iterator[None]:
    """Within it the parts of every block are counted."""
    from attn_jax.lab.run import block, probing
    from attn_jax.training import loop
    from attn_jax.training.checkpoint import Checkpoints
    from attn_jax.training.runs import final_scores

    compile_programs, run_chunks, compile_one = block.compile_programs, block.run_chunks, loop.compiled

    def compiled(*args: Any) -> Any:
        programs = compile_programs(*args)
        return replace(programs, test=parts.timed("tested", programs.test))

    def one(program: Any, *args: Any, **options: Any) -> Any:
        tests = getattr(program, "func", None) is final_scores
        with parts.taking("test compiled") if tests else nullcontext():
            return compile_one(program, *args, **options)

    def chunks(*args: Any, after: Callable[..., bool], **options: Any) -> Any:
        def counted(chunk: Any) -> bool:
            parts.seconds["chunks"] += chunk.cpu_seconds
            return after(chunk)

        return run_chunks(*args, after=counted, **options)

    with ExitStack() as hooks:
        for owner, name, part in (
            (block, "append_row", "logged"),
            (probing, "append_row", "logged"),
            (Checkpoints, "save", "saved"),
            (Checkpoints, "restore", "saved"),
            (probing.Probing, "measure", "probed"),
            (probing, "compile_probe", "probes compiled"),
        ):
            hooks.enter_context(patch.object(owner, name, parts.timed(part, getattr(owner, name))))
        hooks.enter_context(patch.object(block, "compile_programs", compiled))
        hooks.enter_context(patch.object(loop, "compiled", one))
        hooks.enter_context(patch.object(block, "run_chunks", chunks))
        yield


def measure(study: Any, directory: Path, model: str, steps: int) -> dict[str, float]:
    """CPU seconds of all blocks of a model: each part, and the "whole", as of a study of so many steps."""
    from attn_jax.lab.plan.numerics import planned
    from attn_jax.lab.run.block import run_block
    from attn_jax.lab.run.places.base import Terms
    from attn_jax.lab.run.rehearsal import rehearse
    from attn_jax.lab.run.session import choose_layout, jobs_of, opened

    with planned(partial(lambda study: study, study)) as plan:
        layout = choose_layout(plan, platform="cpu", workers=2, num_devices=1)
        with opened(directory, plan, layout, models=[model]):
            jobs, parts = jobs_of(plan, directory, layout, [model]), Parts()
            began = time.process_time()
            with hooked(parts):
                for job in jobs:
                    assert run_block(job, lambda: False)
            whole = time.process_time() - began
            validation = rehearse(jobs[0], Terms()).validation
    chunks = len(jobs) * (study.train.steps // study.evaluate.every)
    more = steps / study.train.steps  # as many chunks
    found = {part: parts.seconds[part] * (more if part in ("logged", "saved") else 1) for part in PARTS}
    found["validated"] = chunks * more * validation
    per_chunk = parts.seconds["chunks"] + parts.seconds["logged"] + parts.seconds["saved"]
    return found | {"whole": whole + (more - 1) * per_chunk}


def main(words: list[str] | None = None) -> None:
    """Prints the table."""
    from attn_jax.config.file import load_study

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="quickstart")
    parser.add_argument("--steps", type=count, help="to train; default the study's")
    parser.add_argument("--model", nargs="+", help="default: all")
    options = parser.parse_args(words)
    os.environ |= {"NPROC": "1", "ATTN_JAX_CACHE": "off"}  # as a worker: one core, one thread
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    study = load_study(options.config)
    short = replace(study, train=replace(study.train, steps=options.steps or study.train.steps))
    table, all_of = Table(Column("model"), box=box.SIMPLE_HEAD, pad_edge=False), defaultdict[str, float](float)
    for heading in (*PARTS, "sum", "whole"):
        table.add_column(heading, justify="right")
    with tempfile.TemporaryDirectory() as directory:
        for model in options.model or study.models:
            spent = measure(short, Path(directory) / model, model, study.train.steps)
            for part, seconds in spent.items():
                all_of[part] += seconds
            table.add_row(model, *_shares(spent))
    table.add_row("all", *_shares(all_of))
    Console().print(table)
    share = sum(all_of[part] for part in PARTS) / all_of["whole"]
    print(f"together {share:.1%} of what blocks take, wanted under {MOST:.0%}; {os.getloadavg()[0]:.1f} load")


def _shares(spent: Any) -> list[str]:
    """Of the whole."""
    shares = [spent[part] / spent["whole"] for part in PARTS]
    return [*(f"{share:.1%}" for share in (*shares, sum(shares))), f"{spent['whole']:.0f} s"]


if __name__ == "__main__":
    main()
