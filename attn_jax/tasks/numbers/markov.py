"""Markov chains in context: every sequence comes from a chain of its own, which must be learned while it is read.

    inputs     x1 x2 x3 ... xL
    targets    x2 x3 x4 ... xL+1

Models pass through phases: all states alike, then the frequencies of states, then those of transitions, which an
induction head counts.
"""

import math
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.fields import check_at_least
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.laws.markov_law import expected_losses
from attn_jax.tasks.make_task import make_task
from attn_jax.tasks.sampling import first_places
from attn_jax.types import IO, Array, Batch, Key


@dataclass(frozen=True)
class MarkovChain(TaskConfig):
    """L states of a chain of k, each asked for the next; rows of the chain Dirichlet(1), the start stationary.

    The metric is cross-entropy, nats a place. The best is "bayes", what the posterior mean of the transitions read
    scores, (n_ij + 1) / (n_i + k). It takes the rows' prior and the transitions for all there is to know; that the
    first state was drawn from the stationary law, which says a little of the rows, it leaves aside. With that no
    predictor gains more than I(x1; rows) / L = (ln k - E[H(stationary law)]) / L, .1293 / L nats for two states,
    .0032 at L = 40; the rule of all that is known has no formula. Chance is "unigram", which counts states,
    (n_j + 1) / (t + k), and not transitions; from four states on "uniform", for short counts then say less.

    For two states the floors are exact. For more they are means over a lattice of chains, exact given the chain: right
    to about 2e-3 nats (`markov_law`); no closed form is known, and a sum over all counts is too long.

    No score counts as solved: chains differ so much in their entropy that the mean over 128 sequences of 40 lies .015
    nats off its expectation, three tenths of the way from chance to best, and a validation set is the same at every
    evaluation. Models see the same sequences, so their order is not touched by it.

    There is no oracle: the next state is no function of those before. Lengths start at 4.

    Args:
      num_states: k.
      train_lengths: the shortest and the longest L trained on by default.
      test_lengths: the L asked for by default.

    Raises:
      ValueError: `num_states` is below 2.
    """

    num_states: int = 2
    train_lengths: tuple[int, int] = (40, 40)
    test_lengths: tuple[int, ...] = (5, 10, 20, 40, 64, 100)

    def __post_init__(self):
        check_at_least(self, 2, "num_states")

    @classmethod
    def published(cls, num_states: int = 2) -> "MarkovChain":
        """L = 100; Edelman et al. 2024.

        >>> MarkovChain.published(3).make().spec.train_lengths
        (100, 100)
        """
        return cls(num_states, train_lengths=(100, 100), test_lengths=(100,))

    def make(self) -> Task:
        """The task of this configuration; there is no oracle; 40 states are trained on, and 100 asked for."""
        return make_task(
            self,
            draw,
            None,
            floors,
            io=IO(num_classes=self.num_states, vocab_size=self.num_states),
            lengths={"smallest": 4},
            metric="cross_entropy",
            chance="unigram" if self.num_states < 4 else "uniform",
            best_floor="bayes",
            threshold=None,
            train_lengths=self.train_lengths,
            test_lengths=self.test_lengths,
            length_unit="states",
            source="Edelman et al. 2024, arXiv 2402.11004",
        )


def draw(config: MarkovChain, key: Key, batch_size: int, length: int | Array, max_length: int) -> Batch:
    """Draws a chain for each sequence, and walks it.

    Reference: Edelman et al. 2024, arXiv 2402.11004, section 2.
    """
    num_rows = config.num_states**2
    shape = (batch_size * (num_rows + max_length + 1),)
    # One flat draw for all: each draw of its own costs a compiled program .2 to .5 s.
    drawn = jax.random.uniform(key, shape).reshape(batch_size, -1)
    rows, start = _draw_chains(drawn[:, :num_rows].reshape(batch_size, config.num_states, config.num_states))
    first = _invert(start, drawn[:, num_rows])
    step = partial(_step, jnp.cumsum(rows, axis=-1))
    states = jax.lax.scan(step, first, drawn[:, num_rows + 1 :].T)[1].T
    valid = first_places(batch_size, max_length, length)
    return Batch.of(jnp.concatenate([first[:, None], states[:, :-1]], axis=1), states, valid, valid)


def _draw_chains(numbers: Array) -> tuple[Array, Array]:
    """(rows [B, k, k], stationary law [B, k]): rows of exponentials over their sum are Dirichlet(1)."""
    exponentials = -jnp.log1p(-numbers)
    rows = exponentials / exponentials.sum(axis=-1, keepdims=True)
    # pi P = pi and sum pi = 1 in one: pi (I - P + ones) = ones.
    equations = jnp.eye(rows.shape[-1]) - rows + 1
    return rows, jnp.linalg.solve(equations.mT, jnp.ones(rows.shape[:2])[..., None])[..., 0]


def _invert(law: Array, numbers: Array) -> Array:
    """[B]: the state that a uniform number picks by a law [B, k]."""
    return (numbers[:, None] >= jnp.cumsum(law, axis=-1)[:, :-1]).sum(axis=-1, dtype=jnp.int32)


def _step(cumulative: Array, state: Array, numbers: Array) -> tuple[Array, Array]:
    """The next state, by the row of this one."""
    row = jnp.take_along_axis(cumulative, state[:, None, None], axis=1)[:, 0, :-1]
    state = (numbers[:, None] >= row).sum(axis=-1, dtype=jnp.int32)
    return state, state


def floors(config: MarkovChain, length: int) -> dict[str, Floor]:
    """The phases, each as mean nats a place: metric and loss are the same.

    uniform: ln k. unigram: the states read, (n_j + 1) / (t + k). bayes: the transitions read, (n_ij + 1) / (n_i + k).

    >>> {name: round(floor.value, 4) for name, floor in floors(MarkovChain(), 40).items()}
    {'uniform': 0.6931, 'unigram': 0.5877, 'bayes': 0.5345}

    Reference: Edelman et al. 2024, arXiv 2402.11004, section 2.
    """
    unigram, bayes = expected_losses(config.num_states, length)
    nats = math.log(config.num_states)
    return {
        "uniform": Floor(nats, nats, uniform_floor(config.num_states).predict),
        "unigram": Floor(unigram, unigram, partial(_unigram, config)),
        "bayes": Floor(bayes, bayes, partial(_bayes, config)),
    }


def _unigram(config: MarkovChain, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """One more than how often each state has been read, this place included."""
    counts = 1 + np.cumsum((inputs[..., None] == np.arange(config.num_states)) & valid[..., None], axis=1)
    return counts / counts.sum(axis=-1, keepdims=True)


def _bayes(config: MarkovChain, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """One more than how often each state has followed this one."""
    state = np.arange(config.num_states)
    counts = np.ones((*inputs.shape, config.num_states))
    for i in state:
        left = (inputs == i) & valid
        moved = left[:, :-1, None] & (inputs[:, 1:, None] == state)
        counts[:, 1:] += np.where(left[:, 1:, None], np.cumsum(moved, axis=1), 0)
    return counts / counts.sum(axis=-1, keepdims=True)
