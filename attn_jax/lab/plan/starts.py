"""Starts: the same models, begun otherwise. Only how parameters begin may differ: one program trains them all."""

from dataclasses import replace

from attn_jax.config.overrides import override
from attn_jax.errors import ConfigError
from attn_jax.lab.plan.programs import loss_program
from attn_jax.lab.plan.study_plan import StudyPlan


def started(plan: StudyPlan, start: str) -> StudyPlan:
    """The study whose models begin as a start says; "" is as they are.

    Raises:
      ConfigError: a path that leads to no field of a model, or a value that is none of its.
    """
    if not start:
        return plan
    values = plan.study.starts[start]
    for path in values:
        if not path.startswith("models."):
            raise ConfigError(f"starts.{start}: got {path!r}, wanted a field of a model: models.<name>....")
    try:
        words = [f"--config.{path}={value}" for path, value in values.items()]
        return StudyPlan(override(replace(plan.study, starts={}), words))
    except ConfigError as error:
        raise ConfigError(f"starts.{start}: {error}") from error


def check_starts(plan: StudyPlan) -> None:
    """Refuses starts that change more than how a model begins.

    Raises:
      ConfigError: names the start and the model.
    """
    for start in plan.study.starts:
        begun = started(plan, start)
        for name in plan.study.models:
            if begun.models[name] != plan.models[name] and loss_program(begun, name) != loss_program(plan, name):
                raise ConfigError(
                    f"starts.{start}: changes what models.{name} computes, wanted only how it begins; what computes "
                    "otherwise is a model of its own"
                )
