"""Attention by NumPy loops in float64, straight from its definition: what every fast form must equal.

Imports nothing of the package, so that no mistake can be shared. For users' own kernels too.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np


def attention_oracle(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    *,
    scale: float | None = None,
    logits_soft_cap: float | None = None,
    score_mod: Callable[..., Any] | None = None,
    sinks: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    """`out_t = sum_s softmax_s(cap(mod(scale * query_t . key_s + bias_ts))) value_s` over visible s, one row at a time.

    A pair is visible where the mask is True and neither bias nor modification is -inf; nothing else is ever read. A
    row without a visible pair is 0 and its lse -inf, or its sink.

    Args:
      query: [..., T, N, H]; any array that NumPy can turn into float64, as all below.
      key: [..., S, K, H]; query head n reads head n // (N // K).
      value: [..., S, K, Hv].
      bias: broadcastable to [..., N, T, S].
      mask: bool, broadcastable to [..., N, T, S], True = may attend.
      scale: 1 / sqrt(H) by default.
      logits_soft_cap: c replaces scores by c * tanh(scores / c).
      score_mod: NumPy function (scores, b, h, q, k) -> scores, called with a row's scores and its visible keys k, both
        [n], and ints: b the flat index of the leading dimensions, h the query head, q the row t.
      sinks: [N] or a scalar, one more score a head that takes its share of the softmax and gives no value.

    Returns:
      out [..., T, N, Hv] and lse [..., T, N] (natural log), float64.

    Example:
      >>> out, lse = attention_oracle(np.zeros((1, 1, 2)), np.ones((2, 1, 2)), np.array([[[1.0]], [[3.0]]]))
      >>> out.tolist(), bool(lse[0, 0] == np.log(2))
      ([[[2.0]]], True)
    """
    query, key, value = (np.asarray(x, np.float64) for x in (query, key, value))
    *lead, T, N, H = query.shape
    S, K = key.shape[-3:-1]
    bias = np.broadcast_to(np.asarray(0 if bias is None else bias, np.float64), (*lead, N, T, S))
    mask = np.broadcast_to(np.asarray(True if mask is None else mask), (*lead, N, T, S)) & (bias != -np.inf)
    scale = 1 / math.sqrt(H) if scale is None else scale
    sinks = None if sinks is None else np.broadcast_to(np.asarray(sinks, np.float64), (N,))
    out, lse = np.zeros((*lead, T, N, value.shape[-1])), np.full((*lead, T, N), -np.inf)
    for flat, b in enumerate(np.ndindex(*lead)):
        for t, n in np.ndindex(T, N):
            kv, seen = n // (N // K), np.flatnonzero(mask[(*b, n, t)])
            scores = scale * key[(*b, seen, kv)] @ query[(*b, t, n)] + bias[(*b, n, t, seen)]
            if score_mod is not None:
                scores = np.asarray(score_mod(scores, flat, n, t, seen))
                seen, scores = seen[scores != -np.inf], scores[scores != -np.inf]
            if logits_soft_cap is not None:
                scores = logits_soft_cap * np.tanh(scores / logits_soft_cap)
            terms = scores if sinks is None else np.append(scores, sinks[n])
            if terms.size:
                powers = np.exp(terms - terms.max())
                out[(*b, t, n)] = (powers[: seen.size] / powers.sum()) @ value[(*b, seen, kv)]
                lse[(*b, t, n)] = terms.max() + np.log(powers.sum())
    return out, lse


def gradient_oracle(
    query: Any,
    key: Any,
    value: Any,
    cotangent: Any,
    *,
    directions: tuple[Any, Any, Any],
    step: float = 1e-5,
    **options: Any,
) -> float:
    """The derivative of `sum(out * cotangent)` along `directions`, by a central difference of `attention_oracle`.

    Args:
      query, key, value: as in `attention_oracle`.
      cotangent: [..., T, N, Hv].
      directions: one array for each of query, key and value, of its shape.
      step: of the difference; its error is of the order of step ** 2.
      **options: those of `attention_oracle`.

    Returns:
      The directional derivative.

    Example:
      >>> one = np.ones((1, 1, 1))
      >>> round(gradient_oracle(one, one, one, one, directions=(one, one, 3 * one)), 6)
      3.0
    """
    ahead, behind = (
        attention_oracle(
            *(
                np.asarray(x, np.float64) + sign * step * d
                for x, d in zip((query, key, value), directions, strict=True)
            ),
            **options,
        )[0]
        for sign in (1, -1)
    )
    return float(((ahead - behind) * np.asarray(cotangent, np.float64)).sum() / (2 * step))
