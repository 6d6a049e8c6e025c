"""What the probes of a study cost, against all else that its blocks do: compile, train, score.

    python scripts/bench_probes.py --config=quickstart [--probes NAME ...] [--model NAME ...] [--chunks N]

One block of each model, at the width that the study has on two workers, with a few chunks of training; the rest of the
budget is taken to go on at their pace. Compiling counts once a model, its blocks share it. The table's share is
(compiling and measuring of probes) / (compiling, training and testing).
"""

import argparse
import time
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from rich.console import Console
from rich.table import Column, Table
from script_words import count


def measure(plan: Any, model: str, width: int, chunks: int) -> dict[str, float]:
    """Seconds of one model: of compiling, of all its training and testing, and of its probes."""
    from attn_jax.lab.record.runs import in_blocks, padded
    from attn_jax.training.loop import compile_probe, compile_programs, start_runs
    from attn_jax.training.probes import probe_name

    block_plan, train = plan.block_plan(model), plan.study.train
    blocks = in_blocks(plan.runs, width)
    seeds, rates = zip(*padded(blocks[0], width), strict=True)
    state = start_runs(block_plan, jnp.array(seeds, jnp.int32), jnp.array(rates, jnp.float32))
    bundle = plan.make(plan.models[model][0])
    made = {probe_name(config): config.make(bundle, block_plan.objective) for config in plan.study.probes}
    probed = 0.0
    for name, probe in made.items():
        if probe is not None:
            began = time.perf_counter()
            program = compile_probe(block_plan, name, probe, state, 1)
            compiled = time.perf_counter()
            jax.block_until_ready(program(state.params, state.seed))
            times = sum(train.steps // block_plan.every if when == "chunk" else 1 for when in probe.when)
            probed += (compiled - began) + len(blocks) * times * (time.perf_counter() - compiled)
    programs = compile_programs(block_plan, state, 1)
    seconds = []
    for index in range(chunks):
        began = time.perf_counter()
        state, _, _ = jax.block_until_ready(programs.advance(state, jnp.int32(index * block_plan.every)))
        seconds.append(time.perf_counter() - began)
    began = time.perf_counter()
    jax.block_until_ready(programs.test(state))
    tested = time.perf_counter() - began
    chunk = sorted(seconds)[len(seconds) // 2]
    return {
        "compile": programs.compile_seconds,
        "train and test": len(blocks) * (chunk * train.steps / block_plan.every + tested),
        "probes": probed,
    }


def main(words: list[str] | None = None) -> None:
    """Prints the table."""
    from attn_jax.config.file import load_study
    from attn_jax.lab.plan.numerics import planned
    from attn_jax.lab.plan.widths import block_width
    from attn_jax.training.probes import PROBES

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="quickstart")
    parser.add_argument("--probes", nargs="+", choices=PROBES, help="default: the config's own")
    parser.add_argument("--model", nargs="+", help="default: all")
    parser.add_argument("--chunks", type=count, default=2)
    options = parser.parse_args(words)
    study = load_study(options.config)
    if options.probes:
        study = replace(study, probes=tuple(PROBES[name] for name in options.probes))
    table = Table(Column("model"), *(Column(f"{what}, s", justify="right") for what in ("compile", "train", "probes")))
    table.add_column("share", justify="right")
    with planned(partial(lambda study: study, study)) as plan:
        width = block_width(len(plan.runs), len(study.models), 2)
        for model in options.model or study.models:
            spent = measure(plan, model, width, options.chunks)
            share = spent["probes"] / (spent["compile"] + spent["train and test"])
            table.add_row(model, *(f"{seconds:.1f}" for seconds in spent.values()), f"{share:.1%}")
    Console().print(table)


if __name__ == "__main__":
    main()
