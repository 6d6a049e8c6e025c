"""How attention compares queries and keys: the similarities of `ops/attention/similarities.py`, trained, a head each.

All but the additive one are dot products of what queries and keys are made into, and take every path of attention. The
additive one has no such form: its scores are computed, all at once, and handed to attention as a bias.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import jax
import jax.numpy as jnp

from attn_jax.mixers.parts.attention_positions import TURNED, PositionConfig
from attn_jax.mixers.parts.options import check_choice
from attn_jax.ops.attention.similarities import directions, init_additive, init_bilinear
from attn_jax.ops.norms import accumulator
from attn_jax.types import Array, Key, Params

Form: TypeAlias = Literal["scaled_dot", "dot", "bilinear", "cosine", "additive"]


@dataclass(frozen=True, kw_only=True)
class SimilarityConfig(PositionConfig):
    """What scores are before positions are added: `logit_scale * similarity(q, k)`, of queries and keys of size H.

    "scaled_dot" is q . k / sqrt(H) (Vaswani et al. 2017, arXiv 1706.03762), "dot" is q . k, "bilinear" q^T W k (Luong
    et al. 2015, arXiv 1508.04025), "cosine" q . k / (|q| |k|) (Graves et al. 2014, arXiv 1410.5401) and "additive"
    v . tanh(q W_q + k W_k) of H hidden units (Bahdanau et al. 2014, arXiv 1409.0473). Queries and keys are projected in
    all of them alike; W is w_bilinear [N, H, H], Glorot uniform, and W_q, W_k and v are w_hidden_q [N, H, H],
    w_hidden_k [K, H, H] and v_hidden [N, H], as `init_additive` draws them.

    At their own scale they differ at the start in the variance of scores, more than in form: of entries of variance 1
    dot and bilinear have about H, the scaled product 1, the cosine 1 / H. `logit_scale` sets them side by side.

    Args:
      similarity: "scaled_dot", "dot", "bilinear", "cosine" or "additive".
      logit_scale: what similarities are multiplied by; of "scaled_dot" it stands in place of 1 / sqrt(H). None = the
        similarity's own, which is 1 for all others.
      learn_scale: the logarithm of the scale is learned, one a head, from there on: log_scale [N].
    """

    similarity: Form = "scaled_dot"
    logit_scale: float | None = None
    learn_scale: bool = False

    def __post_init__(self):
        super().__post_init__()
        check_choice("similarity", self.similarity, get_args(Form))
        if self.logit_scale is not None and not 0 < self.logit_scale < math.inf:
            raise ValueError(f"logit_scale: got {self.logit_scale}, wanted a number > 0, or None for the form's own")
        if self.similarity == "additive" and self.head_positions in TURNED:
            raise ValueError(
                f"similarity: got 'additive' beside head_positions={self.head_positions!r}, wanted a form of dot "
                "products: turned queries and keys tell of distance by these alone"
            )


def check_beside(config: SimilarityConfig, *, qk_norm: bool, window: int | None, implementation: str | None) -> None:
    """Raises where the other options of attention and the similarity make no sense together."""
    if config.similarity == "cosine" and qk_norm:
        raise ValueError("qk_norm: got True beside similarity='cosine', wanted False: a cosine has no lengths to norm")
    if config.similarity != "additive":
        return
    if window is not None:
        raise ValueError(
            f"window: got {window} beside similarity='additive', wanted None: its scores go by place, which a ring "
            "writes again"
        )
    if implementation not in (None, "dense"):
        raise ValueError(
            f"implementation: got {implementation!r} beside similarity='additive', wanted 'dense' or None: its scores "
            "are computed all at once"
        )


def init_similarity(config: SimilarityConfig, key: Key, num_heads: int, kv_heads: int, head_dim: int) -> Params:
    """What the similarity learns; {} of the scaled product at its own scale."""
    params: Params = {}
    if config.similarity == "bilinear":
        drawn = jax.vmap(lambda key: init_bilinear(key, head_dim, head_dim))(_keys(key, num_heads))
        params = {"w_bilinear": drawn["weights"]}
    elif config.similarity == "additive":
        drawn = jax.vmap(lambda key: init_additive(key, head_dim, head_dim, head_dim))(_keys(key, num_heads))
        params = {"w_hidden_q": drawn["w_q"], "w_hidden_k": drawn["w_k"][:kv_heads], "v_hidden": drawn["v"]}
    if config.learn_scale:
        params |= {"log_scale": jnp.full(num_heads, math.log(_scale(config, head_dim)))}
    return params


def comparable(config: SimilarityConfig, params: Params, q: Array, k: Array) -> tuple[Array, Array]:
    """Queries [B, T, N, H] and keys [B, T, K, H] as the similarity takes them: keys that may be kept in a cache."""
    if config.similarity == "bilinear":
        return _mapped(q, params["w_bilinear"]), k
    if config.similarity == "additive":
        return _mapped(q, params["w_hidden_q"]), _mapped(k, params["w_hidden_k"])
    if config.similarity == "cosine":
        return _directions(q), _directions(k)
    return q, k


def compared(config: SimilarityConfig, params: Params, q: Array, k: Array) -> tuple[Array, Array, dict[str, Any]]:
    """Queries, keys and options of attention whose scores are the similarities, of what `comparable` gives."""
    scale = _scale(config, q.shape[-1])
    learned = jnp.exp(params["log_scale"]) if config.learn_scale else None
    if config.similarity == "additive":
        v = params["v_hidden"] * (scale if learned is None else learned[:, None])
        return jnp.zeros_like(q[..., :1]), k[..., :1], {"bias": _additive(v, q, k)}
    if learned is not None:
        return (q * learned[:, None]).astype(q.dtype), k, {"scale": 1.0}
    own = config.similarity == "scaled_dot" and config.logit_scale is None
    return q, k, {} if own else {"scale": scale}


def _keys(key: Key, num_heads: int) -> Key:
    """A key for each head; the projections are drawn from the key itself."""
    return jax.random.split(jax.random.fold_in(key, 1), num_heads)


def _scale(config: SimilarityConfig, head_dim: int) -> float:
    """What similarities are multiplied by, at the start where it is learned."""
    if config.logit_scale is not None:
        return config.logit_scale
    return head_dim**-0.5 if config.similarity == "scaled_dot" else 1.0


def _additive(v: Array, q: Array, k: Array) -> Array:
    """`v_n . tanh(q_tn + k_sm)`, m the head of keys that head n reads, [B, N, T, S], in float32 at least."""
    (B, T, N, H), (S, K) = q.shape, k.shape[1:3]
    wide = accumulator(q.dtype)
    grouped = q.reshape(B, T, 1, K, N // K, H).astype(wide)
    hidden = jnp.tanh(grouped + k[:, None, :, :, None].astype(wide))  # [B, T, S, K, N // K, H]
    return jnp.einsum("btskgh,kgh->bkgts", hidden, v.reshape(K, N // K, H).astype(wide)).reshape(B, N, T, S)


def _mapped(x: Array, weights: Array) -> Array:
    """Each head of x [B, T, N, H] by its own matrix [N, H, A]."""
    return jnp.einsum("btnh,nha->btna", x.astype(accumulator(x.dtype)), weights).astype(x.dtype)


def _directions(x: Array) -> Array:
    """Heads of length 1."""
    return directions(x.astype(accumulator(x.dtype))).astype(x.dtype)
