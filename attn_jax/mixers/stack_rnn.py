"""A recurrent network with a differentiable stack as a mixer."""

from dataclasses import dataclass

import jax.numpy as jnp

from attn_jax.mixers.base import Mixer
from attn_jax.mixers.parts.memory_controller import Memory, MemoryConfig, bind_memory
from attn_jax.types import Array


@dataclass(frozen=True)
class StackRNN(MemoryConfig):
    """A recurrent network with one stack (Joulin & Mikolov 2015, arXiv 1503.01007; Deletang et al. 2022, 2207.02098).

    It reads the top, then mixes push, pop and no-op by their probabilities. With Deletang et al. the value pushed is
    linear in the hidden state and an empty stack holds zeros (Joulin & Mikolov: a sigmoid of it, and -1). What sinks
    below the last cell is lost; below the bottom lie zeros.

    Args:
      d_model: the width D; None = the model fills it.
      d_inner: the controller's hidden size P; None = D. Otherwise y is projected back to D.
      controller: "rnn" (tanh), "lstm" or "gru".
      cell_size: M, the numbers in a cell of the stack.
      memory_size: S, the deepest the stack can be, at whatever length of sequence.
    """

    source = "Joulin & Mikolov 2015, arXiv 1503.01007"

    def make(self) -> Mixer:
        """Binds this configuration to the functions below."""
        return bind_memory(self, 3, empty_stack, update_stack)


def empty_stack(config: StackRNN, batch_size: int, dtype) -> Memory:
    """Zeros [B, S, M], the top first."""
    return (jnp.zeros((batch_size, config.memory_size, config.cell_size), dtype),)


def update_stack(memory: Memory, value: Array, actions: Array) -> Memory:
    """The stack after a push, a pop and nothing, mixed by their probabilities.

    stack'[i] = a_push stack[i - 1] + a_pop stack[i + 1] + a_noop stack[i],    stack[-1] = value, stack[S] = 0

    Args:
      memory: (stack [B, S, M],), the top first.
      value: [B, M], what a push puts on top.
      actions: [B, 3], the probabilities of push, pop, no-op.

    Returns:
      The memory after the step, of the same shapes.

    >>> stack, value = jnp.array([[[1.0], [2.0], [3.0]]]), jnp.array([[9.0]])
    >>> for action in jnp.eye(3): update_stack((stack,), value, action[None])[0][0, :, 0].tolist()
    [9.0, 1.0, 2.0]
    [2.0, 3.0, 0.0]
    [1.0, 2.0, 3.0]

    Reference: Joulin & Mikolov 2015, arXiv 1503.01007, the continuous stack.
    """
    (stack,) = memory
    pushed = jnp.concatenate([value[:, None], stack[:, :-1]], 1)
    popped = jnp.concatenate([stack[:, 1:], jnp.zeros_like(stack[:, :1])], 1)
    push, pop, keep = jnp.moveaxis(actions, -1, 0)[..., None, None]
    return (push * pushed + pop * popped + keep * stack,)
