"""Golden numbers from FlexAttention, for the table of docs/attention/contract.md: python scripts/golden_flex.py [FILE]

Writes tests/golden/torch_flex.npz: inputs, and by row of the table what `flex_attention` makes of them, out and
log-sum-exp, computed in float64 and stored as float32, so that tests/ops/attention/test_flex_attention.py needs no
torch. Made with torch 2.13.0. A change of the file is a bug, unless this script changed.

The left column of the table is code, and is run as it stands in the page; what it names is defined here. FlexAttention
runs as it is, on a CPU and not compiled.
"""

import math
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]: in the extra `bench`, not in `test`
from torch import Tensor  # pyright: ignore[reportMissingImports]
from torch.nn.attention.flex_attention import (  # pyright: ignore[reportMissingImports]
    AuxRequest,
    create_block_mask,
    flex_attention,
    or_masks,
)

B, N, T, S, H = 2, 2, 6, 6, 4
PAGE = Path(__file__).parent.parent / "docs" / "attention" / "contract.md"
HEADING = "\n| FlexAttention | `attn_jax` |"
SIGNED = "score - slopes[h] * (q_idx - kv_idx)"  # no row: what ALiBi is under a causal mask alone


def main(file: str = "tests/golden/torch_flex.npz") -> None:
    """Writes the file."""
    torch.manual_seed(1)
    drawn = {name: torch.randn(B, T, N, H, dtype=torch.float64) for name in ("query", "key", "value")}
    named = {
        "W": torch.tensor(2),
        "n": torch.tensor(3),
        "offset": torch.tensor(2),
        "cap": torch.tensor(0.75, dtype=torch.float64),
        "document": torch.tensor([0, 0, 1, 1, 1, 2]),
        "lengths": torch.tensor([4, 6]),
        "slopes": torch.tensor([0.5, 0.125], dtype=torch.float64),
        "table": torch.randn(8, N, dtype=torch.float64),
        "bias": torch.randn(B, N, T, S, dtype=torch.float64),
    }
    stored = {f"given/{name}": x for name, x in (drawn | named).items()}
    for row in (*rows(), SIGNED):
        out, lse = attend(row, drawn, named)
        stored |= {f"out/{row}": out, f"lse/{row}": lse}
    arrays: dict[str, Any] = {name: _to_numpy(x) for name, x in stored.items()}
    np.savez_compressed(file, **arrays)


def rows() -> list[str]:
    """The left column of the page's table, without the backticks; the last row, of anything, has none."""
    lines = PAGE.read_text(encoding="utf-8").partition(HEADING)[2].splitlines()[2:]
    table = lines[: lines.index("")]
    return [line.split(" | ")[0].strip("| ").strip("`") for line in table if line.startswith("| `")]


def attend(row: str, drawn: dict[str, Tensor], named: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """(out [B, T, N, H], lse [B, T, N]) of one row."""
    query, key, value = (x.transpose(1, 2) for x in drawn.values())
    modifies = "score" in row
    function = _function(row, modifies, named)
    mask = None if modifies else create_block_mask(function, B, N, T, S, device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is not compiled
        out, aux = flex_attention(
            query,
            key,
            value,
            score_mod=function if modifies else None,
            block_mask=mask,
            return_aux=AuxRequest(lse=True),
        )
    return out.transpose(1, 2), aux.lse.transpose(1, 2)


def _function(row: str, modifies: bool, named: dict[str, Tensor]) -> Any:
    """The row's code as a score_mod or mask_mod; a row that is a function already is taken as it is."""
    scope = named | {"torch": torch, "math": math, "or_masks": or_masks, "causal": _causal, "bucket": _bucket}
    if row.startswith("or_masks"):
        return eval(row, scope)
    arguments = "score, b, h, q_idx, kv_idx" if modifies else "b, h, q_idx, kv_idx"
    return eval(f"lambda {arguments}: {row}", scope)


def _causal(b: Tensor, h: Tensor, q_idx: Tensor, kv_idx: Tensor) -> Tensor:
    return q_idx >= kv_idx


def _bucket(relative: Tensor) -> Tensor:
    """T5's buckets, bidirectional, 8 of them up to a distance of 128, as its code has them."""
    side, exact = 4, 2
    distance = relative.abs()
    far = exact + (torch.log(distance.clamp(min=1) / exact) / math.log(128 / exact) * (side - exact)).long()
    return side * (relative > 0) + torch.where(distance < exact, distance, far.clamp(max=side - 1))


def _to_numpy(x: Tensor) -> np.ndarray:
    array = x.detach().numpy()
    return array.astype(np.float32) if array.dtype == np.float64 else array


if __name__ == "__main__":
    main(*sys.argv[1:])
