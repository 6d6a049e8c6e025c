"""Longest paths as matrices: a sum is a maximum, a product is a sum, and -inf says that there is no path.

entry [i, o]: the most steps from i to o;    (A B)[i, o] = max_k A[i, k] + B[k, o]
"""

import numpy as np


def identity(size: int) -> np.ndarray:
    """Everything reaches itself, in no step, and nothing else.

    >>> identity(2).tolist()
    [[0.0, -inf], [-inf, 0.0]]
    """
    return np.where(np.eye(size, dtype=bool), 0.0, -np.inf)


def compose(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The product [I, K] x [K, O] -> [I, O]; one k at a time keeps it small.

    >>> compose(np.array([[1.0, 5.0]]), np.array([[2.0], [-np.inf]])).tolist()
    [[3.0]]
    """
    result = np.full((left.shape[0], right.shape[1]), -np.inf)
    for k in range(left.shape[1]):
        np.maximum(result, left[:, k, None] + right[k], out=result)
    return result


def power(step: np.ndarray, exponent: int) -> np.ndarray:
    """The product of so many equal matrices [I, I], by repeated squaring.

    >>> power(np.array([[3.0]]), 5).tolist(), power(np.array([[3.0]]), 0).tolist()
    ([[15.0]], [[0.0]])
    """
    result = identity(len(step))
    while exponent:
        if exponent & 1:
            result = compose(result, step)
        exponent >>= 1
        step = compose(step, step) if exponent else step
    return result
