"""Stack manipulation: a stack of bits, then actions on it, then what the stack holds, from the top.

    inputs    b1 ... bn a1 ... am | empty x (L + 1)                        n + m = L
    targets    . ...  .  . ...  . | top ... bottom end .  .  .

A real stack does it in one step a token; a finite state cannot, and a transformer must find what was never popped.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.floors import guess_floor, uniform_floor
from attn_jax.tasks.string_task import string_task
from attn_jax.tasks.strings import Strings
from attn_jax.types import Array, Key

_POP, _PUSH_0, _EMPTY = 2, 3, 5  # bits are 0 and 1, push 1 is 4; the answer is read at the empty token
_END = 2  # the class that ends an answer


@dataclass(frozen=True)
class StackManipulation(TaskConfig):
    """L tokens, n bits and L - n actions, then L + 1 empty places: 2 L + 1 tokens, scored up to the answer's end.

    n is uniform over 1 .. L - 1 (L = 1: one bit). Tokens: bits 0 and 1, pushed from the bottom up; 2 pop, 3 push 0,
    4 push 1, each with probability 1 / 3; 5 empty. A pop of an empty stack does nothing. Classes: the bits, and 2 as
    the end, which follows the bottom. What comes after the end is neither scored nor trained: the source trains it, as
    zeros, and masks it from the accuracy. Lengths go from 1; there they go up to 40 to train and from 41 to 500 to
    test, the default lengths are shorter.

    Chance is "position_and_length", the likeliest class at each place: .75 at L = 1, where the end is certain; .48 at
    L = 20, since a bit is a coin and the end is seldom the best guess; it rises towards 1 / 2, .4985 at L = 500.
    """

    def make(self) -> Task:
        """The task of this configuration; 1 to 20 bits and actions are trained on, and 50 asked for."""
        return string_task(
            self,
            draw,
            answer,
            floors,
            num_classes=3,
            empty=_EMPTY,
            end=_END,
            num_tokens=lambda length: 2 * length + 1,  # bits and actions, then a place for each and for the end
            num_answered=lambda num_tokens: (num_tokens + 1) // 2,
            chance="position_and_length",
            train_lengths=(1, 20),
            test_lengths=(1, 5, 10, 15, 20, 25, 30, 40, 50),
            length_unit="bits and actions",
            source="Deletang et al. 2023, arXiv 2207.02098",
        )


def draw(config: StackManipulation, key: Key, batch_size: int, length: int | Array, max_length: int) -> Strings:
    """Bits and actions, and the stack that they leave, from the top."""
    # One flat draw for all three: each draw of its own costs a compiled program .2 to .5 s.
    drawn = jax.random.uniform(key, (batch_size, max_length + 1))
    num_bits = 1 + (drawn[:, :1] * (length - 1)).astype(jnp.int32)
    place = jnp.arange(max_length)
    tokens = jnp.where(place < num_bits, 2 * drawn[:, 1:], _POP + 3 * drawn[:, 1:]).astype(jnp.int32)
    answer, height = _final_stack(jnp.where(place < length, tokens, _EMPTY))
    return Strings(tokens, length, answer, height)


def _final_stack(tokens: Array) -> tuple[Array, Array]:
    """(the stack from the top [B, L], its height [B]) after bits, actions and empty tokens, which do nothing."""
    # Let the height go below 0 where an empty stack is popped. What is pushed is still there at the end if the height
    # never falls below what it rose to, and then lies as deep as the height rises from there on: no step by step.
    pushed = (tokens < _POP) | ((tokens >= _PUSH_0) & (tokens < _EMPTY))
    height = jnp.cumsum(pushed.astype(jnp.int32) - (tokens == _POP), axis=1)
    stays = pushed & (height == jax.lax.cummin(height, axis=1, reverse=True))
    depth = jnp.where(stays, height[:, -1:] - height, tokens.shape[1])
    bits = jnp.where(tokens < _POP, tokens, tokens - _PUSH_0)
    rows = jnp.arange(len(tokens))[:, None]
    return jnp.zeros_like(tokens).at[rows, depth].set(bits, mode="drop"), stays.sum(axis=1)


def answer(config: StackManipulation, question: list[int]) -> list[int]:
    """Pushes and pops a Python list, and says it from its end.

    >>> answer(StackManipulation(), [0, 1, 1, 2, 3])
    [0, 1, 0]
    """
    stack: list[int] = []
    for token in question:
        if token == _POP:
            del stack[-1:]  # of an empty stack: nothing
        else:
            stack.append(token if token < _POP else token - _PUSH_0)
    return stack[::-1]


def floors(config: StackManipulation, length: int) -> dict[str, Floor]:
    """A guess, and the likeliest class at each place of the answer.

    With H the final height, place y (from 0) is a bit with probability P(H > y), either alike since bits and pushes
    are, and the end with P(H = y). position_and_length: sum_y max(P(H > y) / 2, P(H = y)) / (E[H] + 1); it has no loss.
    uniform: 1 / 3.

    >>> {name: round(floor.value, 4) for name, floor in floors(StackManipulation(), 1).items()}
    {'uniform': 0.3333, 'position_and_length': 0.75}
    """
    at = _heights(length)
    above = np.append(np.cumsum(at[:0:-1])[::-1], 0.0)  # P(H > y), summed from the small end
    return {
        "uniform": uniform_floor(3),
        "position_and_length": guess_floor(np.stack([above / 2, above / 2, at], axis=1), length),
    }


def _heights(length: int) -> np.ndarray:
    """[L + 1] float64: the probability that the final stack holds h bits."""
    at = np.zeros(length + 1)
    for time in range(1, length):
        at = _act(at)
        at[time] += 1 / (length - 1)  # those whose bits end here
    return _act(at) if length > 1 else np.array([0.0, 1.0])


def _act(at: np.ndarray) -> np.ndarray:
    """The heights after one more action: a pop a third of the time, and a push otherwise."""
    after = np.zeros_like(at)
    after[1:] = at[:-1] * 2 / 3
    after[:-1] += at[1:] / 3
    after[0] += at[0] / 3  # the pop that an empty stack ignores
    return after
