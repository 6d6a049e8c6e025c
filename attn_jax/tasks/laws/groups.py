"""Finite groups as permutations and product tables: what the group word problem multiplies.

Elements are permutations of 0 .. n - 1 in lexicographic order, counted from 0, so that element 0 is the identity.
Products act from left to right, (g h)(i) = h(g(i)): the order in which a word is read is the order in which it moves
things.
"""

from functools import cache
from typing import Literal, TypeAlias

import numpy as np

Group: TypeAlias = Literal["z60", "a4xz5", "a5", "s3", "s5"]
Permutation: TypeAlias = tuple[int, ...]

_GENERATORS: dict[Group, tuple[Permutation, ...]] = {
    "z60": ((*range(1, 60), 0),),  # element k adds k
    "a4xz5": (  # element 5 a + k is element a of A4 on 0 .. 3, and adds k on 4 .. 8
        (1, 2, 0, 3, 4, 5, 6, 7, 8),
        (1, 0, 3, 2, 4, 5, 6, 7, 8),
        (0, 1, 2, 3, 5, 6, 7, 8, 4),
    ),
    "a5": ((1, 2, 0, 3, 4), (0, 1, 3, 4, 2)),
    "s3": ((1, 2, 0), (1, 0, 2)),
    "s5": ((1, 2, 3, 4, 0), (1, 0, 2, 3, 4)),
}


@cache
def permutations(group: Group) -> np.ndarray:
    """The elements of a group, one a row, the identity first.

    Args:
      group: its name.

    Returns:
      [order, n] int32, read-only: row g holds where each point goes; rows ascend lexicographically.

    Raises:
      ValueError: `group` is none that there is.

    >>> permutations("s3").tolist()
    [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
    """
    if group not in _GENERATORS:
        raise ValueError(f"group: got {group!r}, wanted one of {', '.join(_GENERATORS)}")
    return _read_only(np.array(sorted(_closure(_GENERATORS[group])), np.int32))


def _closure(generators: tuple[Permutation, ...]) -> set[Permutation]:
    """All products of the generators; those of a finite group hold every inverse."""
    found, new = set(generators), list(generators)
    while new:
        new = list({tuple(h[i] for i in g) for g in new for h in generators} - found)
        found.update(new)
    return found


@cache
def product_table(group: Group) -> np.ndarray:
    """The product of each two elements: first g, then h.

    Args:
      group: its name.

    Returns:
      [order, order] int32, read-only: entry (g, h) is the element g h.

    >>> product_table("s3")[[1, 2], [2, 1]].tolist()
    [3, 4]
    """
    elements = permutations(group)
    number = {element.tobytes(): g for g, element in enumerate(elements)}
    products = np.stack([elements[:, g] for g in elements])  # [g, h, i] = h(g(i))
    flat = products.reshape(-1, elements.shape[1])
    return _read_only(np.array([number[product.tobytes()] for product in flat], np.int32).reshape(2 * (len(elements),)))


@cache
def division_table(group: Group) -> np.ndarray:
    """What leads from one element to another.

    Args:
      group: its name.

    Returns:
      [order, order] int32, read-only: entry (g, h) is g^-1 h, the element x with g x = h.

    >>> division_table("s3")[1].tolist()
    [1, 0, 3, 2, 5, 4]
    """
    return _read_only(np.argsort(product_table(group), axis=1).astype(np.int32))


def _read_only(table: np.ndarray) -> np.ndarray:
    """The table, which everybody shares, locked."""
    table.setflags(write=False)
    return table
