"""What the programs are made of: no T x S array on the blockwise path, memory linear in T, only live blocks."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attention_cases import blockwise, dense, draw, tiled_attention
from tiers import diagonal

from attn_jax.ops.attention import block_tiling
from attn_jax.ops.attention import blockwise as blockwise_module
from attn_jax.ops.attention.masks import Causal, Dense, Lengths, PrefixLM, SlidingWindow
from attn_jax.ops.attention.scores import RelativeBias

pytestmark = pytest.mark.usefixtures("strict_ranks")

T, S = 97, 89  # of no other axis, so that an array of both shows


def nested(jaxpr):
    """The jaxpr and all that its equations hold."""
    yield jaxpr
    for equation in jaxpr.eqns:
        for inner in jax.tree.leaves(tuple(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns")):
            inner = getattr(inner, "jaxpr", inner)
            if hasattr(inner, "eqns"):
                yield from nested(inner)


def shapes(function, *arguments):
    """The shapes of every value that is computed, at any depth."""
    jaxprs = nested(jax.make_jaxpr(function)(*arguments).jaxpr)
    return {variable.aval.shape for jaxpr in jaxprs for e in jaxpr.eqns for variable in e.outvars}


def is_square(shape):
    """Whether an array has as many numbers as the scores of a head, in whatever layout."""
    return math.prod(shape) >= T * S


def uses(**options):
    """What an argument of the program would be, bound while tracing."""
    return lambda: options


KINDS = {
    "none": uses(),
    "causal": uses(is_causal=True),
    "offsets": uses(is_causal=True, q_offset=jnp.arange(1)),
    "function": uses(mask=lambda b, h, q, k: (q * k) % 3 > 0),
    "segments": uses(segment_ids=(jnp.arange(T) // 9, jnp.arange(S) // 9)),
    "lengths": uses(key_value_seq_lengths=jnp.array([50]), query_seq_lengths=jnp.array([60])),
    "algebra": uses(mask=(Causal(3) | PrefixLM(4)) & ~SlidingWindow(2)),
    "score function": uses(score_mod=lambda s, b, h, q, k: s - abs(q - k) * jnp.float32(0.1)),
    "relative bias": lambda: {"score_mod": RelativeBias(jnp.ones((32, 1)))},
    "cap and sinks": uses(logits_soft_cap=3.0, sinks=jnp.ones(1)),
    "dropout": lambda: {"dropout_rate": 0.1, "dropout_key": jax.random.key(0)},
    "bias of keys": uses(bias=jnp.ones((1, S))),
}
PASSES = {
    "forward": lambda f: f,
    "gradient": lambda f: jax.grad(lambda *a: f(*a).sum(), (0, 1, 2)),
    "hessian": lambda f: lambda *a: jax.jvp(jax.grad(lambda *a: f(*a).sum(), (0, 1, 2)), a, a)[1],
}


@pytest.mark.parametrize(("kind", "which"), diagonal(KINDS, PASSES))
def test_no_value_is_as_large_as_the_scores(kind, which):
    arrays = draw(0, (1,), T, S, N=1, K=1, H=2)
    attention = functools.partial(blockwise, block_sizes=(16, 8), **KINDS[kind]())
    found = shapes(PASSES[which](attention), *arrays)
    assert not any(map(is_square, found))
    assert any(math.prod(shape) == 16 * 8 for shape in found), "the walk reached the blocks"


@pytest.mark.parametrize("which", PASSES)
def test_no_value_is_as_large_as_the_scores_twin(which):
    assert any(map(is_square, shapes(PASSES[which](dense), *draw(0, (1,), T, S, N=1, K=1, H=2))))


def test_only_the_gradient_of_a_whole_bias_is_as_large():
    arrays, bias = draw(0, (1,), T, S, N=1, K=1, H=2), jnp.ones((T, S))
    attention = functools.partial(blockwise, block_sizes=(16, 8))
    inside = [s for s in shapes(lambda b, *a: attention(*a, b), bias, *arrays) if is_square(s)]
    assert {math.prod(s) for s in inside} <= {T * S}, "the bias itself, reshaped"


def temporaries(attention, length, backward):
    """The bytes that the compiled program needs beside arguments and results."""
    x = jax.ShapeDtypeStruct((1, length, 2, 8), jnp.float32)
    function = jax.grad(lambda *a: attention(*a).sum(), (0, 1, 2)) if backward else attention
    return jax.jit(function).lower(x, x, x).compile().memory_analysis().temp_size_in_bytes


GROWING = {
    "none": lambda: {},
    "causal": lambda: {"is_causal": True},
    "function": lambda: {"mask": lambda b, h, q, k: (q * k) % 3 > 0},
    "dropout": lambda: {"dropout_rate": 0.1, "dropout_key": jax.random.key(0)},
}


def growth(attention, backward):
    """How temporaries grow from T = 512 to 1024, and to 2048."""
    sizes = [temporaries(attention, length, backward) for length in (512, 1024, 2048)]
    return [b / a for a, b in itertools.pairwise(sizes)]


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("kind", "way"), diagonal(GROWING, ["forward", "backward"]))
def test_memory_grows_with_length_linearly(kind, way):
    attention = functools.partial(blockwise, block_sizes=(128, 128), **GROWING[kind]())
    assert max(growth(attention, way == "backward")) <= 2.2


def test_memory_grows_with_length_linearly_twin():
    assert min(growth(dense, backward=False)) > 3


def scan_lengths(function, *arguments):
    """The number of steps of each scan, and of each loop over tiles."""
    jaxprs = nested(jax.make_jaxpr(function)(*arguments).jaxpr)
    return [e.params["length"] for jaxpr in jaxprs for e in jaxpr.eqns if e.primitive.name in ("scan", "tiles")]


def test_an_accelerator_computes_all_tiles_at_once(monkeypatch):
    arrays = draw(4, (5,), 40, 40)  # 10 tiles, 9 blocks each
    attention = functools.partial(blockwise, is_causal=True, block_sizes=(16, 16))
    monkeypatch.setattr(block_tiling, "_TILE_SCORES", 1)
    want = jax.jit(attention)(*arrays)
    assert 10 in scan_lengths(attention, *arrays)
    monkeypatch.setattr(block_tiling, "on_cpu", lambda: False)
    fresh = lambda *arrays: attention(*arrays)  # noqa: E731  (a new function: traces are cached)
    assert 10 not in scan_lengths(fresh, *arrays)
    np.testing.assert_allclose(jax.jit(fresh)(*arrays), want, atol=1e-6)


LIVE = {
    "none": ({}, None),
    "causal": ({"is_causal": True}, Causal()),
    "causal with an offset": ({"is_causal": True, "q_offset": -20}, Causal(-20)),
    "window": ({"local_window_size": (9, 0)}, SlidingWindow(9)),
    "length": ({"key_value_seq_lengths": 30}, Lengths(k=30)),
    "algebra": ({"mask": Causal() & ~SlidingWindow(12)}, Causal() & ~SlidingWindow(12)),
    "nothing": ({"mask": Lengths(k=0)}, Lengths(k=0)),
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("options", "mask"), LIVE.values(), ids=LIVE)
@pytest.mark.programs(40)
def test_live_blocks_are_those_of_which_a_pair_is_visible(options, mask):
    arrays = draw(0, (1,), 50, 41, N=1, K=1, H=2)
    steps = scan_lengths(functools.partial(forward_alone, **options), *arrays)
    array = np.ones((50, 41), bool) if mask is None else np.asarray(mask.materialize(50, 41))
    blocks = [array[i : i + 8, j : j + 6] for i in range(0, 50, 8) for j in range(0, 41, 6)]
    assert sum(steps) == sum(block.any() for block in blocks)
    whole = sum(block.all() and block.shape == (8, 6) for block in blocks)
    assert sum(steps) == whole or steps[0] == whole or whole == 0


def test_the_tests_own_tiled_path_is_tiled():
    assert scan_lengths(tiled_attention, *draw(2)) == [2]
    assert scan_lengths(dense, *draw(2)) == []


def forward_alone(query, key, value, **options):
    """The forward pass alone, without the search for what is not finite, which scans too but hardly ever runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blockwise_module, "_taint", lambda plan, tiles, dirty, shared, lse: jnp.zeros_like(lse))
        jax.clear_caches()
        result = blockwise(query, key, value, block_sizes=(8, 6), **options)
    jax.clear_caches()
    return result


def test_a_mask_of_traced_numbers_visits_every_block():
    arrays = draw(0, (1,), 50, 41, N=1, K=1, H=2)

    def attention(offset, *arrays):
        return forward_alone(*arrays, is_causal=True, q_offset=offset)

    assert sum(scan_lengths(attention, jnp.int32(0), *arrays)) == 7 * 7


def test_equal_eager_calls_compile_once():
    arrays = draw(1, T=9, S=11)
    before = blockwise_module._attend._cache_size()
    for seed in (1, 2, 3):
        lengths = jnp.array([seed, 11])
        blockwise(*draw(seed, T=9, S=11), is_causal=True, key_value_seq_lengths=lengths, q_offset=lengths)
        mask = Dense(jnp.arange(11) < seed)
        blockwise(*arrays, mask=mask, logits_soft_cap=jnp.float32(seed))
    assert blockwise_module._attend._cache_size() == before + 2
    blockwise(*arrays, is_causal=True)
    assert blockwise_module._attend._cache_size() == before + 3, "another mask is another program"
