"""Programs for other machines: forward and gradient through `jax.export`, with symbolic sizes where JAX allows."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attention_cases import blockwise, dense, draw, finite, tiled_attention
from jax import export
from tiers import SECOND, first

from attn_jax.ops.attention.dense import attention_reference
from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.scores import ALiBi

pytestmark = pytest.mark.usefixtures("strict_ranks")

PATHS = {"dense": dense, "tiled": tiled_attention, "blockwise": blockwise}


def loss(attention, query, key, value, lengths):
    """A number that needs out and lse, of a program with a mask that is traced, a cap, and a function."""
    out, lse = attention(
        query,
        key,
        value,
        is_causal=True,
        key_value_seq_lengths=lengths,
        logits_soft_cap=5.0,
        score_mod=lambda s, b, h, q, k: s - 0.1 * h * abs(q - k),
        return_lse=True,
    )
    return out.sum() + finite(lse).sum()


def program(attention):
    return jax.jit(jax.value_and_grad(functools.partial(loss, attention), (0, 1, 2)))


def assert_same(got, want):
    for g, w in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-5, atol=1e-6)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("path", first(PATHS, "dense", "blockwise"))
def test_exports_forward_and_gradient(path):
    attention = PATHS[path]
    arguments = (*draw(30), jnp.array([7, 0]))
    for platform in ("cpu", "cuda", "tpu"):
        exported = export.export(program(attention), platforms=[platform])(*arguments)
        artifact = export.deserialize(exported.serialize())
        assert artifact.platforms == (platform,)
        if platform == "cpu":
            assert_same(artifact.call(*arguments), program(attention)(*arguments))


def symbolic(arrays, *specs):
    """The arrays' shapes with letters in the place of numbers, in one scope."""
    scope = export.SymbolicScope()
    return [
        jax.ShapeDtypeStruct(export.symbolic_shape(spec, scope=scope), x.dtype)
        for x, spec in zip(arrays, specs, strict=True)
    ]


BATCH = ("b, 5, 4, 3", "b, 7, 2, 3", "b, 7, 2, 3", "b")


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "attention",
    [pytest.param(dense, marks=SECOND), blockwise, pytest.param(dot_product_attention, marks=SECOND)],
    ids=["dense", "blockwise", "automatic"],
)
def test_a_symbolic_batch(attention):
    arguments = (*draw(31, (3,)), jnp.array([7, 0, 4]))
    exported = export.export(program(attention), platforms=["cpu", "cuda"])(*symbolic(arguments, *BATCH))
    artifact = export.deserialize(exported.serialize())
    assert_same(artifact.call(*arguments), program(attention)(*arguments))
    one = [x[:1] for x in arguments]
    assert_same(artifact.call(*one), program(attention)(*one))


LENGTHS = ("2, t, 4, 3", "2, s, 2, 3", "2, s, 2, 3", "2")


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "attention",
    [dense, pytest.param(dot_product_attention, marks=SECOND), pytest.param(attention_reference, marks=SECOND)],
    ids=["dense", "automatic", "reference"],
)
def test_a_symbolic_length_on_the_dense_path(attention):
    exported = export.export(program(attention))(*symbolic((*draw(32), jnp.array([7, 0])), *LENGTHS))
    for T, S in ((5, 7), (1, 3), (24, 30)):
        arguments = (*draw(33, T=T, S=S), jnp.array([S, 0]))
        assert_same(exported.call(*arguments), program(dense)(*arguments))


def test_a_symbolic_length_is_refused_by_the_blockwise_path():
    """Its plan, which blocks there are, is made of numbers."""
    with pytest.raises(ValueError, match=r"implementation: got 'blockwise'.*\(T, S\) = \(t, s\).*wants plain ints"):
        export.export(program(functools.partial(dot_product_attention, implementation="blockwise")))(
            *symbolic((*draw(34), jnp.array([7, 0])), *LENGTHS)
        )


def everything(attention, query, key, value, bias, mask, q_ids, k_ids, offsets):
    """Every argument that has a length or a batch, and dropout."""
    return attention(
        query,
        key,
        value,
        bias,
        mask,
        segment_ids=(q_ids, k_ids),
        q_offset=offsets,
        local_window_size=(6, None),
        score_mod=ALiBi(jnp.ones(4)),
        sinks=jnp.ones(4),
        dropout_rate=0.1,
        dropout_key=jax.random.key(0),
    )


def draw_everything(T=5, S=7):
    random = np.random.default_rng(35)
    arrays = random.standard_normal((2, 1, T, S)), random.random((2, 4, T, S)) < 0.8
    ids = [random.integers(0, 2, (2, n)) for n in (T, S)]
    return *draw(35, T=T, S=S), *(jnp.asarray(x) for x in (arrays[0].astype(np.float32), arrays[1], *ids, [1, 0]))


BATCHES = (*BATCH[:3], "b, 1, 5, 7", "b, 4, 5, 7", "b, 5", "b, 7", "b")
ALL_LENGTHS = (*LENGTHS[:3], "2, 1, t, s", "2, 4, t, s", "2, t", "2, s", "2")


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("attention", "specs"),
    [pytest.param(dense, BATCHES, marks=SECOND), (blockwise, BATCHES), pytest.param(dense, ALL_LENGTHS, marks=SECOND)],
    ids=["dense, batch", "blockwise, batch", "dense, lengths"],
)
def test_symbolic_sizes_of_every_argument(attention, specs):
    run = jax.jit(functools.partial(everything, attention))
    arguments = draw_everything()
    exported = export.export(run)(*symbolic(arguments, *specs))
    assert_same(exported.call(*arguments), run(*arguments))
