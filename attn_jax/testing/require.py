"""How the checks say that a promise is broken."""

import numpy as np


def require(condition: bool | np.bool_, message: str) -> None:
    """`assert`, which python -O would leave out.

    >>> require(True, "never said")
    """
    if not condition:
        raise AssertionError(message)
