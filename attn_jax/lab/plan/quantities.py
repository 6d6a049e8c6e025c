"""What models are matched by and what study.json says of them: parameters, state, FLOPs, from shapes and jaxprs."""

from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

import jax
import jax.numpy as jnp

from attn_jax.errors import ConfigError
from attn_jax.lab.cost.program import count_flops
from attn_jax.lab.cost.sizes import count_parameters, floating_bytes
from attn_jax.lab.plan.matching import Quantity
from attn_jax.lab.plan.newton_trips import newton_trips
from attn_jax.models import AnyModelConfig
from attn_jax.training.step import batch_loss

if TYPE_CHECKING:
    from attn_jax.lab.plan.study_plan import StudyPlan

Match: TypeAlias = Literal["parameters", "state", "flops"]


def quantity(plan: "StudyPlan", match: Match) -> Quantity:
    """What a study matches its models by."""
    if match == "parameters":
        return Quantity("matched parameters", lambda config: count_parameters(config.make(plan.spec.io, 1)).matched)
    if match == "state":
        return Quantity("bytes of state", partial(state_bytes, plan))
    return Quantity("FLOPs a step", partial(_flops, plan))


def state_bytes(plan: "StudyPlan", config: AnyModelConfig) -> int:
    """Bytes of floating state of one sequence of the longest training length, float32; over strings, after a source."""
    longest = max(plan.train_lengths)
    model = plan.make(config)
    if plan.study.strings:
        source_tokens, target_tokens = plan.string_places(longest)
        source = jnp.zeros((1, source_tokens), jnp.int32)

        def start(key):
            return model.encode(model.init(key), source, source >= 0, target_tokens)
    elif model.init_state is None:
        return 0
    else:

        def start(key):
            return model.init_state(model.init(key), 1, plan.spec.num_tokens(longest))

    return floating_bytes(jax.eval_shape(start, jax.random.key(0)))


def train_flops(plan: "StudyPlan", config: AnyModelConfig) -> float:
    """FLOPs of one run's loss and gradient on one batch, what is computed twice included, from the jaxpr.

    Raises:
      ValueError, NotImplementedError: the program does not let itself be counted: a `while` loop, say.
    """
    config = config.countable
    block_plan = plan.block_plan_of(config)
    params = jax.eval_shape(block_plan.objective.init, jax.random.key(0))
    gradient = jax.value_and_grad(partial(batch_loss, block_plan))
    longest = max(plan.train_lengths)
    tokens = sum(plan.string_places(longest)) if plan.study.strings else plan.spec.num_tokens(longest)
    return count_flops(gradient, params, plan.batch_shapes, None, trips=newton_trips(plan, config, tokens))


def _flops(plan: "StudyPlan", config: AnyModelConfig) -> float:
    try:
        return train_flops(plan, config)
    except (ValueError, NotImplementedError) as error:
        raise ConfigError(
            f'match: the FLOPs of {config.describe()} cannot be counted ({error}), wanted match="parameters" or "state"'
        ) from error
