"""Attention under JAX's transformations: vmap over any argument, jit without retracing, scan, closures; positions."""

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attention_cases import PATHS, blockwise, compiled, dense, draw, jit
from tiers import diagonal, first

from attn_jax.ops.attention.masks import Causal, Dense, Lengths, Mask, Segments
from attn_jax.ops.attention.scores import ALiBi, RelativeBias, ScoreMod
from attn_jax.testing.oracles import attention_oracle

pytestmark = pytest.mark.usefixtures("strict_ranks")

THREE = ["blockwise", "dense", "tiled"]
three = pytest.mark.parametrize("path", THREE)
random = np.random.default_rng(0)


def of(name):
    """An argument by its name alone."""
    return lambda x: {name: x}


def from_table(x):
    return {"score_mod": lambda s, b, h, q, k: s + x[(q + k) % 5]}


def from_limit(x):
    return {"mask": lambda b, h, q, k: (k < x) | (h == 0)}


MAPPED = {  # name: (an argument from an array, three of that array)
    "bias": (of("bias"), random.standard_normal((3, 4, 5, 7)).astype(np.float32)),
    "mask": (of("mask"), random.random((3, 5, 7)) < 0.7),
    "dense": (lambda x: {"mask": Dense(x) | Causal()}, random.random((3, 5, 7)) < 0.7),
    "segment ids": (lambda x: {"segment_ids": (x[:, :5], x)}, random.integers(0, 2, (3, 2, 7))),
    "segments": (lambda x: {"mask": Segments(x[:, :5], x)}, random.integers(0, 2, (3, 2, 7))),
    "lengths": (of("key_value_seq_lengths"), random.integers(0, 8, (3, 2))),
    "one length": (lambda x: {"mask": Lengths(k=x)}, np.array([3, 0, 7])),
    "offset": (lambda x: {"q_offset": x, "is_causal": True}, np.array([0, 2, -3])),
    "offsets": (lambda x: {"q_offset": x, "is_causal": True}, random.integers(-2, 4, (3, 2))),
    "sinks": (of("sinks"), random.standard_normal((3, 4)).astype(np.float32)),
    "scale": (of("scale"), np.array([0.1, 1, 3], np.float32)),
    "cap": (of("logits_soft_cap"), np.array([0.5, 1, 3], np.float32)),
    "slopes": (lambda x: {"score_mod": ALiBi(x)}, random.random((3, 4)).astype(np.float32)),
    "table": (lambda x: {"score_mod": RelativeBias(x)}, random.standard_normal((3, 32, 4)).astype(np.float32)),
    "parameters": (
        lambda x: {"score_mod": ScoreMod(lambda p, s, b, h, q, k: s * p[h], x)},
        random.random((3, 4)).astype(np.float32),
    ),
    "captured table": (from_table, random.standard_normal((3, 5)).astype(np.float32)),
    "captured limit": (from_limit, np.array([3, 0, 7])),
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", first(MAPPED, *list(MAPPED)[::8]))
def test_vmap_over_an_argument(name):
    """Mapped over both paths: the values, and the gradient of the query."""
    argument, stack = MAPPED[name]
    query, key, value = draw(25)
    stack = jnp.asarray(stack)

    def run(x):
        def both(query):
            return jnp.stack([attention(query, key, value, **argument(x)) for attention in (dense, blockwise)])

        out, pull = jax.vjp(both, query)
        return out, pull(jnp.sin(out))[0]

    got, one = jit(jax.vmap(run))(stack), jit(run)
    for i in range(3):
        for g, w in zip(got, one(stack[i]), strict=True):
            np.testing.assert_allclose(g[i], w, atol=2e-6)
    assert not np.allclose(got[0][0], got[0][2])
    np.testing.assert_allclose(got[0][:, 0], got[0][:, 1], atol=2e-6)


@pytest.mark.parametrize(
    ("path", "axes"),
    diagonal(THREE, [(0, None, None), (None, 0, 0), (0, 0, 0), (1, 1, 1), (0, 2, None)]),
)
def test_vmap_over_query_key_and_value(path, axes):
    arguments = [x if a is not None else x[0] for x, a in zip(draw(25, (3, 3), S=3), axes, strict=True)]
    arguments = [x if a != 2 else jnp.moveaxis(x, 0, 2) for x, a in zip(arguments, axes, strict=True)]
    attention = functools.partial(PATHS[path], is_causal=True)
    got = jit(jax.vmap(attention, axes))(*arguments)
    attention = jit(attention)
    for i in range(3):
        one = [x if a is None else jnp.take(x, i, a) for x, a in zip(arguments, axes, strict=True)]
        np.testing.assert_allclose(got[i], attention(*one), atol=1e-6)


def test_vmap_within_vmap():
    arrays = draw(26, (3, 2, 2))
    offsets = jnp.array([[0, 1], [2, 3], [-1, 4]])
    run = functools.partial(blockwise, is_causal=True)
    mapped = jit(jax.vmap(jax.vmap(lambda *a: run(*a[:3], q_offset=a[3]))))(*arrays, offsets)
    one = jit(lambda *a: run(*a[:3], q_offset=a[3]))
    np.testing.assert_allclose(mapped[2, 1], one(*(x[2, 1] for x in (*arrays, offsets))), atol=1e-6)


@three
def test_numbers_that_change_do_not_retrace(path):
    @jit
    @chex.assert_max_traces(n=1)
    def step(arrays, numbers, table):
        mask = Causal(numbers["more"]) | Segments(numbers["ids"][:5], numbers["ids"])
        return jax.value_and_grad(
            lambda q: PATHS[path](
                q,
                *arrays[1:],
                numbers["bias"],
                mask,
                q_offset=numbers["offset"],
                key_value_seq_lengths=numbers["lengths"],
                logits_soft_cap=numbers["cap"],
                score_mod=lambda s, b, h, q, k: s + table[k],
            ).sum()
        )(arrays[0])[0]

    seen = []
    for n in (1, 2, 3):
        numbers = {"more": n, "ids": jnp.arange(7) // n, "offset": -n, "lengths": jnp.array([n, 7]), "cap": 1.0 * n}
        seen.append(float(step(draw(n), numbers | {"bias": jnp.full((5, 7), 0.1 * n)}, jnp.arange(7.0) * n)))
    assert len(set(seen)) == 3
    chex.clear_trace_counter()


def bend(table, s, b, h, q, k):
    """A modification that NumPy and JAX can compute."""
    return s * table[h] + table[0] * (k % 3) * 0.5


@pytest.mark.sampled(1)
@three
def test_closures_under_jit_scan_and_grad(path):
    """A captured array that is the carry of a scan, differentiated through the scan; against a step by step run."""
    arrays, start = draw(27, N=2, K=2), jnp.array([0.5, -0.3])

    def step(table, limit):
        out = PATHS[path](
            *arrays,
            mask=lambda b, h, q, k: k < limit,
            score_mod=functools.partial(bend, table),
        )
        return table + out.mean((0, 1, 3)), None

    def loss(table, unroll):
        if unroll:
            for limit in (3, 5, 7):
                table, _ = step(table, limit)
            return (table**2).sum()
        return (jax.lax.scan(step, table, jnp.array([3, 5, 7]))[0] ** 2).sum()

    got = jit(jax.value_and_grad(functools.partial(loss, unroll=False)))(start)
    mask = [np.arange(7) < limit for limit in (3, 5, 7)]
    table = np.asarray(start, np.float64)
    for m in mask:
        mod = functools.partial(bend, table)
        table = table + attention_oracle(*arrays, mask=m, score_mod=mod)[0].mean((0, 1, 3))
    np.testing.assert_allclose(got[0], (table**2).sum(), rtol=1e-5)
    ahead, behind = (jit(functools.partial(loss, unroll=False))(start + e) for e in (1e-2 * start, -1e-2 * start))
    np.testing.assert_allclose((got[1] * start).sum(), (ahead - behind) / 2e-2, rtol=2e-2)


@pytest.mark.parametrize(("path", "kind"), diagonal(THREE, ["int", "traced", "per row"]))
def test_q_offset_continues_a_causal_sequence(path, kind):
    query, key, value = draw(21, T=7)
    whole = compiled(PATHS[path], is_causal=True)(query, key, value)
    offset = {"int": 3, "traced": jnp.int32(3), "per row": jnp.array([3, 3])}[kind]
    for options in ({"is_causal": True}, {"mask": Causal()}):
        fixed = {"q_offset": offset} if kind == "int" else {}
        attention = compiled(PATHS[path], **options, **fixed)
        got = attention(query[:, 3:], key, value, **({} if fixed else {"q_offset": offset}))
        np.testing.assert_allclose(got, whole[:, 3:], atol=1e-6)


@three
def test_q_offset_of_each_row_and_what_counts_rows(path):
    """Lengths of queries, segment ids and arrays count rows t; causality and functions count positions."""
    arrays, offsets, rows = draw(22), np.array([0, 2]), np.array([4, 3])
    ids, array = np.array([0, 0, 1, 1, 1]), np.random.default_rng(0).random((5, 7)) < 0.8
    key_ids = np.array([0, 0, 0, 1, 1, 1, 0])
    attention = compiled(PATHS[path], is_causal=True, segment_ids=(ids, key_ids), mask=array)
    out = attention(*arrays, q_offset=jnp.array(offsets), query_seq_lengths=jnp.array(rows))
    t, s = np.arange(5)[:, None], np.arange(7)
    mask = (s <= t + offsets[:, None, None]) & (t < rows[:, None, None]) & (ids[:, None] == key_ids) & array
    np.testing.assert_allclose(out, attention_oracle(*arrays, mask=mask[:, None])[0], atol=1e-5)


@three
def test_lengths_may_have_the_shape_of_the_leading_dimensions(path):
    arrays, lengths = draw(23, (2, 3)), jnp.arange(6)
    attention = jit(PATHS[path])
    flat = attention(*arrays, key_value_seq_lengths=lengths)
    np.testing.assert_array_equal(attention(*arrays, key_value_seq_lengths=lengths.reshape(2, 3)), flat)


@dataclasses.dataclass(frozen=True)
class Thirds(Mask):
    """A user's own mask, of every index."""

    def __call__(self, b, h, q, k):
        return (q + k + h + b) % 3 > 0


@three
def test_a_mask_and_a_modification_get_heads_batch_rows_and_positions(path):
    arrays = draw(24, (2, 2))
    b, h, q, k = np.ogrid[:4, :4, :5, :7]
    mask = ((q + 1 + k + h + b) % 3 > 0).reshape(2, 2, 4, 5, 7)

    def score_mod(s, b, h, q, k):
        return s + 0.5 * b - 0.25 * h * k + 0.125 * q * (k % 2)

    want = attention_oracle(*arrays, mask=mask, score_mod=lambda s, b, h, q, k: score_mod(s, b, h, q + 1, k))[0]
    out = compiled(PATHS[path], mask=Thirds(), score_mod=score_mod, q_offset=1)(*arrays)
    np.testing.assert_allclose(out, want, atol=1e-5)


def test_a_function_on_blocks_gets_integers_of_the_shapes_promised():
    seen = []

    def mask(b, h, q, k):
        seen.append([(x.shape, x.dtype.kind) for x in (b, h, q, k)])
        return q >= k

    compiled(blockwise, mask=mask)(*draw(28))
    assert seen[-1] == [((), "i"), ((2, 1, 1), "i"), ((1, 4, 1), "i"), ((1, 1, 3), "i")]


JAX_NN = {
    "all": {
        "bias": jnp.asarray(random.standard_normal((2, 4, 6, 6)), jnp.float32),
        "mask": jnp.asarray((random.random((2, 1, 6, 6)) < 0.7) | np.eye(6, dtype=bool)),
        "is_causal": True,
        "query_seq_lengths": jnp.array([6, 4], jnp.int32),
        "key_value_seq_lengths": jnp.array([6, 5], jnp.int32),
        "scale": 0.7,
    },
    "window": {"local_window_size": (2, 1)},
    "one window": {"local_window_size": 2},
    "causal window": {"local_window_size": (2, 0), "is_causal": True},
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("path", "name"), diagonal(THREE, JAX_NN))
def test_agrees_with_jax_nn_where_the_contracts_do(path, name):
    options = JAX_NN[name]
    arrays, cotangent = draw(26, T=6, S=6), draw(27, T=6)[0]

    def pulled_back(attention):
        run = jit(lambda *a: jax.vjp(functools.partial(attention, **options), *a)[1](cotangent))
        return compiled(attention, **options)(*arrays), *run(*arrays)

    with jax.numpy_rank_promotion("allow"):
        want = pulled_back(jax.nn.dot_product_attention)
    for g, w in zip(pulled_back(PATHS[path]), want, strict=True):
        np.testing.assert_allclose(g, w, atol=1e-5)
