"""From a place to how a study's runs fall into blocks there, and how much there is to do."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.schema import read_study
from attn_jax.lab.run.pace import Extent
from attn_jax.lab.run.places.base import Place
from attn_jax.lab.run.places.opening import HERE, open_place
from attn_jax.lab.run.session import Layout, choose_layout
from attn_jax.platforms import Platform, select_platform

_BACKENDS = {"auto": "cpu", "cpu": "cpu", "cuda": "gpu", "tpu": "tpu"}


def platform_at(place: str, platform: Platform) -> str:
    """What the jobs run on; elsewhere that is what is asked for, else a CPU, and this command computes on its own."""
    if place in HERE:
        return select_platform(platform)
    select_platform("cpu")
    return _BACKENDS[platform]


@contextmanager
def opened_place(name: str, platform: str, directory: Path) -> Iterator[Place]:
    """The place of a name, as `open_place` gives it, until its jobs are over."""
    place = open_place(name, platform, directory)
    try:
        yield place
    finally:
        place.executor.shutdown(wait=True, cancel_futures=True)


def layout_at(place: Place, plan: StudyPlan, platform: str) -> Layout:
    """How the runs of a study that begins there fall into blocks."""
    return choose_layout(plan, platform=platform, workers=place.workers, num_devices=place.num_devices)


def extent_of(plan: StudyPlan, directory: Path, models: Sequence[str], workers: int) -> Extent:
    """What there is to train of these models of a study, once it has begun."""
    facts, study = read_study(directory), plan.study
    blocks = {name: len(facts["runs"][name]) for name in models}
    return Extent(blocks, study.train.steps, [*plan.curve_lengths], study.evaluate.every, workers, facts)
