"""Forward and gradient against torch, by numbers that scripts/golden_torch.py made; no torch is needed here."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.layers.multi_head import multi_head_attention
from attn_jax.models import Transformer
from attn_jax.ops.recurrence.cells import gru_step, lstm_step, rnn_step, scan_cell
from attn_jax.types import IO

GOLDEN = Path(__file__).parent.parent / "golden"
STEPS = {"rnn": rnn_step, "lstm": lstm_step, "gru": gru_step}


def load(name):
    """A file's plain arrays, and those under value/ and gradient/ as trees."""
    flat = dict(np.load(GOLDEN / f"torch_{name}.npz"))
    trees = {"value": {}, "gradient": {}}
    for path in [path for path in flat if path.split("/")[0] in trees]:
        *parts, leaf = path.split("/")
        node = trees
        for part in parts:
            node = node.setdefault(part, {})
        node[leaf] = flat.pop(path)
    return flat, as_lists(trees["value"]), as_lists(trees["gradient"])


def as_lists(tree):
    """Dicts whose keys count from 0 as lists."""
    if not isinstance(tree, dict):
        return tree
    tree = {name: as_lists(part) for name, part in tree.items()}
    return [tree[str(i)] for i in range(len(tree))] if "0" in tree else tree


def require_close(got, want):
    """1e-5 of the largest value of each leaf, every leaf of the one in the other."""
    got = dict(jax.tree.leaves_with_path(got))
    want = dict(jax.tree.leaves_with_path(want))
    assert got.keys() == want.keys()
    for path, leaf in want.items():
        scale = max(np.abs(leaf).max(), 1.0)
        np.testing.assert_allclose(got[path] / scale, leaf / scale, atol=2e-5, err_msg=jax.tree_util.keystr(path))


def compare(function, value, flat, gradient):
    """The output and the gradient of sum(out * cotangent)."""

    def total(value):
        out = function(value)
        return jnp.sum(out * flat["cotangent"]), out

    (_, out), got = jax.jit(jax.value_and_grad(total, has_aux=True))(value)
    require_close(out, flat["out"])
    require_close(got, gradient)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("place", ["post", "pre"])
def test_the_whole_transformer(place):
    flat, params, gradient = load(f"transformer_{place}")
    config = Transformer(8, 2, num_heads=2, d_ff=12, norm_place=place, use_bias=True, tied=False)
    model = config.make(IO(num_classes=7, vocab_size=7), 6)
    empty = {} if place == "pre" else {"encoder_norm": {}, "decoder_norm": {}}

    def logits(params):
        return model.apply(params | empty, flat["source"], flat["source_valid"], flat["target_in"])

    assert jax.tree.structure(params | empty) == jax.tree.structure(jax.eval_shape(model.init, jax.random.key(0)))
    compare(logits, params, flat, gradient)


def test_multi_head_attention():
    flat, value, gradient = load("multi_head")

    def attend(value):
        params = {name: leaf for name, leaf in value.items() if name[1] == "_" and name[0] in "wb"}
        return multi_head_attention(params, value["x_q"], value["x_kv"], key_value_seq_lengths=flat["lengths"])

    compare(attend, value, flat, gradient)


@pytest.mark.parametrize("name", STEPS)
def test_cells(name):
    flat, value, gradient = load(name)

    def run(value):
        state = value["state"]
        return scan_cell(STEPS[name], value, value["x"], tuple(state) if len(state) > 1 else state[0])

    compare(lambda value: run(value)[0], value, flat, gradient)
    for got, index in zip(jax.tree.leaves(run(value)[1]), (0, 1), strict=False):
        require_close(got, flat[f"last/{index}"])


@pytest.mark.exhaustive
def test_another_weight_is_seen():
    """The comparison refuses a model whose smallest part differs."""
    flat, params, gradient = load("transformer_post")
    config = Transformer(8, 2, num_heads=2, d_ff=12, mlp="gelu", use_bias=True, tied=False)
    model = config.make(IO(num_classes=7, vocab_size=7), 6)
    empty = {"encoder_norm": {}, "decoder_norm": {}}
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        compare(
            lambda p: model.apply(p | empty, flat["source"], flat["source_valid"], flat["target_in"]),
            params,
            flat,
            gradient,
        )
