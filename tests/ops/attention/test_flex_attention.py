"""Every row of docs/attention/contract.md's table against FlexAttention, by scripts/golden_flex.py: no torch here."""

import re
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.ops.attention import masks, scores
from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.masks import Causal, Mask
from attn_jax.ops.attention.scores import ALiBi

ROOT = Path(__file__).parent.parent.parent.parent
GOLDEN = dict(np.load(ROOT / "tests" / "golden" / "torch_flex.npz"))
GIVEN = {name.removeprefix("given/"): x for name, x in GOLDEN.items() if name.startswith("given/")}
ARRAYS = [jnp.asarray(GIVEN.pop(name)) for name in ("query", "key", "value")]
NAMES = vars(masks) | vars(scores) | {name: x if x.ndim else x.item() for name, x in GIVEN.items()}
SIGNED = "score - slopes[h] * (q_idx - kv_idx)"


def table():
    """The left column, code, to the right one, as they stand in the page."""
    page = (ROOT / "docs" / "attention" / "contract.md").read_text(encoding="utf-8")
    lines = page.partition("\n| FlexAttention | `attn_jax` |")[2].splitlines()[2:]
    cells = [line.strip("| ").split(" | ") for line in lines[: lines.index("")]]
    return {left.strip("`"): right for left, right in cells if left.startswith("`")}


def options(right):
    """What a cell of the right column says: for each of its forms, joined by `or`, the arguments of attention."""
    for form in right.split(", or "):
        given = {}
        for code in re.findall("`([^`]*)`", form):
            if re.match(r"\w+=", code):
                given |= eval(f"dict({code})", dict(NAMES))
            else:
                x = eval(code, dict(NAMES))
                given["mask" if isinstance(x, Mask) else "score_mod"] = x
        yield given


def differences(row, given, implementation):
    """The greatest of out and of lse."""
    attend = jax.jit(partial(dot_product_attention, return_lse=True, implementation=implementation, **given))
    out, lse = attend(*ARRAYS)
    return np.abs(out - GOLDEN[f"out/{row}"]).max(), np.abs(lse - GOLDEN[f"lse/{row}"]).max()


def test_every_row_of_the_page_has_its_numbers():
    rows = table()
    assert {name.partition("/")[2] for name in GOLDEN if name.startswith("out/")} == {*rows, SIGNED}
    assert len(rows) == 10
    assert all(given and isinstance(given, dict) for right in rows.values() for given in options(right))


@pytest.mark.sampled(1)
@pytest.mark.parametrize("implementation", ["dense", "blockwise"])
def test_the_page_s_table_is_right(implementation):
    for row, right in table().items():
        for given in options(right):
            assert max(differences(row, given, implementation)) < 1e-5, (row, given)


@pytest.mark.exhaustive
@pytest.mark.programs(130)
def test_a_wrong_table_would_be_seen():
    """Every row with the right side of the next one; and ALiBi, which the signed distance is under Causal alone."""
    rows = list(table().items())
    for (row, _), (_, right) in zip(rows, rows[1:] + rows[:1], strict=True):
        for given in options(right):
            assert max(differences(row, given, "dense")) > 1e-2, (row, given)
    alibi = ALiBi(jnp.asarray(GIVEN["slopes"]))
    assert max(differences(SIGNED, {"score_mod": alibi}, "dense")) > 1e-2
    run = partial(dot_product_attention, *ARRAYS, mask=Causal())
    np.testing.assert_allclose(run(score_mod=alibi), run(score_mod=signed), atol=1e-6)


def signed(score, b, h, q, k):
    return score - jnp.asarray(GIVEN["slopes"])[h] * (q - k)
