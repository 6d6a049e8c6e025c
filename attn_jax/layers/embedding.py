"""Token embeddings, and the readout that shares their table."""

from functools import partial

import jax
import jax.numpy as jnp

from attn_jax.ops.arguments import floats, integers, random_key, scalar, takes, whole
from attn_jax.ops.layout import with_rank
from attn_jax.types import Array, Key, Params


@takes(key=random_key, num_rows=partial(whole, least=0), d_model=partial(whole, least=1), scale=scalar)
def init_embedding(key: Key, num_rows: int, d_model: int, *, scale: float) -> Params:
    """A table of Gaussian rows.

    Args:
      key: a key.
      num_rows: V, the number of tokens or places.
      d_model: the width D.
      scale: the standard deviation.

    Returns:
      {"table": [V, D]}, float32.

    >>> init_embedding(jax.random.key(0), 5, 2, scale=1.0)["table"].shape
    (5, 2)
    """
    return {"table": scale * jax.random.normal(key, (num_rows, d_model), jnp.float32)}


@takes(tokens=integers)
def embedding(params: Params, tokens: Array) -> Array:
    """The table's rows at the tokens; an unknown token gives NaN, never a neighbour's row.

    Args:
      params: of `init_embedding`.
      tokens: [...] integers in 0 .. V-1.

    Returns:
      [..., D].

    >>> embedding({"table": jnp.array([[1.0], [2.0]])}, jnp.array([1, 0])).tolist()
    [[2.0], [1.0]]
    """
    return jnp.asarray(params["table"]).at[tokens].get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)


@takes(x=floats, bias=floats)
def unembedding(params: Params, x: Array, bias: Array) -> Array:
    """Logits by the rows of the embedding's own table: `x table^T / sqrt(D) + bias`.

    The scale stands for that of a table of variance 1 / D whose rows are multiplied by sqrt(D) where they are read.

    Args:
      params: of `init_embedding`.
      x: [..., D].
      bias: [V].

    Returns:
      [..., V] in x's dtype.

    >>> unembedding({"table": jnp.array([[1.0] * 4, [2.0] * 4])}, jnp.ones(4), jnp.zeros(2)).tolist()
    [2.0, 4.0]

    Reference: Press & Wolf 2016, arXiv 1608.05859; the scale: Vaswani et al. 2017, arXiv 1706.03762, section 3.4.
    """
    table = jnp.asarray(params["table"], x.dtype)
    return x @ table.T * table.shape[-1] ** -0.5 + with_rank(bias.astype(x.dtype), x.ndim)
