"""Position encodings as functions of integer positions."""

import jax.numpy as jnp

from attn_jax.types import Array


def sinusoidal(positions: Array, d_model: int, *, base: float = 10_000.0) -> Array:
    """The sinusoidal position encoding: sines in even, cosines in odd channels.

    pe[p, 2i] = sin(p / base^(2i / D)),    pe[p, 2i+1] = cos(p / base^(2i / D))

    Args:
      positions: [...] integers, the places counted from 0.
      d_model: the width D, even or odd.
      base: the wavelengths run from 2 pi to base * 2 pi places.

    Returns:
      [..., D] float32.

    >>> sinusoidal(jnp.arange(2), 4)[0].tolist()
    [0.0, 1.0, 0.0, 1.0]

    Reference: Vaswani et al. 2017, arXiv 1706.03762, section 3.5.
    """
    pairs = jnp.arange((d_model + 1) // 2, dtype=jnp.float32)
    angle = positions[..., None].astype(jnp.float32) * jnp.exp(-pairs * (2 * jnp.log(base) / d_model))
    waves = jnp.stack([jnp.sin(angle), jnp.cos(angle)], -1)
    return waves.reshape(*angle.shape[:-1], -1)[..., :d_model]


def learned(positions: Array, table: Array) -> Array:
    """Looks learned position vectors up; a place outside the table gives NaN, never a neighbour's vector.

    Args:
      positions: [...] integers, the places counted from 0.
      table: [M, D], one row a place.

    Returns:
      [..., D] in the table's dtype.

    >>> learned(jnp.array([1, 2]), jnp.ones((2, 1))).tolist()
    [[1.0], [nan]]

    Reference: Gehring et al. 2017, arXiv 1705.03122, section 3.1.
    """
    return table.at[positions].get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)
