"""What the stack and the tape share: a recurrent controller that reads one cell of a memory and acts on it each step.

    r = the cell in reach;    h' = controller(h, [x, r]);    v, z = h' w + b
    memory' = sum_a softmax(z)_a act_a(memory, v);    y = h', or h' w_o where P differs from D

Everything starts empty and is read before it is changed, as Deletang et al. 2022 (arXiv 2207.02098) compare them. A
mixer's file names its actions, its empty memory, and the update that mixes what the actions would leave.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias, get_args

import jax
import jax.numpy as jnp

from attn_jax.layers.linear import init_linear, linear
from attn_jax.mixers.base import Mixer, zero_padding
from attn_jax.mixers.gru import GRU
from attn_jax.mixers.lstm import LSTM
from attn_jax.mixers.parts.binding import bind, fresh_state
from attn_jax.mixers.parts.hidden_size import HiddenSizeConfig
from attn_jax.mixers.parts.linear_recurrent import project
from attn_jax.mixers.parts.options import check_at_least, check_choice
from attn_jax.mixers.rnn import RNN
from attn_jax.ops.recurrence.cells import (
    gru_gates,
    gru_step,
    lstm_gates,
    lstm_step,
    no_gates,
    rnn_step,
    scan_cell,
    watched,
)
from attn_jax.types import Array, Key, Params, State

Controller: TypeAlias = Literal["rnn", "lstm", "gru"]
Memory: TypeAlias = tuple[Array, ...]  # the cells [B, S, M], that in reach first, and what else an update keeps
_CONFIGS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
_STEPS = {"rnn": rnn_step, "lstm": lstm_step, "gru": gru_step}
_GATES = {"rnn": no_gates, "lstm": lstm_gates, "gru": gru_gates}


@dataclass(frozen=True)
class MemoryConfig(HiddenSizeConfig):
    """The base of the configurations of networks with an external memory.

    Args:
      d_model: the width D; None = the model fills it.
      d_inner: the controller's hidden size P; None = D. Otherwise y is projected back to D.
      controller: "rnn" (tanh), "lstm" or "gru".
      cell_size: M, the numbers in a cell of the memory.
      memory_size: S, the cells; never drawn from the length of the sequence.
    """

    controller: Controller = "rnn"
    cell_size: int = 8
    memory_size: int = 40

    def __post_init__(self):
        super().__post_init__()
        check_choice("controller", self.controller, get_args(Controller))
        check_at_least(1, cell_size=self.cell_size, memory_size=self.memory_size)


def bind_memory(config: MemoryConfig, actions: int, start: Callable, update: Callable) -> Mixer:
    """The mixer of a memory.

    Args:
      config: the options.
      actions: A, how many actions there are.
      start: (config, batch_size, dtype) -> the empty memory.
      update: (memory, value [B, M], actions [B, A]) -> the memory after the actions, mixed by their probabilities.
    """
    return bind(
        config,
        partial(init, actions=actions),
        partial(init_state, start=start),
        partial(extend, update=update),
        partial(inspect, start=start, update=update),
    )


def init(config: MemoryConfig, key: Key, *, actions: int) -> Params:
    """The controller as its own mixer starts, on D + M inputs; Glorot weights to what it writes and does."""
    key_cell, key_access, key_out = jax.random.split(key, 3)
    params = {
        "cell": _controller(config).init(key_cell)["cell"],
        "access": init_linear(key_access, config.inner, config.cell_size + actions),
    }
    if config.d_inner is not None:
        params["out"] = init_linear(key_out, config.inner, config.width)
    return params


def init_state(
    config: MemoryConfig, params: Params, batch_size: int, max_length: int, *, start: Callable, dtype=jnp.float32
) -> State:
    """{"controller": its zero state, "memory": the empty memory}; their size does not depend on max_length."""
    controller = _controller(config).init_state
    assert controller is not None  # a recurrent mixer is causal
    return {
        "controller": controller(params, batch_size, max_length, dtype=dtype),
        "memory": start(config, batch_size, dtype),
    }


def extend(
    config: MemoryConfig, params: Params, x: Array, state: State, valid: Array | None = None, *, update: Callable
) -> tuple[Array, State]:
    """Goes on from a state by [B, T, D], in T steps."""
    hidden, state = _run(config, params, x, state, valid, update)
    y = hidden.astype(x.dtype)
    return (linear(params["out"], y) if "out" in params else y), state


def inspect(
    config: MemoryConfig, params: Params, x: Array, valid: Array | None = None, *, start: Callable, update: Callable
) -> dict[str, Array]:
    """The hidden states [B, T, P], the controller's gates there, if it has some, the probabilities of the actions
    [B, T, A] and the values written [B, T, M].
    """
    state = fresh_state(partial(init_state, config, start=start), params, x)
    step = watched(partial(_step, config, update), partial(_gates, config))
    (hidden, gates), _ = scan_cell(step, params, zero_padding(x, valid), state, valid)
    value, actions = access(config, params, hidden.astype(x.dtype))
    return {"hidden": hidden, **gates, "actions": actions, "value": value}


def access(config: MemoryConfig, params: Params, hidden: Array) -> tuple[Array, Array]:
    """What a hidden state [..., P] writes [..., M], and the probabilities of its actions [..., A]."""
    value, logits = jnp.split(project(params["access"], hidden), [config.cell_size], -1)
    return value, jax.nn.softmax(logits)


def _controller(config: MemoryConfig) -> Mixer:
    """The controller as a mixer of its own, whose input is x and the cell in reach; its way back to D is not used."""
    return _CONFIGS[config.controller](d_model=config.width + config.cell_size, d_inner=config.inner).make()


def _run(
    config: MemoryConfig, params: Params, x: Array, state: State, valid: Array | None, update: Callable
) -> tuple[Array, State]:
    """The hidden states [B, T, P] and the state after the last valid place."""
    # Going backward the update is computed again: kept, what each action would leave is A times the memory a step.
    update = jax.checkpoint(update, prevent_cse=False)
    return scan_cell(partial(_step, config, update), params, zero_padding(x, valid), state, valid)


def _step(config: MemoryConfig, update: Callable, params: Params, state: State, x: Array) -> tuple[State, Array]:
    """One step: read, think, act."""
    step = _STEPS[config.controller]
    controller, hidden = step(params["cell"], state["controller"], _with_read(state, x))
    new = update(state["memory"], *access(config, params, hidden.astype(x.dtype)))
    memory = jax.tree.map(lambda after, before: after.astype(before.dtype), new, state["memory"])
    return {"controller": controller, "memory": memory}, hidden


def _gates(config: MemoryConfig, params: Params, state: State, x: Array) -> dict[str, Array]:
    """Those of the controller, as it thinks."""
    return _GATES[config.controller](params["cell"], state["controller"], _with_read(state, x))


def _with_read(state: State, x: Array) -> Array:
    """x and the cell in reach, [B, D + M]."""
    return jnp.concatenate([x, state["memory"][0][:, 0].astype(x.dtype)], -1)
