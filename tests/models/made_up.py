"""Parameters in NumPy, where it does not matter how a model begins: what draws them takes long to compile."""

import jax
import numpy as np


def made_up(init):
    """As `init` shapes them, normal numbers of a deviation of 0.3."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(init, jax.random.key(0))
    return jax.tree.map(lambda leaf: rng.normal(0, 0.3, leaf.shape).astype(leaf.dtype), shapes)
