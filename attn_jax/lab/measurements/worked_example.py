"""One query, three keys and three values, traced number by number: what attention computes, with pencil and paper.

The numbers are chosen so that every one of them is exact: the scaled similarities are 0, ln 2 and ln 3, so that the
softmax is 1/6, 2/6 and 3/6.
"""

import math
from fractions import Fraction
from typing import Any

import jax.numpy as jnp
import numpy as np

from attn_jax.ops.attention.dense import attention_weights
from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.retrieval import attend, single_head_attention

QUERY = (2.0, 0.0, 0.0, 0.0)  # H = 4, sqrt(H) = 2
KEYS = ((0.0, 1.0, 0.0, 0.0), (math.log(2), 0.0, 1.0, 0.0), (math.log(3), 0.0, 0.0, 1.0))
VALUES = ((6.0, 0.0), (0.0, 6.0), (12.0, 6.0))
WEIGHTS = (Fraction(1, 6), Fraction(2, 6), Fraction(3, 6))
RESULT = (Fraction(7), Fraction(5))  # 6/6 + 3 12/6, and 2 6/6 + 3 6/6


def by_hand() -> list[dict[str, Any]]:
    """A row a key: the products of query and key, their sum, the sum over sqrt(H), its exponential, weight, weight v.

    Nothing but additions, multiplications and exponentials, one after another.
    """
    rows, powers = [], []
    for key in KEYS:
        products = [q * k for q, k in zip(QUERY, key, strict=True)]
        powers.append(math.exp(sum(products) / math.sqrt(len(QUERY))))
        rows.append({"products": products, "sum": sum(products), "scaled": sum(products) / math.sqrt(len(QUERY))})
    for row, power, value in zip(rows, powers, VALUES, strict=True):
        weight = power / sum(powers)
        row |= {"exponential": power, "weight": weight, "weighted value": [weight * v for v in value]}
    return rows


def steps() -> dict[str, list[float]]:
    """{step: the numbers by hand, in order}, "similarities", "weights" and "value"."""
    rows = by_hand()
    value = np.sum([row["weighted value"] for row in rows], axis=0).tolist()
    return {"similarities": [r["scaled"] for r in rows], "weights": [r["weight"] for r in rows], "value": value}


def library() -> dict[str, dict[str, list[float]]]:
    """{function: {step: its numbers}} of every function of the library that computes this."""
    query, keys, values = (np.array(x, np.float32) for x in (QUERY, KEYS, VALUES))
    found = attend(query, keys, values)
    heads = [x[None, :, None] for x in (query[None], keys, values)]
    answers = {
        "attend": {"similarities": found.similarities, "weights": found.weights, "value": found.value},
        "single_head_attention": {"value": single_head_attention(query[None], keys, values)[0]},
        "attention_weights": {"weights": attention_weights(*heads[:2])[0, 0, 0]},
    }
    for path in ("dense", "blockwise"):
        attended = dot_product_attention(*heads, implementation=path)
        answers[f"dot_product_attention, {path}"] = {"value": attended[0, 0, 0]}
    return {name: {step: jnp.asarray(x).tolist() for step, x in of.items()} for name, of in answers.items()}


def differences() -> list[dict[str, Any]]:
    """A row a function and step: the largest difference of its numbers from those by hand."""
    hand = steps()
    return [
        {"what": f"{step} of {name}", "difference": max(abs(a - b) for a, b in zip(numbers, hand[step], strict=True))}
        for name, of in library().items()
        for step, numbers in of.items()
    ]
