"""Sizes of models and states: parameters and bytes, from shapes alone."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from attn_jax.models.base import EncoderDecoder, Model


class Parameters(NamedTuple):
    """The size of a model."""

    total: int
    matched: int  # without the tables of tokens, places and readout, which the task sizes, whatever the model


def count_parameters(model: Model | EncoderDecoder) -> Parameters:
    """How many parameters a model has; nothing is computed."""
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    total = _size(shapes)
    return Parameters(total, total - sum(_size(shapes[table]) for table in model.tables if table in shapes))


def _size(shapes: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


def floating_bytes(state: Any) -> int:
    """The size of a state: what its floating leaves hold, complex ones too; counters and masks are not counted."""
    floating = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    return sum(leaf.size * leaf.dtype.itemsize for leaf in floating)
