"""Six modes of differentiation of every kind of attention, against the textbook formula differentiated in float64.

One program for each kind and path returns all six. The textbook's Hessian times a direction, by the one way that needs
no rule of ours, is what the three second-order modes must be.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attention_cases import PATHS, finite, places, plain

from attn_jax.ops.masks import Causal, Dense, Lengths, SlidingWindow
from attn_jax.ops.scores import ALiBi, RelativeBias, ScoreMod, compose

pytestmark = pytest.mark.usefixtures("strict_ranks", "x64")

B, T, S, N, K, H, Hv = 2, 6, 7, 4, 2, 3, 2
OFFSETS, ROWS, KEYS = np.array([1, -2]), np.array([6, 4]), np.array([7, 3])
Q_IDS, K_IDS = np.array([[0, 0, 1, 1, 2, 2], [1, 1, 1, 1, 0, 0]]), np.array([[0, 1, 1, 1, 3, 2, 2], [0] * 4 + [1] * 3])
ARRAY = np.random.default_rng(0).random((N, T, S)) < 0.5
RATE = 0.4
DATA = {"offsets": OFFSETS, "rows": ROWS, "keys": KEYS, "q_ids": Q_IDS, "k_ids": K_IDS, "array": ARRAY}


class Kind(NamedTuple):
    """A kind of attention: as our arguments, and done to scores [B, N, T, S] by hand."""

    options: Callable[[Any, Any], dict]  # (parameters, traced integers) -> keyword arguments
    change: Callable[[Any, Any], Any] = lambda p, scores: scores
    parameters: dict[str, tuple[int, ...]] = {}  # more arrays to differentiate, their shapes
    also: Callable[[Any], dict] = lambda p: {}  # more arguments of the textbook form
    heads: tuple[int, int, int] = (N, K, Hv)


def where(visible):
    """A change that masks."""
    return lambda p, scores: jnp.where(jnp.asarray(visible(*places(scores))), scores, -jnp.inf)


def capped(p, scores):
    return 2 * p["cap"] * jnp.tanh(scores / (2 * p["cap"]))


def bent(p, scores):
    """A modification of the score by its head, its query and its key, not linear in it; -inf for one key in five."""
    _, h, q, k = places(scores)
    scores = scores * p["gain"][h] + p["table"][k % 3] * scores**2 / (1 + q)
    return jnp.where(k % 5 == 3, -jnp.inf, scores)


def bent_closure(p):
    return lambda s, b, h, q, k: jnp.where(
        k % 5 == 3, -jnp.inf, s * p["gain"][h] + p["table"][k % 3] * s**2 / (1 + q).astype(s.dtype)
    )


def bend(p, s, b, h, q, k):
    return bent_closure(p)(s, b, h, q, k)


def relative(p, scores):
    """T5's buckets of distances below 8: one each, those of later keys 16 behind."""
    _, h, q, k = places(scores)
    return scores + p["table"][np.abs(k - q) + 16 * (k > q), h]


def everything(p, scores):
    causal = where(lambda b, h, q, k: (k <= q + 1) & (Q_IDS[b, q] == K_IDS[b, k]))
    return causal(p, capped(p, bent(p, scores + p["bias"])))


KINDS = {
    "none": Kind(lambda p, d: {}, heads=(2, 2, H)),
    "scale": Kind(lambda p, d: {"scale": p["scale"]}, parameters={"scale": ()}, also=lambda p: {"scale": p["scale"]}),
    "causal": Kind(lambda p, d: {"is_causal": True}, where(lambda b, h, q, k: k <= q)),
    "offsets": Kind(
        lambda p, d: {"is_causal": True, "q_offset": d["offsets"]}, where(lambda b, h, q, k: k <= q + OFFSETS[b])
    ),
    "window": Kind(
        lambda p, d: {"local_window_size": (1, 2)}, where(lambda b, h, q, k: (q - 1 <= k) & (k <= q + 2)), heads=(2, 1, H)
    ),
    "segments": Kind(
        lambda p, d: {"segment_ids": (d["q_ids"], d["k_ids"])}, where(lambda b, h, q, k: Q_IDS[b, q] == K_IDS[b, k])
    ),
    "lengths": Kind(
        lambda p, d: {"query_seq_lengths": d["rows"], "key_value_seq_lengths": d["keys"]},
        where(lambda b, h, q, k: (q < ROWS[b]) & (k < KEYS[b])),
    ),
    "closure mask": Kind(
        lambda p, d: {"mask": lambda b, h, q, k: (q * k + h + b + d["rows"][b]) % 3 > 0},
        where(lambda b, h, q, k: (q * k + h + b + ROWS[b]) % 3 > 0),
    ),
    "algebra": Kind(
        lambda p, d: {"mask": (Dense(d["array"]) | SlidingWindow(1)) & ~(Causal(-4) & Lengths(k=d["keys"]))},
        where(lambda b, h, q, k: (ARRAY[h, q, k] | (k <= q) & (k >= q - 1)) & ~((k <= q - 4) & (k < KEYS[b]))),
    ),
    "bias": Kind(lambda p, d: {"bias": p["bias"]}, lambda p, s: s + p["bias"], {"bias": (B, N, T, S)}),
    "masking bias": Kind(
        lambda p, d: {"bias": jnp.where(d["array"][:, 1:2], p["bias"], -jnp.inf)},
        lambda p, s: s + jnp.where(ARRAY[None, :, 1:2], p["bias"][None], -jnp.inf),
        {"bias": (N, 1, S)},
    ),
    "alibi": Kind(
        lambda p, d: {"score_mod": ALiBi(p["slopes"])},
        lambda p, s: s - p["slopes"][:, None, None][None] * np.abs(np.arange(T)[:, None] - np.arange(S)),
        {"slopes": (N,)},
    ),
    "relative bias": Kind(
        lambda p, d: {"score_mod": RelativeBias(p["table"])}, relative, {"table": (32, N)}, heads=(N, N, Hv)
    ),
    "closure": Kind(lambda p, d: {"score_mod": bent_closure(p)}, bent, {"gain": (N,), "table": (3,)}),
    "soft-cap": Kind(lambda p, d: {"logits_soft_cap": 2 * p["cap"]}, capped, {"cap": ()}),
    "sinks": Kind(
        lambda p, d: {"sinks": p["sinks"], "is_causal": True, "q_offset": -2},
        where(lambda b, h, q, k: k <= q - 2),
        {"sinks": (N,)},
        lambda p: {"sinks": p["sinks"]},
    ),
    "dropout": Kind(
        lambda p, d: {"dropout_rate": RATE, "dropout_key": d["key"]}, also=lambda p: {"keep": kept(N)}
    ),
    "everything": Kind(
        lambda p, d: {
            "bias": p["bias"],
            "mask": Causal(1),
            "segment_ids": (d["q_ids"], d["k_ids"]),
            "score_mod": compose(ScoreMod(bend, {"gain": p["gain"], "table": p["table"]}), lambda s, *places: s),
            "logits_soft_cap": 2 * p["cap"],
            "sinks": p["sinks"],
            "dropout_rate": RATE,
            "dropout_key": d["key"],
        },
        everything,
        {"bias": (B, N, T, S), "gain": (N,), "table": (3,), "cap": (), "sinks": (N,)},
        lambda p: {"sinks": p["sinks"], "keep": kept(N)},
    ),
}


