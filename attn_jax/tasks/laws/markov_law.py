"""Expected losses of the predictors that count the states or the transitions of a random Markov chain.

The loss of an add-one predictor over a sequence telescopes: it follows from the last counts alone,

    transitions   sum_i [ln Gamma(n_i + k) - ln Gamma(k) - sum_j ln n_ij!]
    states        ln Gamma(L + 1 + k) - ln Gamma(k) - sum_j ln N_j! - ln k

for L steps, n_ij of them from i to j, n_i from i, and N_j of the L + 1 states j. Two states: exact, as a sum over all
counts. More: the law of one count given the chain is exact, and a lattice of chains takes its mean over rows
Dirichlet(1); results differ by about 2e-3 nats between lattices of 2048 and 4096.
"""

import math
from functools import cache, partial

import numpy as np

_NUM_CHAINS = 4096


@cache
def expected_losses(num_states: int, length: int) -> tuple[float, float]:
    """Mean nats a place of the add-one predictors of states and of transitions, over L places.

    Args:
      num_states: k.
      length: L.

    Returns:
      (states, transitions). The first place's transition is anyone's guess, ln k:

    >>> round(expected_losses(2, 1)[1], 9) == round(math.log(2), 9)
    True
    """
    states, transitions = _of_two_states(length) if num_states == 2 else _of_more_states(num_states, length)
    return states / length, transitions / length


def _of_two_states(length: int) -> tuple[float, float]:
    """Sums over the counts of walks that start in state 0, half of all: r moves to 1, r or r - 1 back, n00 + n11 stays.

    Paths with the same counts are equally likely, E[b / (a + b) (1 - a)^n00 a^r b^back (1 - b)^n11] each, a and b the
    probabilities to leave; stays fall into r or r + 1 visits of 0 and r visits of 1.
    """
    leave, back, weights = leaving_probabilities(length)
    weights = weights * back / (leave + back)
    powers = np.arange(length + 1)[:, None]
    stay_0, stay_1 = (1 - leave) ** powers, (1 - back) ** powers
    log_factorial = _log_gamma(np.arange(length + 3) + 1)
    states = transitions = 0.0
    for moves in range(length + 1):  # to and fro; they alternate, the odd one goes to 1
        to, fro = (moves + 1) // 2, moves // 2
        n00 = np.arange(length - moves + 1)
        n11 = n00[::-1]
        mean = (stay_0[n00] * stay_1[n11]) @ (weights * leave**to * back**fro)
        paths = _num_compositions(n00, fro + 1, log_factorial) + _num_compositions(n11, to, log_factorial)
        mass = 2 * np.exp(paths) * mean
        row_0 = log_factorial[n00 + to + 1] - log_factorial[n00] - log_factorial[to]
        row_1 = log_factorial[n11 + fro + 1] - log_factorial[n11] - log_factorial[fro]
        transitions += float(mass @ (row_0 + row_1))
        # of L + 1 states, the walk is in 0 at the first, after each stay in 0, and after each return
        read = log_factorial[1 + n00 + fro] + log_factorial[to + n11]
        states += float(mass @ (log_factorial[length + 2] - read - math.log(2)))
    return states, transitions


def _num_compositions(total: np.ndarray, parts: int, log_factorial: np.ndarray) -> np.ndarray:
    """ln of the ways to divide each total among ordered parts that may be empty; -inf where there are none."""
    if parts == 0:
        return np.where(total == 0, 0.0, -np.inf)
    return log_factorial[total + parts - 1] - log_factorial[total] - log_factorial[parts - 1]


