"""Who works here: a process a core on a CPU; beside an accelerator one thread, because it is this process's."""

from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.schema import read_study
from attn_jax.lab.run.executor import PinnedProcesses
from attn_jax.lab.run.pace import Extent
from attn_jax.lab.run.session import Layout, choose_layout
from attn_jax.platforms import cpu_cores


def workers_here(platform: str) -> int:
    """How many jobs run side by side."""
    return len(cpu_cores()) if platform == "cpu" else 1


def layout_here(plan: StudyPlan, platform: str) -> Layout:
    """How the runs of a study that begins here fall into blocks."""
    if platform == "cpu":
        return choose_layout(plan, platform=platform, workers=workers_here(platform), num_devices=1)
    import jax

    return choose_layout(plan, platform=platform, workers=1, num_devices=jax.local_device_count())


def extent_of(plan: StudyPlan, directory: Path, layout: Layout, models: Sequence[str]) -> Extent:
    """What there is to train of these models of a study, once it has begun."""
    facts, study = read_study(directory), plan.study
    blocks = {name: len(facts["runs"][name]) for name in models}
    workers = workers_here(layout.platform)
    return Extent(blocks, study.train.steps, [*plan.curve_lengths], study.evaluate.every, workers, facts)


def executor_here(platform: str) -> Executor:
    """Whoever runs the jobs: it is to be shut down."""
    return PinnedProcesses(cpu_cores()) if platform == "cpu" else ThreadPoolExecutor(1)
