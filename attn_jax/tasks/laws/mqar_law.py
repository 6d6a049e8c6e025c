"""Which slot each key of MQAR takes, where keys choose one after the other among the slots still free.

Draws without replacement are a race: slot i is reached at an exponential time of rate w_i = (i + 1)^(power - 1), and
the j-th to be reached goes to key j. So its probability is one integral over time,

    P(key j takes slot i) = integral of w_i e^(-w_i t) P(j of the others are reached by t) dt.
"""

import math
from functools import cache

import numpy as np


@cache
def slot_choices(num_slots: int, num_keys: int, power: float) -> np.ndarray:
    """The probability that key j takes slot i, [num_slots, num_keys] float64, keys choosing one after the other.

    The trapezoidal rule over y = ln t converges exponentially (to 1e-12 here).

    Args:
      num_slots: how many there are, at least `num_keys`.
      num_keys: D.
      power: of the power law.

    Returns:
      A table whose columns sum to 1.

    >>> slot_choices(2, 2, 1.0).round(9).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    rates = np.arange(1, num_slots + 1) ** (power - 1.0)
    step = 0.1
    times = np.exp(np.arange(-40, math.log(800 / rates.min()), step))
    reached = -np.expm1(-np.outer(rates, times))  # [slots, nodes]
    density = np.exp(-np.outer(rates, times)) * rates[:, None] * times * step
    choices = np.empty((num_slots, num_keys))
    for slot in range(num_slots):
        count = np.zeros((num_keys, len(times)))  # how many of the others are reached, as far as num_keys - 1
        count[0] = 1
        for other in np.delete(np.arange(num_slots), slot):
            count[1:] += (count[:-1] - count[1:]) * reached[other]
            count[0] *= 1 - reached[other]
        choices[slot] = count @ density[slot]
    return choices
