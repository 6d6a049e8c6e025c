"""Six modes of differentiation of every kind of attention, against the textbook formula differentiated in float64.

One program for each kind and path returns all six. The textbook's Hessian times a direction, by the one way that needs
no rule of ours, is what the three second-order modes must be.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attention_cases import PATHS, draw, each_path, finite, jit, places, plain
from tiers import first

from attn_jax.ops.attention.masks import Causal, Dense, Lengths, SlidingWindow
from attn_jax.ops.attention.scores import ALiBi, RelativeBias, ScoreMod, compose
from attn_jax.testing.oracles import gradient_oracle

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
    parameters: Mapping[str, tuple[int, ...]] = MappingProxyType({})  # more arrays to differentiate, their shapes
    also: Callable[[Any], dict] = lambda p: {}  # more arguments of the textbook form
    heads: tuple[int, int, int] = (N, K, Hv)


def where(visible):
    """A change that masks."""
    return lambda p, scores: jnp.where(jnp.asarray(visible(*places(scores))), scores, -jnp.inf)


def capped(p, scores):
    masked = scores == -jnp.inf
    return jnp.where(masked, scores, 2 * p["cap"] * jnp.tanh(jnp.where(masked, 0, scores) / (2 * p["cap"])))


def bend(p, s, b, h, q, k):
    """A modification of the score by its head, its query and its key, not linear in it; -inf for one key in five."""
    return jnp.where(k % 5 == 3, -jnp.inf, s * p["gain"][h] + p["table"][(q + k) % 3] * s * s)


def bent(p, scores):
    return bend(p, scores, *places(scores))


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
        lambda p, d: {"local_window_size": (1, 2)},
        where(lambda b, h, q, k: (q - 1 <= k) & (k <= q + 2)),
        heads=(2, 1, H),
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
        lambda p, s: s - p["slopes"][places(s)[1]] * np.abs(places(s)[2] - places(s)[3]),
        {"slopes": (N,)},
    ),
    "relative bias": Kind(
        lambda p, d: {"score_mod": RelativeBias(p["table"])}, relative, {"table": (32, N)}, heads=(N, N, Hv)
    ),
    "closure": Kind(
        lambda p, d: {"score_mod": lambda *score: bend(p, *score)},
        bent,
        {"gain": (N,), "table": (3,)},
    ),
    "soft-cap": Kind(lambda p, d: {"logits_soft_cap": 2 * p["cap"]}, capped, {"cap": ()}),
    "sinks": Kind(
        lambda p, d: {"sinks": p["sinks"], "is_causal": True, "q_offset": -2},
        where(lambda b, h, q, k: k <= q - 2),
        {"sinks": (N,)},
        lambda p: {"sinks": p["sinks"]},
    ),
    "dropout": Kind(
        lambda p, d: {"dropout_rate": RATE, "dropout_key": jax.random.clone(d["key"])},
        also=lambda p: {"keep": kept()},
    ),
    "everything": Kind(
        lambda p, d: {
            "bias": p["bias"],
            "mask": Causal(1),
            "segment_ids": (d["q_ids"], d["k_ids"]),
            "score_mod": compose(ScoreMod(bend, {"gain": p["gain"], "table": p["table"]}), lambda s, *places: s),
            "logits_soft_cap": 2 * p["cap"],
            "sinks": p["sinks"],
        },
        everything,
        {"bias": (B, N, T, S), "gain": (N,), "table": (3,), "cap": (), "sinks": (N,)},
        lambda p: {"sinks": p["sinks"]},
    ),
}


def on_fewer_keys(kind):
    """A kind with traced lengths too, which leave no block whole: one loop to compile instead of two."""
    fewer = where(lambda b, h, q, k: k < KEYS[b])
    return kind._replace(
        options=lambda p, d: kind.options(p, d) | {"mask": Lengths(k=d["keys"])},
        change=lambda p, scores: fewer(p, kind.change(p, scores)),
    )


KINDS |= {
    name: on_fewer_keys(KINDS[name])
    for name in ("scale", "bias", "alibi", "relative bias", "closure", "soft-cap", "dropout")
}


def kept():
    """What dropout multiplies each weight by, [B, N, T, S], read off equal weights of the columns of the identity."""
    zeros = jnp.zeros((B, T, N, 1)), jnp.zeros((B, S, 1, 1))
    values = jnp.broadcast_to(jnp.eye(S)[:, None], (B, S, 1, S))
    drop = partial(PATHS["dense"], dropout_rate=RATE, dropout_key=jax.random.key(3))
    return drop(*zeros, values).swapaxes(1, 2) * S


def draw_parameters(kind, seed):
    """Query, key, value and what the kind adds, as a dict; positive, where it is a cap or a scale."""
    random = np.random.default_rng(seed)
    heads, kv_heads, size = kind.heads
    shapes = {"query": (B, T, heads, H), "key": (B, S, kv_heads, H), "value": (B, S, kv_heads, size), **kind.parameters}
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

    (value, gradient), (_, forward_over_reverse) = jax.jvp(jax.value_and_grad(f), (p,), (d,))
    directional, reverse_over_forward = jax.value_and_grad(forward)(p)
    return {
        "value": value,
        "grad": gradient,
        "jvp": directional,
        "jvp of grad": forward_over_reverse,
        "grad of jvp": reverse_over_forward,
        "grad of grad": jax.grad(inner)(p),
    }


def wanted(kind, p, d, weights):
    """The same six of the textbook formula, the three Hessian products from one computation."""

    def f(p):
        return loss(plain, weights, p, change=partial(kind.change, p), **kind.also(p))

    (value, gradient), (jvp, product) = jax.jvp(jax.value_and_grad(f), (p,), (d,))
    second = dict.fromkeys(("jvp of grad", "grad of jvp", "grad of grad"), product)
    return {"value": value, "grad": gradient, "jvp": jvp} | second


def differences(got, want):
    """For every mode that is wrong: the worst error of its leaves."""
    errors = {
        mode: max(
            np.abs(g - w).max() for g, w in zip(jax.tree.leaves(got[mode]), jax.tree.leaves(want[mode]), strict=True)
        )
        for mode in want
    }
    return {mode: error for mode, error in errors.items() if not error < 1e-10}


@cache
def case(name):
    """(parameters, directions, weights of the outputs, what the textbook says), for all paths."""
    kind, random = KINDS[name], np.random.default_rng(1)
    p, d = draw_parameters(kind, 2), draw_parameters(kind, 3)
    shape = (B, T, kind.heads[0], kind.heads[2])
    weights = random.standard_normal(shape), random.standard_normal(shape[:3])
    return p, d, weights, jit(partial(wanted, kind))(p, d, weights)


def modes_of(attention, name):
    """Our six modes of one kind."""
    p, d, weights, _ = case(name)
    data = {name: jnp.asarray(x) for name, x in DATA.items()} | {"key": jax.random.key(3)}

    def run(p, d, data):
        return six_modes(lambda p: loss(attention, weights, p, **KINDS[name].options(p, data)), p, d)

    return jit(run)(p, d, data)


TILED = ("none", "algebra", "dropout", "everything")
DENSE = ("none", "algebra", "bias", "sinks", "everything")  # its derivative is JAX's own, that of blockwise is ours
CASES = [(name, "blockwise") for name in KINDS]
CASES += [(name, "dense") for name in DENSE] + [(name, "tiled") for name in TILED]


@pytest.mark.sampled(1)
@pytest.mark.parametrize("case_on_path", first(sorted(CASES), *sorted(CASES)[::9]), ids="-".join)
def test_six_modes_of_differentiation(case_on_path):
    name, path = case_on_path
    got = modes_of(PATHS[path], name)
    assert differences(got, case(name)[-1]) == {}
    assert all(np.any(x) for x in jax.tree.leaves(got)), "a derivative that is all zero shows nothing"


@pytest.mark.exhaustive
def test_six_modes_twin():
    """A path whose bias has no gradient, and one whose lse has none, are caught in every mode but the value."""

    def deaf(*arrays, bias, **options):
        return PATHS["dense"](*arrays, bias=jax.lax.stop_gradient(bias), **options)

    def cut(*arrays, **options):
        out, lse = PATHS["dense"](*arrays, **options)
        return out, jax.lax.stop_gradient(lse)

    for broken in (deaf, cut):
        assert set(differences(modes_of(broken, "bias"), case("bias")[-1])) == set(case("bias")[-1]) - {"value"}


@pytest.mark.sampled(2)
@each_path
def test_gradients_match_finite_differences_of_the_loops(attention):
    arrays = draw(2, dtype=np.float64)
    directions = [np.asarray(x) for x in draw(3, dtype=np.float64)]
    bias = jnp.asarray(np.random.default_rng(4).standard_normal((4, 5, 7)))
    bias = bias.at[1, 2].set(-jnp.inf)
    cotangent = draw(5, S=5, dtype=np.float64)[0]
    options = {"bias": bias, "logits_soft_cap": 2.0, "sinks": np.arange(4.0)}
    options["score_mod"] = lambda s, b, h, q, k: s * (1 + h) - 0.1 * abs(q - k)

    def run(*arrays):
        return (attention(*arrays, is_causal=True, **options) * cotangent).sum()

    grads = jit(jax.grad(run, (0, 1, 2)))(*arrays)
    got = sum(float((g * d).sum()) for g, d in zip(grads, directions, strict=True))
    options["mask"] = np.tril(np.ones((5, 7), bool))
    want = gradient_oracle(*arrays, cotangent, directions=directions, **options)
    assert abs(got - want) < 1e-7 * max(1, abs(want))  # the central difference's own error
    assert abs(got - gradient_oracle(*arrays, 2 * cotangent, directions=directions, **options)) > 0.1  # it can refuse
