"""A recurrent network with a differentiable tape as a mixer."""

from dataclasses import dataclass

import jax.numpy as jnp

from attn_jax.mixers.base import Mixer
from attn_jax.mixers.parts.memory_controller import Memory, MemoryConfig, bind_memory
from attn_jax.types import Array


@dataclass(frozen=True)
class TapeRNN(MemoryConfig):
    """A recurrent network with one tape, a simplified neural Turing machine (Deletang et al. 2022, arXiv 2207.02098).

    It reads the cell under the head, always writes there, then mixes four moves of the head by their probabilities:
    stay, left, right, and jump to the first cell, where it began. The tape is a ring. The published machine jumps by
    the length of the input instead, left or right; no other model here is told that length, so it is left out. The
    value written is linear in the hidden state (published: two more layers).

    Args:
      d_model: the width D; None = the model fills it.
      d_inner: the controller's hidden size P; None = D. Otherwise y is projected back to D.
      controller: "rnn" (tanh), "lstm" or "gru".
      cell_size: M, the numbers in a cell of the tape.
      memory_size: S, the cells of the tape, at whatever length of sequence.
    """

    source = "Deletang et al. 2022, arXiv 2207.02098"

    def make(self) -> Mixer:
        """Binds this configuration to the functions below."""
        return bind_memory(self, 4, empty_tape, update_tape)


def empty_tape(config: TapeRNN, batch_size: int, dtype) -> Memory:
    """(zeros [B, S, M], the first cell's marker [B, S]), from the head on, which stands on the first cell."""
    first = jnp.zeros((batch_size, config.memory_size), dtype).at[:, 0].set(1)
    return jnp.zeros((batch_size, config.memory_size, config.cell_size), dtype), first


def update_tape(memory: Memory, value: Array, actions: Array) -> Memory:
    """The tape after writing a value under the head and a mixture of moves; it shifts, the head is always at 0.

    tape[0] = value;    back[i] = sum_k first[k] tape[i + k],    indices modulo S
    tape'[i] = a_stay tape[i] + a_left tape[i - 1] + a_right tape[i + 1] + a_jump back[i]
    first'[i] = a_stay first[i] + a_left first[i - 1] + a_right first[i + 1] + a_jump [i = 0]

    Args:
      memory: (tape [B, S, M], first [B, S]): the cells from the head to the right, and how much each is the first one.
      value: [B, M], what is written.
      actions: [B, 4], the probabilities of stay, left, right, jump.

    Returns:
      The memory after the step, of the same shapes.

    >>> tape, first = jnp.array([[[1.0], [2.0], [3.0]]]), jnp.array([[0.0, 0.0, 1.0]])
    >>> for move in jnp.eye(4): update_tape((tape, first), jnp.array([[9.0]]), move[None])[0][0, :, 0].tolist()
    [9.0, 2.0, 3.0]
    [3.0, 9.0, 2.0]
    [2.0, 3.0, 9.0]
    [3.0, 9.0, 2.0]

    Reference: Deletang et al. 2022, arXiv 2207.02098, the Tape-RNN; the jump to the first cell is ours.
    """
    tape, first = memory
    tape = jnp.concatenate([value[:, None], tape[:, 1:]], 1)
    jump = actions[:, 3:]
    home = jnp.zeros_like(first).at[:, 0].set(1)
    back = jnp.einsum("bik,bkm->bim", _shifts(first), tape, preferred_element_type=value.dtype)
    return _moved(tape, actions[..., None]) + jump[..., None] * back, _moved(first, actions) + jump * home


def _moved(ring: Array, actions: Array) -> Array:
    """A ring [B, S, ...] after staying and moving the head left and right, mixed by actions [B, 4, ...]."""
    stay, left, right = actions[:, :1], actions[:, 1:2], actions[:, 2:3]
    return stay * ring + left * jnp.roll(ring, 1, 1) + right * jnp.roll(ring, -1, 1)


def _shifts(weights: Array) -> Array:
    """The mixture [B, S, S] of shifts by k with weights [B, S]: at row i, column j stands weights[j - i mod S]."""
    size = weights.shape[1]
    # rows of length 2 S - 1 cut from the repeated weights: each begins one place earlier in them than the row above
    return jnp.tile(weights, (1, 2 * size - 1)).reshape(-1, size, 2 * size - 1)[..., :size]
