"""The main job's training step: quickstart's three models, beside PyTorch and the least that their products take.

    python scripts/bench_main_job.py [--config NAME] [--rounds N] [--torch PYTHON]

Milliseconds of CPU time a step a run on one pinned core: medians over rounds, in each of which every model takes its
turn, and scripts/torch_quickstart.py, run by --torch's interpreter, once. Where the task says where it answers
(`num_answered`) each model is there twice, as it trains and with all places in its last layer, and so is PyTorch's. The
least is what a step's counted operations (train_flops_per_step) take at the rate of this core's best product, measured
in the same turns. Prints a table in markdown. Four minutes.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from bench_attention import environment, pin_one_core
from bench_timing import interleaved
from script_words import a_file, count

STEPS = 25  # of a timed chunk
PRODUCT = 512  # rows and columns of the product that the core is measured by
COMPARED = "quickstart"  # what scripts/torch_quickstart.py trains
ALL = ", all places"


@dataclass(frozen=True)
class Row:
    """One model, milliseconds a step a run."""

    model: str
    ours: float
    theirs: float | None
    least: float | None

    def __str__(self) -> str:
        theirs = "" if self.theirs is None else f"{self.theirs:.2f}"
        ratio = "" if self.theirs is None else f"{self.ours / self.theirs:.2f}"
        share = "" if self.least is None else f"{self.least:.2f} ({self.least / self.ours:.0%})"
        return f"| {self.model} | {self.ours:.2f} | {theirs} | {ratio} | {share} |"


def chunks(study: Any, facts: Mapping[str, Any], layout: Any) -> dict[str, tuple[Callable[[], Any], float | None]]:
    """Of each model a chunk of steps of its first block, compiled as the lab does, and the operations of one step.

    They are counted of the form that trains; of that with all places it is not said.
    """
    import jax.numpy as jnp

    from attn_jax.lab.plan.numerics import planned
    from attn_jax.lab.record.runs import padded
    from attn_jax.training.compiling import compiled
    from attn_jax.training.loop import start_runs
    from attn_jax.training.runs import train_runs

    found = {}
    with planned(lambda: study) as plan:
        runs = padded(plan.runs[: layout.width], layout.width)
        seeds, rates = jnp.array([run[0] for run in runs]), jnp.array([run[1] for run in runs])
        for name in study.models:
            block = replace(plan.block_plan(name), every=STEPS, group=layout.group)
            state = start_runs(block, seeds, rates)
            forms = {name: (block, facts["models"][name]["train_flops_per_step"])}
            if plan.spec.num_answered and not study.strings:
                forms[name + ALL] = replace(block, objective=everywhere(plan, name)), None
            for form, (block, flops) in forms.items():
                program = compiled(partial(train_runs, block), state, jnp.int32(0))
                found[form] = partial(run, program, state), flops
    return found


def run(program: Callable[..., Any], state: Any) -> Any:
    """A chunk, to its end."""
    import jax
    import jax.numpy as jnp

    return jax.block_until_ready(program(state, jnp.int32(0)))


def everywhere(plan: Any, name: str) -> Any:
    """A model's objective on the same task, which does not say where it answers."""
    from attn_jax.training.objective import answers

    train, config = plan.study.train, plan.model(name)[0]
    task = plan.task._replace(spec=replace(plan.task.spec, num_answered=None))
    return answers(plan.make(config), task, label_smoothing=train.label_smoothing, clip=train.clip)


def product() -> Callable[[], Any]:
    """One large product."""
    import jax
    import jax.numpy as jnp

    x = jnp.ones((PRODUCT, PRODUCT))
    run = jax.jit(jnp.matmul)
    return lambda: jax.block_until_ready(run(x, x))


def torch_ms(interpreter: Path) -> dict[str, float]:
    """One turn of the same models in PyTorch, in both forms."""
    script = Path(__file__).with_name("torch_quickstart.py")
    done = subprocess.run([interpreter, script], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    print(f"torch {told.pop('version')}: {told}", flush=True)
    return told["scored"] | {name + ALL: taken for name, taken in told["ms"].items()}


def measure(study: Any, rounds: int, theirs: Callable[[], dict[str, float]] | None) -> list[Row]:
    """All turns, and what came of them."""
    from attn_jax.lab.plan.facts import study_facts
    from attn_jax.lab.plan.numerics import planned
    from attn_jax.lab.run.session import choose_layout

    with planned(lambda: study) as plan:
        layout, facts = choose_layout(plan, platform="cpu", workers=2, num_devices=1), study_facts(plan)
    ours = chunks(study, facts, layout)
    calls: dict[str, Callable[[], Any]] = {name: call for name, (call, _) in ours.items()}
    turns, others = [], []
    for _ in range(rounds):
        turns.append(interleaved(calls | {"product": product()}, 1))
        others += [] if theirs is None else [theirs()]
    per_ms = 2 * PRODUCT**3 / median(turn["product"] for turn in turns)
    print(f"best product: {per_ms / 1e6:.0f} GFLOP/s")
    rows = []
    for name, (_, flops) in ours.items():
        taken = median(turn[name] for turn in turns) / (STEPS * layout.width)
        rival = median(other[name] for other in others) if others else None
        rows.append(Row(name, taken, rival, None if flops is None else flops / per_ms))
    return rows


def parse(words: list[str]) -> argparse.Namespace:
    """What was typed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default=COMPARED, help="another study, without PyTorch")
    parser.add_argument("--rounds", type=count, default=5)
    parser.add_argument("--torch", type=a_file, metavar="PYTHON", help="an interpreter that has torch")
    options = parser.parse_args(words)
    if options.torch and options.config != COMPARED:
        parser.error(f"--torch: got --config={options.config}, wanted {COMPARED}, which is what is written for torch")
    return options


def main(words: list[str]) -> int:
    """Measures and prints."""
    options = parse(words)
    core = pin_one_core()  # before jax is imported
    print(*(f"{name}: {fact}" for name, fact in environment(core).items()), sep="\n")
    from attn_jax.config.file import load_study

    theirs = partial(torch_ms, options.torch) if options.torch else None
    rows = measure(load_study(options.config), options.rounds, theirs)
    print("| ms a step a run | attn_jax | PyTorch | ratio | least (share) |", "|---|---|---|---|---|", *rows, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
