"""A trained model again: its functions from study.json, its parameters from its block's last checkpoint."""

from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from attn_jax.config import Study, Sweep
from attn_jax.config.codec import from_dict, to_dict
from attn_jax.config.differences import differences
from attn_jax.config.file import load_config
from attn_jax.errors import ConfigError, MachineError
from attn_jax.lab.plan.numerics import planned
from attn_jax.lab.plan.sources import classes_by_name, hashed_sources, refuse_changed
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.directory import TRAIN_ANEW, block_directory
from attn_jax.lab.record.runs import Run, lanes_of
from attn_jax.lab.record.schema import read_study
from attn_jax.training.checkpoint import checkpoint_file, read_checkpoint
from attn_jax.training.runs import init_runs
from attn_jax.training.state import RunState


def trained_model(
    directory: Path, name: str, run: Run, defined_by: Study | Sweep | str | Path | None
) -> tuple[Any, Any]:
    """(model, params) of one run of a finished study; its functions are the study's, whatever jax's settings were.

    Args:
      directory: of the study.
      name: of a model of it.
      run: which one.
      defined_by: the study, or its config file, that has the classes which are not the package's.

    Raises:
      ConfigError: a class that it has not, or whose source or size is not what was trained.
      MachineError: the checkpoint is gone, or cannot be read.
    """
    facts = read_study(directory)
    with planned(partial(_study, directory, facts, defined_by)) as plan:
        before = facts["sources"][name]
        refuse_changed(name, before, hashed_sources(plan.study, name, known=before))
        config = plan.model(name)[0]
        changes = list(differences(facts["models"][name]["config"], to_dict(config)))
        if changes:
            raise ConfigError(f"{directory}: models.{name} was trained at another size ({changes[0]})")
        block, lane = lanes_of(facts, name)[run]
        state = _last_state(plan, block_directory(directory, name, block), name, facts["width"])
        return plan.make(config), jax.tree.map(lambda leaf: jnp.asarray(leaf[lane]), state.params)


def _study(directory: Path, facts: dict[str, Any], defined_by: Study | Sweep | str | Path | None) -> Study:
    """The study as it was trained; a config is run only where classes of it are needed."""
    if defined_by is None or not any(facts["sources"].values()):
        own = {}
    else:
        own = classes_by_name(defined_by if isinstance(defined_by, Study | Sweep) else load_config(defined_by))
    try:
        return from_dict(facts["config"] | {"probes": []}, own)
    except ConfigError as error:
        raise ConfigError(f"{directory / 'study.json'}: {error}") from error


def _last_state(plan: StudyPlan, block: Path, name: str, width: int) -> RunState:
    """The state of a block's runs after the study's last step."""
    path = checkpoint_file(block / "checkpoints", plan.study.train.steps)
    if not path.is_file():
        raise MachineError(f"{path}: the checkpoint is gone; {TRAIN_ANEW.format(block)}")
    begin = partial(init_runs, plan.block_plan(name))
    seeds, rates = (jax.ShapeDtypeStruct((width,), dtype) for dtype in (jnp.int32, jnp.float32))
    state = read_checkpoint(path, jax.eval_shape(begin, seeds, rates))
    if state is None:
        raise MachineError(f"{path}: the checkpoint is damaged; {TRAIN_ANEW.format(block)}")
    return state