def leaving_probabilities(length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(a, b, weights) of a rule for the unit square that is exact for polynomials of degree L over a + b, times b or a.

    With a = u b in the triangle below the diagonal, b = u a in the other, these are polynomials over 1 + u; twelve
    nodes more make its error, 34^-nodes, smaller than rounding.

    >>> a, b, weights = leaving_probabilities(3)
    >>> round(float(weights @ (a * b / (a + b))), 12) == round(2 / 3 * (1 - math.log(2)), 12)
    True
    """
    (larger, larger_weights), (ratio, ratio_weights) = (_unit_gauss(length // 2 + more) for more in (2, 14))
    smaller = np.outer(larger, ratio).ravel()
    larger = np.repeat(larger, len(ratio))
    weights = np.outer(larger_weights, ratio_weights).ravel() * larger
    return np.append(smaller, larger), np.append(larger, smaller), np.append(weights, weights)


def _unit_gauss(num_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(num_nodes)
    return (nodes + 1) / 2, weights / 2


def _of_more_states(num_states: int, length: int) -> tuple[float, float]:
    """Means over a lattice of chains, exact given the chain."""
    k, rows = num_states, lattice_chains(num_states)
    law = partial(_count_law, rows, stationary(rows), length)
    count, one, none = np.arange(length + 2), np.eye(k), np.zeros(k)
    log_factorial, log_rising = _log_gamma(count + 1), _log_gamma(count + k)
    left = stayed = moved = read = 0.0
    for i in range(k):
        left += law(np.outer(one[i], np.ones(k)), none) @ log_rising
        read += law(np.outer(np.ones(k), one[i]), one[i]) @ log_factorial
        stayed += law(np.outer(one[i], one[i]), none) @ log_factorial
        # All moves are alike over all chains: those to the next state speak for the k - 1.
        moved += law(np.outer(one[i], one[i - 1]), none) @ log_factorial
    transitions = left - k * math.lgamma(k) - stayed - (k - 1) * moved
    return float(math.lgamma(length + k + 1) - math.lgamma(k) - read - math.log(k)), float(transitions)


def _count_law(rows: np.ndarray, start: np.ndarray, length: int, moves: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """[L + 2]: the law, over all chains, of how many of L steps are one of `moves`, and the first state in `begins`.

    Its generating function, start (P with the counted moves times z)^L 1, is taken at roots of unity.
    """
    z = np.exp(-2j * np.pi * np.arange(length // 2 + 2) / (length + 2))[:, None]
    reached = start[:, None, :] * (1 + (z - 1) * begins)
    steps = rows[:, None] * (1 + (z[..., None] - 1) * moves)
    for _ in range(length):
        reached = np.einsum("czi,czij->czj", reached, steps)
    return np.fft.irfft(reached.sum(axis=-1).mean(axis=0), length + 2)


def stationary(rows: np.ndarray) -> np.ndarray:
    """[n, k]: the laws that chains [n, k, k] leave as they are.

    >>> stationary(np.array([[[0.75, 0.25], [0.5, 0.5]]])).round(9).tolist()
    [[0.666666667, 0.333333333]]
    """
    k = rows.shape[-1]
    equations = np.swapaxes(np.eye(k) - rows, 1, 2)
    equations[:, -1] = 1  # one equation follows from the others: the sum takes its place
    return np.linalg.solve(equations, np.broadcast_to(np.eye(k)[-1][:, None], (len(rows), k, 1)))[..., 0]


def lattice_chains(num_states: int) -> np.ndarray:
    """[n, k, k]: multiples of the roots of primes modulo 1, folded; each row breaks a stick by Beta(1, pieces left).

    >>> lattice_chains(3).shape
    (4096, 3, 3)
    """
    num_pieces = num_states - 1
    multiples = np.arange(1, _NUM_CHAINS + 1)[:, None] * np.sqrt(_primes(num_states * num_pieces))
    folded = np.abs(2 * (multiples % 1) - 1).reshape(-1, num_states, num_pieces)
    left = np.cumprod(folded ** (1 / np.arange(num_pieces, 0, -1)), axis=-1)
    ends = np.ones((*left.shape[:2], 1))
    return -np.diff(np.concatenate([ends, left, 0 * ends], axis=-1), axis=-1)


def _primes(number: int) -> list[int]:
    """The first primes."""
    found: list[int] = []
    candidate = 2
    while len(found) < number:
        if all(candidate % prime for prime in found):
            found.append(candidate)
        candidate += 1
    return found


def _log_gamma(values: np.ndarray) -> np.ndarray:
    """ln Gamma, elementwise."""
    return np.array([math.lgamma(value) for value in values])
