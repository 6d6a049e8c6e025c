"""What a model's runs compute, as text: two studies whose programs are alike give a run the same bits."""

import re
from functools import partial

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr

from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.training.step import batch_loss, train_batch

_ADDRESS = re.compile(r"0x[0-9a-f]+")


def init_program(plan: StudyPlan, name: str) -> str:
    """How a model's parameters begin."""
    return _text(jax.make_jaxpr(plan.block_plan(name).objective.init)(jax.random.key(0)))


def loss_program(plan: StudyPlan, name: str) -> str:
    """What is descended, given parameters and a batch: their shapes are part of it."""
    block = plan.block_plan(name)
    params = jax.eval_shape(block.objective.init, jax.random.key(0))
    batch = jax.eval_shape(partial(train_batch, block), 0, 0)
    return _text(jax.make_jaxpr(partial(batch_loss, block))(params, batch, jax.random.key(0)))


def _text(program: ClosedJaxpr) -> str:
    """Its operations and its constants, without the addresses of Python's functions."""
    constants = [np.asarray(value).tobytes().hex() for value in program.consts]
    return "\n".join([_ADDRESS.sub("", str(program)), *constants])
