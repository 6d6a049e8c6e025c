"""What `explain_attention` says is what `dot_product_attention` does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.ops.attention.explain import explain_attention
from attn_jax.ops.attention.masks import Causal, SlidingWindow

LONG = jax.ShapeDtypeStruct((2, 512, 4, 16), jnp.float32)
SHORT = jax.ShapeDtypeStruct((2, 32, 4, 16), jnp.float32)


def test_a_long_call_is_blockwise_and_says_what_it_costs():
    found = explain_attention(LONG, LONG, LONG, is_causal=True, block_sizes=(128, 64))
    live = np.add.outer(np.arange(4) * 128 + 127, -np.arange(8) * 64) >= 0
    assert (found.path, found.block_sizes) == ("blockwise", (128, 64))
    assert (found.live_blocks, found.all_blocks) == (live.sum(), 32)
    assert found.full_blocks == (np.add.outer(np.arange(4) * 128, -np.arange(8) * 64 - 63) >= 0).sum()
    assert found.flops == 2 * 2 * 4 * (16 + 16) * live.sum() * 128 * 64
    assert 0 < found.forward_bytes < found.backward_bytes
    assert set(found.refused) == {"dense", "cudnn", "splash"}


def test_a_short_call_is_dense():
    found = explain_attention(SHORT, SHORT, SHORT)
    assert (found.path, found.block_sizes) == ("dense", None)
    assert (found.live_blocks, found.full_blocks, found.all_blocks) == (1, 1, 1)
    assert found.flops == 2 * 2 * 4 * 32 * 32 * 32
    assert "slower" in found.refused["blockwise"]
    assert "backend 'gpu'" in found.refused["cudnn"]
    assert "backend 'tpu'" in found.refused["splash"]


def test_every_reason_is_the_one_that_holds():
    named = explain_attention(SHORT, SHORT, SHORT, implementation="blockwise")
    assert named.path == "blockwise"
    assert "leaves it out" in named.refused["dense"]
    first = explain_attention(SHORT, SHORT, SHORT, implementation=("dense", "blockwise"))
    assert "comes first" in first.refused["blockwise"]


def test_masks_of_traced_numbers_visit_every_block():
    known = explain_attention(LONG, LONG, LONG, mask=SlidingWindow(10), implementation="blockwise")
    offsets = explain_attention(LONG, LONG, LONG, mask=SlidingWindow(10), q_offset=jnp.zeros(2, int))
    assert known.live_blocks < known.all_blocks
    assert offsets.live_blocks == offsets.all_blocks


def test_memory_of_dense_is_more_than_that_of_blocks():
    sizes = [explain_attention(LONG, LONG, LONG, implementation=i).backward_bytes for i in ("dense", "blockwise")]
    assert sizes[0] > 2 * sizes[1]


def test_it_prints():
    text = str(explain_attention(LONG, LONG, LONG, mask=Causal()))
    for part in ("path      blockwise", "not dense", "not cudnn", "live", "GFLOP forward", "MB of temporaries"):
        assert part in text


def test_arrays_do_as_well_as_shapes_and_nothing_is_computed():
    x = jnp.full((1, 8, 2, 4), jnp.nan)
    with jax.debug_nans(True):
        assert explain_attention(x, x, x, jnp.zeros((8, 8)), sinks=jnp.zeros(2)).path == "dense"


def test_an_empty_call():
    found = explain_attention(SHORT, jnp.ones((2, 0, 4, 16)), jnp.ones((2, 0, 4, 16)))
    assert (found.path, found.flops) == ("dense", 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"implementation": "flash"}, "implementation"),
        ({"mask": jnp.ones((3, 3), bool)}, "mask"),
        ({"sinks": 1}, "sinks"),
    ],
)
def test_wrong_arguments_are_those_of_attention(options, message):
    with pytest.raises(ValueError, match=f"^{message}: got"):
        explain_attention(SHORT, SHORT, SHORT, **options)
