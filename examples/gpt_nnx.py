"""The model of gpt.py in flax nnx: flax's own layers, whose attention is ours by one argument, `attention_fn`.

    python examples/gpt_nnx.py --steps 100 --sample "The "

Grouped heads are flax's, masks and rotary positions ours. For a cache and checkpoints see gpt.py.
"""

import argparse
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from gpt_text import END, VOCAB, Rows, encode, load, loss_by_counting

from attn_jax import Causal, Mask, Segments, dot_product_attention, rotary
from attn_jax.nn import attention_fn
from attn_jax.types import Array


def rotary_attention(query: Array, key: Array, value: Array, **options: Any) -> Array:
    """Attention with places counted from the start of a row, packed ones too: only their differences matter."""
    places = jnp.arange(query.shape[-3])
    return dot_product_attention(rotary(query, places), rotary(key, places), value, **options)


class Block(nnx.Module):
    """Attention and a gated MLP, each behind a norm and added to its input."""

    def __init__(self, dim: int, *, heads: int, kv_heads: int, hidden: int, rngs: nnx.Rngs):
        linear = partial(nnx.Linear, use_bias=False, rngs=rngs)
        self.norm_1, self.norm_2 = nnx.RMSNorm(dim, rngs=rngs), nnx.RMSNorm(dim, rngs=rngs)
        ours = partial(attention_fn, attention=rotary_attention)
        attention = partial(nnx.MultiHeadAttention, use_bias=False, decode=False, attention_fn=ours, rngs=rngs)
        self.attention = attention(heads, dim, num_kv_heads=kv_heads)
        self.gate, self.up, self.down = linear(dim, hidden), linear(dim, hidden), linear(hidden, dim)

    def __call__(self, x: Array, mask: Mask) -> Array:
        """x [B, T, D] -> [B, T, D]; flax hands the mask to `attention_fn` as it is."""
        x = x + self.attention(self.norm_1(x), mask=mask)  # pyright: ignore[reportArgumentType]
        y = self.norm_2(x)
        return x + self.down(nnx.silu(self.gate(y)) * self.up(y))


class GPT(nnx.Module):
    """Bytes [B, T] -> logits [B, T, VOCAB] of those that follow."""

    def __init__(self, dim: int = 128, layers: int = 3, heads: int = 4, kv_heads: int = 2, *, rngs: nnx.Rngs):
        block = partial(Block, dim, heads=heads, kv_heads=kv_heads, hidden=8 * dim // 3, rngs=rngs)
        self.embedding = nnx.Embed(VOCAB, dim, rngs=rngs)
        self.blocks = nnx.List([block() for _ in range(layers)])
        self.norm = nnx.RMSNorm(dim, rngs=rngs)
        self.readout = nnx.Linear(dim, VOCAB, use_bias=False, rngs=rngs)

    def __call__(self, tokens: Array, mask: Mask) -> Array:
        """The logits."""
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, mask)
        return self.readout(self.norm(x))


def loss(model: GPT, rows: Rows) -> Array:
    """Cross-entropy of the targets in nats; a token sees no later one, and no other document."""
    logits = model(rows.tokens, Causal() & Segments(rows.segments))
    return optax.softmax_cross_entropy_with_integer_labels(logits, rows.targets).mean()


@nnx.jit
def update(model: GPT, optimizer: nnx.Optimizer, rows: Rows) -> Array:
    """One step, in place; the loss before it."""
    value, gradient = nnx.value_and_grad(loss)(model, rows)
    optimizer.update(model, gradient)
    return value


@nnx.jit
def predict(model: GPT, tokens: Array) -> Array:
    """The logits of a whole row."""
    return model(tokens[None], Causal())[0]


def write(model: GPT, text: bytes, num: int, context: int, seed: int = 0) -> bytes:
    """The text and up to `num` bytes more, drawn one by one; without a cache each costs a forward pass over the row."""
    rng = np.random.default_rng(seed)
    for _ in range(num):
        seen = encode(text)[-context:]
        row = np.pad(seen, (0, context - len(seen)))  # what comes after is not seen, so one program does for all
        logits = np.asarray(predict(model, row))[len(seen) - 1]
        new = int((logits / 0.8 + rng.gumbel(size=VOCAB)).argmax())  # a draw from the softmax, temperature 0.8
        if new == END:
            break
        text += bytes([new])
    return text


def main(words: list[str] | None = None) -> list[float]:
    """Trains, writes, and returns the losses."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, default in {"file": "", "steps": 100, "context": 128, "dim": 128, "sample": "The ", "num": 100}.items():
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"default: {default}")
    args = parser.parse_args(words)
    rows, held_out = load(args.file, args.context)
    model = GPT(args.dim, rngs=nnx.Rngs(0))
    adamw = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(3e-3, b2=0.95, weight_decay=0.1))
    optimizer, rng, losses = nnx.Optimizer(model, adamw, wrt=nnx.Param), np.random.default_rng(0), []
    for step in range(args.steps):
        losses.append(float(update(model, optimizer, rows.take(rng.integers(len(rows.tokens), size=8)))))
        if (step + 1) % 20 == 0:
            print(f"step {step + 1:4}  loss {losses[-1]:.3f}", flush=True)
    print(f"by counting bytes, held out: {loss_by_counting(rows, held_out):.3f} nats a byte")
    print(write(model, args.sample.encode(), args.num, args.context).decode(errors="replace"))
    return losses


if __name__ == "__main__":
    main()
