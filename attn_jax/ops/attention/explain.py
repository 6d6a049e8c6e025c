"""What a call of attention would do, without doing it: the path, the blocks, the memory, the work."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from attn_jax.ops.attention.block_tiling import choose_block_sizes, live_blocks
from attn_jax.ops.attention.inputs import Inputs, Options, check_inputs
from attn_jax.ops.attention.masks import Mask
from attn_jax.ops.attention.paths import PATHS, choose, why_not_chosen
from attn_jax.ops.attention.sinks import finish
from attn_jax.types import Array


@dataclass(frozen=True)
class Explanation:
    """What `explain_attention` found; `print` it, or read its fields."""

    path: str  # the path that runs
    refused: dict[str, str]  # every other path: why it does not
    block_sizes: tuple[int, int] | None  # (block_q, block_k); None on a path without blocks of ours
    live_blocks: int  # blocks that are computed; a path without blocks is one
    full_blocks: int  # of these, blocks that need no mask
    all_blocks: int
    flops: int  # of the two matrix products forward, 2 M N K each, over live blocks
    forward_bytes: int | None  # temporaries of the compiled program; None where this machine cannot compile it
    backward_bytes: int | None  # the same of forward + backward

    def __str__(self) -> str:
        lines = [f"path      {self.path}"]
        lines += [f"  not {name:<10} {reason}" for name, reason in self.refused.items()]
        if self.block_sizes is not None:
            share = self.live_blocks / max(1, self.all_blocks)
            lines.append(
                f"blocks    {self.block_sizes[0]} x {self.block_sizes[1]}: {self.live_blocks} of {self.all_blocks} "
                f"live ({share:.0%}), {self.full_blocks} of them without a mask"
            )
        lines.append(f"products  {self.flops / 1e9:.3g} GFLOP forward")
        for name, size in (("forward", self.forward_bytes), ("+ backward", self.backward_bytes)):
            lines.append(
                f"memory    {'unknown here' if size is None else f'{size / 1e6:.3g} MB'} of temporaries, {name}"
            )
        return "\n".join(lines)


def explain_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    bias: ArrayLike | None = None,
    mask: ArrayLike | Mask | Callable[..., Array] | None = None,
    *,
    sinks: ArrayLike | None = None,
    implementation: str | Sequence[str] | None = None,
    **options: Unpack[Options],
) -> Explanation:
    """Which path `dot_product_attention` would take with these arguments, and what it would cost; nothing is computed.

    `flops = 2 * B * N * (H + Hv) * (pairs in live blocks)`; bytes are XLA's own count for this machine's compiler.

    Args: those of `attn_jax.dot_product_attention`, but no return_lse; query, key and value may be
      `jax.ShapeDtypeStruct`s.

    Returns:
      An `Explanation`; print it.

    Raises:
      ValueError: as `attn_jax.dot_product_attention`.

    Example:
      >>> x = jax.ShapeDtypeStruct((1, 2048, 8, 64), jnp.float32)
      >>> found = explain_attention(x, x, x, is_causal=True, block_sizes=(256, 256))
      >>> found.path, found.live_blocks, found.full_blocks, found.all_blocks
      ('blockwise', 36, 28, 64)

    Reference: Dong et al. 2024, arXiv:2412.05496, section 3.2 (block sparsity).
    """
    shapes = [x if isinstance(x, jax.ShapeDtypeStruct) else jnp.asarray(x) for x in (query, key, value)]
    checked: list[Inputs] = []

    def run(query: Array, key: Array, value: Array) -> tuple[Array, Array]:
        checked.append(check_inputs(query, key, value, bias, mask, **options))
        return finish(choose(checked[-1], implementation).run(checked[-1]), sinks)

    def loss(query: Array, key: Array, value: Array) -> Array:
        return run(query, key, value)[0].sum()

    out, _ = jax.eval_shape(run, *shapes)
    x = checked[0]
    path = choose(x, implementation)
    blocks = path is PATHS["blockwise"] and not x.empty
    sizes = choose_block_sizes(x) if blocks else x.lengths
    live, full = live_blocks(x, sizes) if blocks else (np.ones((1, 1), bool), np.full((1, 1), x.mask is None))
    return Explanation(
        path=next(name for name, row in PATHS.items() if row is path),
        refused={name: why_not_chosen(x, name, implementation) for name, row in PATHS.items() if row is not path},
        block_sizes=sizes if blocks else None,
        live_blocks=int(live.sum()),
        full_blocks=int(full.sum()),
        all_blocks=live.size,
        flops=2 * x.batch_size * x.heads * (x.key.shape[-1] + out.shape[-1]) * int(live.sum()) * math.prod(sizes),
        forward_bytes=_temporaries(run, shapes),
        backward_bytes=_temporaries(jax.grad(loss, (0, 1, 2)), shapes),
    )


def _temporaries(function: Callable[..., Any], arrays: Sequence[Any]) -> int | None:
    """The bytes that the compiled program needs beside its arguments and results, None where it does not compile."""
    try:
        analysis = jax.jit(function).lower(*arrays).compile().memory_analysis()
        return None if analysis is None else analysis.temp_size_in_bytes
    except ValueError:  # a kernel for another platform
        return None