def kept(heads):
    """What dropout multiplies each weight by, [B, N, T, S], read off equal weights of the columns of the identity."""
    zeros = jnp.zeros((B, T, heads, 1)), jnp.zeros((B, S, 1, 1))
    values = jnp.broadcast_to(jnp.eye(S)[:, None], (B, S, 1, S))
    drop = partial(PATHS["dense"], dropout_rate=RATE, dropout_key=jax.random.key(3))
    return np.asarray(drop(*zeros, values)).swapaxes(1, 2) * S


def draw_parameters(kind, seed):
    """Query, key, value and what the kind adds, as a dict; positive, where it is a cap or a scale."""
    random = np.random.default_rng(seed)
    heads, kv_heads, size = kind.heads
    shapes = {"query": (B, T, heads, H), "key": (B, S, kv_heads, H), "value": (B, S, kv_heads, size)} | kind.parameters
    drawn = {name: jnp.asarray(random.standard_normal(shape)) for name, shape in shapes.items()}
    return drawn | {name: 1 + abs(drawn[name]) for name in ("cap", "scale") if name in drawn}


def loss(attention, weights, p, **options):
    """A number that every output, lse included, has a part in, and whose cotangents depend on the outputs."""
    out, lse = attention(p["query"], p["key"], p["value"], return_lse=True, **options)
    return (jnp.sin(out) * weights[0]).sum() + (finite(lse) * weights[1]).sum()


def six_modes(f, p, d):
    """Value, gradient, directional derivative, and the Hessian times d in three ways."""

    def forward(p):
        return jax.jvp(f, (p,), (d,))[1]

    def inner(p):
        return sum(jnp.vdot(g, x) for g, x in zip(jax.tree.leaves(jax.grad(f)(p)), jax.tree.leaves(d), strict=True))

    value, gradient = jax.value_and_grad(f)(p)
    return {
        "value": value,
        "grad": gradient,
        "jvp": forward(p),
        "jvp of grad": jax.jvp(jax.grad(f), (p,), (d,))[1],
        "grad of jvp": jax.grad(forward)(p),
        "grad of grad": jax.grad(inner)(p),
    }


def wanted(kind, p, d, weights):
    """The same six of the textbook formula, the three Hessian products from one computation."""

    def f(p):
        options = {name: x if name == "keep" else x for name, x in kind.also(p).items()}
        return loss(plain, weights, p, change=partial(kind.change, p), **options)

    (value, gradient), (jvp, product) = jax.jvp(jax.value_and_grad(f), (p,), (d,))
    second = dict.fromkeys(("jvp of grad", "grad of jvp", "grad of grad"), product)
    return {"value": value, "grad": gradient, "jvp": jvp} | second


def differences(got, want):
    """For every mode that is wrong: the worst error of its leaves."""
    errors = {
        mode: max(np.abs(g - w).max() for g, w in zip(jax.tree.leaves(got[mode]), jax.tree.leaves(want[mode]), strict=True))
        for mode in want
    }
    return {mode: error for mode, error in errors.items() if not error < 1e-10}


@pytest.mark.parametrize("path", ["dense", "tiled", "blockwise"])
@pytest.mark.parametrize("name", KINDS)
def test_six_modes_of_differentiation(name, path):
    kind, random = KINDS[name], np.random.default_rng(1)
    p, d = draw_parameters(kind, 2), draw_parameters(kind, 3)
    weights = random.standard_normal((B, T, kind.heads[0], kind.heads[2])), random.standard_normal((B, T, kind.heads[0]))
    data = {name: jnp.asarray(x) for name, x in DATA.items()} | {"key": jax.random.key(3)}

    def run(p, d, data):
        f = lambda p: loss(PATHS[path], weights, p, **kind.options(p, data))
        return six_modes(f, p, d)

    got = jax.jit(run)(p, d, data)
    want = jax.jit(partial(wanted, kind))(p, d, weights)
    assert differences(got, want) == {}
    assert all(np.any(x) for x in jax.tree.leaves(got)), "a derivative that is all zero shows nothing"
