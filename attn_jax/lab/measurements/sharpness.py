"""What the scale of scores does to a softmax: how many keys share the weight, how steep it is, what is retrieved.

Queries, keys and values are independent normal numbers of variance 1: what a layer with a usual start computes of
inputs that were normalised.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.ops.attention.retrieval import attend
from attn_jax.ops.attention.similarities import Similarity
from attn_jax.training.compiling import compiled
from attn_jax.types import Array, Key

KEYS, DRAWS = 16, 256


def sharpness_rows(
    similarities: Mapping[str, Similarity], sizes: Sequence[int], seeds: Sequence[int]
) -> list[dict[str, Any]]:
    """A row a similarity, size H and seed, of 256 draws of a query and 16 keys.

    "keys": the mean of exp(entropy of the weights), as many keys as share the weight. "steep": the median norm of
    d weights / d scores. "steep in the mean": its mean, which a few draws that are not decided hold up.
    """
    rows = []
    for H in sizes:

        def draw(key: Key, H=H) -> tuple[Array, Array]:
            drawn = jax.random.normal(key, (1 + KEYS, H))
            each = [_sharp(drawn[0], drawn[1:], similarity) for similarity in similarities.values()]
            return jnp.stack([keys for keys, _ in each]), jnp.stack([steep for _, steep in each])

        keys, steep = _drawn(draw, seeds)  # [S, 256, similarities]
        measured = {"keys": keys.mean(1), "steep": np.median(steep, 1), "steep in the mean": steep.mean(1)}
        rows += [
            {"similarity": name, "H": H, "seed": seed} | {what: float(x[s, i]) for what, x in measured.items()}
            for i, name in enumerate(similarities)
            for s, seed in enumerate(seeds)
        ]
    return rows


def _sharp(query: Array, keys: Array, similarity: Similarity) -> tuple[Array, Array]:
    """(keys that share the weight, steepness) of one draw."""
    weights = attend(query, keys, keys, similarity=similarity).weights
    entropy = -jnp.sum(jnp.where(weights > 0, weights * jnp.log(jnp.where(weights > 0, weights, 1)), 0))
    return jnp.exp(entropy), jnp.linalg.norm(jnp.diag(weights) - jnp.outer(weights, weights))


def retrieval_rows(scales: Sequence[float], seeds: Sequence[int], *, H: int = 16) -> list[dict[str, Any]]:
    """A row a scale and seed: the query is one of 16 keys, the scaled product multiplied by `scale`.

    "weight": the mean weight on that key. "found": the share of draws whose retrieved value is nearest to that key's.
    """
    rows = []
    for scale in scales:

        def draw(key: Key, scale=scale) -> tuple[Array, Array]:
            keys, values = (jax.random.normal(k, (KEYS, H)) for k in jax.random.split(key))
            got = attend(scale * keys[0], keys, values)
            return got.weights[0], jnp.argmin(jnp.sum((values - got.value) ** 2, -1)) == 0

        weight, found = _drawn(draw, seeds)
        rows += [
            {"scale": scale, "seed": seed, "weight": float(weight[s].mean()), "found": float(found[s].mean())}
            for s, seed in enumerate(seeds)
        ]
    return rows


def _drawn(draw: Callable[[Key], tuple[Array, Array]], seeds: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """[S, 256, ...] of both, in one program."""
    keys = jax.vmap(lambda seed: jax.random.split(jax.random.key(seed), DRAWS))(jnp.asarray(seeds))
    first, second = compiled(jax.vmap(jax.vmap(draw)), keys)(keys)
    return np.asarray(first, float), np.asarray(second, float)
