"""What a command would have to do for a study, from its folder as it is: nothing is written and nothing is run."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.directory import block_directory
from attn_jax.lab.record.runs import Run
from attn_jax.lab.record.schema import read_study
from attn_jax.lab.run.block import is_done, is_trained
from attn_jax.lab.run.growth import taken_up
from attn_jax.lab.run.program_cache import cache_root
from attn_jax.lab.run.renewal import has_begun, renewed
from attn_jax.training.checkpoint import saved_steps


class Left(NamedTuple):
    """A block that is not done."""

    model: str
    runs: tuple[Run, ...]
    chunks: int  # evaluations that it has still to reach
    tested: bool = False  # it has its test scores: probes alone are left
    compiled: bool = False  # the cache has its model's programs


def what_is_left(directory: Path, plan: StudyPlan, wanted: dict[str, Any]) -> tuple[dict[str, Any], list[Left]]:
    """What study.json is to hold, and the blocks that are not done, in the order in which they are handed out.

    Args:
      directory: where the study lives, or would.
      plan: the study.
      wanted: what study.json would hold, were the study begun now.

    Raises:
      ConfigError, MachineError: what the command would be refused for.
    """
    if not (directory / "study.json").exists():
        return wanted, _left(directory, plan, wanted, ())
    begun = read_study(directory)
    anew = renewed(directory, begun, wanted)
    facts = taken_up(directory, plan, begun, wanted, anew)
    return facts, _left(directory, plan, facts, anew)


def _left(directory: Path, plan: StudyPlan, facts: dict[str, Any], anew: Collection[str]) -> list[Left]:
    train, every = plan.study.train, plan.study.evaluate.every
    begun = {name for name in facts["models"] if name not in anew and has_begun(directory, facts, name)}
    blocks = [(k, name, block) for name in facts["models"] for k, block in enumerate(facts["runs"][name])]
    found = []
    for k, name, block in sorted(blocks, key=lambda one: one[0]):
        folder, runs = block_directory(directory, name, k), tuple(map(tuple, block))
        if name in anew:
            found.append(Left(name, runs, train.steps // every))
        elif not is_done(folder, plan):
            reached = max(saved_steps(folder / "checkpoints"), default=0)
            compiled = name in begun and cache_root() is not None
            found.append(Left(name, runs, (train.steps - reached) // every, is_trained(folder, plan), compiled))
    return found
