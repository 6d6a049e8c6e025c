"""Which path runs: by name, by a list of names, by itself; and what says so."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attention_cases import draw

from attn_jax.ops.attention import paths
from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.inputs import check_inputs
from attn_jax.ops.attention.masks import Causal

QUERY, KEY, VALUE = draw(0)


def path_of(T, S, *, implementation=None, **options):
    """The name of the path that a call of these lengths takes."""
    shapes = [jax.ShapeDtypeStruct((1, n, 1, 8), jnp.float32) for n in (T, S, S)]
    found = []
    jax.eval_shape(lambda *a: found.append(paths.choose(check_inputs(*a, **options), implementation)) or a, *shapes)
    return next(name for name, path in paths.PATHS.items() if path is found[0])


@pytest.mark.parametrize(
    ("implementation", "runs"),
    [
        ("dense", "dense"),
        ("blockwise", "blockwise"),
        (("cudnn", "dense"), "dense"),
        (["splash", "blockwise", "dense"], "blockwise"),
        (("cudnn", "splash", "blockwise"), "blockwise"),
        (("dense",), "dense"),
    ],
)
def test_a_name_or_the_first_that_can(implementation, runs):
    assert path_of(5, 7, implementation=implementation) == runs
    got = dot_product_attention(QUERY, KEY, VALUE, implementation=implementation)
    np.testing.assert_allclose(got, dot_product_attention(QUERY, KEY, VALUE), atol=1e-6)


def test_blocks_leave_the_dense_path_out_of_a_list():
    assert path_of(64, 64, implementation=("dense", "blockwise"), block_sizes=(8, 8)) == "blockwise"


@pytest.mark.parametrize(
    ("implementation", "message"),
    [
        (
            "flash",
            r"^implementation: got 'flash', wanted None, or one or more of \['dense', .*'splash', 'xla'\]",
        ),
        ((), r"^implementation: got \(\), wanted"),
        (("dense", "flash"), r"^implementation: got \('dense', 'flash'\), wanted"),
        (
            ("cudnn", "splash"),
            r"^implementation: got .*cudnn: .*on 'cpu'.*splash: .*on 'cpu', wanted the backend 'tpu'",
        ),
    ],
)
def test_implementations_that_do_not_run_are_named(implementation, message):
    with pytest.raises(ValueError, match=message):
        dot_product_attention(QUERY, KEY, VALUE, implementation=implementation)


def test_dense_has_no_blocks():
    with pytest.raises(ValueError, match=r"^implementation: got 'dense'; .*block_sizes: got \(4, 3\).*wanted None"):
        dot_product_attention(QUERY, KEY, VALUE, implementation="dense", block_sizes=(4, 3))


@pytest.mark.parametrize("implementation", ["cudnn", "splash"])
def test_kernels_never_fall_back_on_a_cpu(implementation):
    x = jnp.ones((1, 128, 1, 64), jnp.bfloat16 if implementation == "cudnn" else jnp.float32)
    with pytest.raises((ValueError, NotImplementedError, RuntimeError), match=implementation):
        jax.block_until_ready(dot_product_attention(x, x, x, implementation=implementation))


@pytest.mark.parametrize(
    ("lengths", "runs"),
    [
        ((64, 64), "dense"),
        ((112, 112), "dense"),
        ((128, 128), "blockwise"),
        ((256, 256), "blockwise"),
        ((1, 100_000), "dense"),
        ((2048, 8), "dense"),
        ((64, 4096), "blockwise"),
        ((0, 7), "dense"),
    ],
)
def test_the_choice_by_length(lengths, runs):
    assert path_of(*lengths) == path_of(*lengths, is_causal=True) == runs


def test_blocks_choose_the_path_that_has_them():
    assert path_of(8, 8, block_sizes=(4, 4)) == "blockwise"


@pytest.mark.parametrize("T", [111, 130])
def test_both_choices_mean_the_same(T):
    """Across the threshold: the automatic path is each of the named ones."""
    arrays = draw(1, (1,), T, T, 2, 1, 4)
    run = functools.partial(dot_product_attention, is_causal=True, local_window_size=(40, 3), mask=~Causal(-60))
    auto, *named = (jax.jit(functools.partial(run, implementation=i))(*arrays) for i in (None, "dense", "blockwise"))
    for one in named:
        np.testing.assert_allclose(auto, one, atol=2e-6)
