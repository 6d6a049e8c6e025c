"""A whole small language model: text in, a GPT trained on all your devices, text out. Read it from top to bottom.

    python examples/gpt.py --steps 200 --workdir /tmp/gpt                   # trains; interrupted, type it again
    python examples/gpt.py --workdir /tmp/gpt --sample "To be" --num 200    # writes
    python examples/gpt.py --workdir /tmp/mine --file mine.txt              # trains on a text of yours

Bytes are the tokens. A block is attention and a gated MLP (SwiGLU), RMS norm before each; positions are rotary, and two
heads of queries share one of keys and values, which halves the cache. Rows hold several documents (gpt_text.py). The
first line took 46 s, to a loss of 1.95 nats a byte on text held out, where knowing how often each byte occurs gives
3.27 (2026-11-30, 1 core of 2, jax 0.10.2).
"""

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from gpt_text import END, VOCAB, Rows, encode, load, loss_by_counting
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import attn_jax
from attn_jax.types import Array, Key, Params


@dataclass(frozen=True)
class Config:
    """What a run is; each field is a word of the command line, such as --kv-heads 1."""

    file: str = ""  # a UTF-8 text; none: the reference of Python's language
    steps: int = 200
    batch: int = 8  # rows a step, over all devices
    context: int = 128  # tokens a row
    dim: int = 128
    layers: int = 3
    heads: int = 4  # of queries
    kv_heads: int = 2  # of keys and values
    hidden: int = 352  # of the MLP: 8/3 dim, since a gated one has three matrices where others have two
    rate: float = 3e-3
    save_every: int = 50
    seed: int = 0


def init(config: Config, key: Key) -> Params:
    """The parameters: dicts of arrays."""
    D, F, N, K, glorot = config.dim, config.hidden, config.heads, config.kv_heads, jax.nn.initializers.glorot_uniform()
    embedding, readout, *keys = jax.random.split(key, 2 + config.layers)
    layers = []
    for key in keys:
        attention, gate, up, down = jax.random.split(key, 4)
        mlp = {"gate": glorot(gate, (D, F)), "up": glorot(up, (D, F)), "down": glorot(down, (F, D))}
        heads = attn_jax.init_multi_head_attention(attention, d_model=D, num_heads=N, num_kv_heads=K)
        layers.append({"norm_1": jnp.ones(D), "attention": heads, "norm_2": jnp.ones(D), "mlp": mlp})
    ends = {"embedding": jax.random.normal(embedding, (VOCAB, D)), "readout": glorot(readout, (D, VOCAB))}
    return ends | {"layers": layers, "norm": jnp.ones(D)}


def forward(params: Params, tokens: Array, positions: Array, mask: attn_jax.Mask | None, caches=None) -> Any:
    """Logits [B, T, VOCAB] of what follows each token [B, T]; with caches, one a layer, going on from them: a pair."""
    x, after = params["embedding"][tokens], []
    for i, layer in enumerate(params["layers"]):
        query, key, value = attn_jax.project_heads(layer["attention"], attn_jax.rms_norm(x, layer["norm_1"]))
        query, key = attn_jax.rotary(query, positions), attn_jax.rotary(key, positions)
        if caches is None:
            heads = attn_jax.dot_product_attention(query, key, value, mask=mask)
        else:  # keys and values of all tokens before are in the cache
            heads, cache = attn_jax.cached_attention(query, key, value, caches[i], mask=mask)
            after.append(cache)
        x = x + attn_jax.merge_heads(layer["attention"], heads)
        mlp, y = layer["mlp"], attn_jax.rms_norm(x, layer["norm_2"])
        x = x + (jax.nn.silu(y @ mlp["gate"]) * (y @ mlp["up"])) @ mlp["down"]
    logits = attn_jax.rms_norm(x, params["norm"]) @ params["readout"]
    return logits if caches is None else (logits, after)


def loss(params: Params, rows: Rows) -> Array:
    """Cross-entropy of the targets in nats; a token sees no later one, and no other document."""
    logits = forward(params, rows.tokens, rows.positions, attn_jax.Causal() & attn_jax.Segments(rows.segments))
    return optax.softmax_cross_entropy_with_integer_labels(logits, rows.targets).mean()


def train(config: Config, path: Path) -> None:
    """Trains from the checkpoint at `path`, or from the start, to the end."""
    rows, held_out = load(config.file, config.context)
    # AdamW of clipped gradients; the rate rises over a tenth of the steps, then falls along a cosine
    rate = optax.warmup_cosine_decay_schedule(0.0, config.rate, config.steps // 10, config.steps)
    matrices = partial(jax.tree.map, lambda w: w.ndim > 1)  # the gains of norms do not decay
    adamw = optax.adamw(rate, b2=0.95, weight_decay=0.1, mask=matrices)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), adamw)
    # one program for all devices: each has all parameters and a part of the rows, and XLA adds their gradients up
    mesh = jax.make_mesh((jax.device_count(),), ("data",), axis_types=(AxisType.Auto,))
    everywhere, split = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("data"))

    @partial(jax.jit, in_shardings=(everywhere, everywhere, split), out_shardings=everywhere, donate_argnums=(0, 1))
    def update(params, moments, rows):
        value, gradient = jax.value_and_grad(loss)(params, rows)
        changes, moments = optimizer.update(gradient, moments, params)
        return (optax.apply_updates(params, changes), moments), value

    params = jax.jit(partial(init, config))(jax.random.key(config.seed))
    state = params, jax.jit(optimizer.init)(params)
    done, state = restore(path, state) if path.exists() else (0, state)
    began = time.perf_counter()
    for step in range(done + 1, config.steps + 1):
        # which rows is a matter of the step alone: so an interrupted run goes on as if it had not been
        chosen = np.random.default_rng((config.seed, step)).integers(len(rows.tokens), size=config.batch)
        state, value = update(*state, rows.take(chosen))
        if step % 20 == 0:
            print(f"step {step:4}  loss {value:.3f}  {time.perf_counter() - began:.1f} s", flush=True)
        if step % config.save_every == 0 or step == config.steps:
            save(path, config, step, state)
    there = jax.jit(loss)(state[0], held_out.take(slice(64)))
    print(f"held out: loss {there:.3f} nats a byte; by counting bytes {loss_by_counting(rows, held_out):.3f}")


def save(path: Path, config: Config, step: int, state: Any) -> None:
    """Writes a checkpoint whole or not at all: through a file that takes the place of the last one."""
    with path.with_suffix(".part").open("wb") as file:
        np.savez(file, *jax.tree.leaves(state), step=step, config=json.dumps(asdict(config)))
    path.with_suffix(".part").replace(path)


def restore(path: Path, like: Any) -> tuple[int, Any]:
    """The step and the state of a checkpoint, in the structure of `like`; or its parameters, which lie first."""
    with np.load(path) as saved:
        leaves = [saved[f"arr_{i}"] for i in range(len(jax.tree.leaves(like)))]
        return int(saved["step"]), jax.tree.unflatten(jax.tree.structure(like), leaves)


@jax.jit
def extend(params: Params, caches: list[attn_jax.KVCache], tokens: Array) -> tuple[Array, list[attn_jax.KVCache]]:
    """Goes on by tokens [B, T]: a prompt at once, then one by one."""
    return forward(params, tokens, caches[0].length[:, None] + jnp.arange(tokens.shape[1]), None, caches)


def empty_caches(config: Config) -> list[attn_jax.KVCache]:
    """Rings, for texts of any length: a token sees `context` tokens, itself included; training never had more."""
    size, window = (config.kv_heads, config.dim // config.heads), config.context - 1
    return [attn_jax.init_cache(1, config.context, *size, window=window) for _ in range(config.layers)]


def write(params: Params, config: Config, text: bytes, num: int, temperature: float, top_k: int) -> bytes:
    """The text and what follows, byte by byte, up to `num` of them or until the document ends."""
    caches, new = empty_caches(config), encode(text)
    for key in jax.random.split(jax.random.key(config.seed), num):
        logits, caches = extend(params, caches, new[None])
        best, which = jax.lax.top_k(logits[0, -1] / temperature, top_k)  # the lower, the more often the likeliest
        new = np.asarray(which[jax.random.categorical(key, best)])[None]
        if new[0] == END:
            break
        text += bytes(new.tolist())
    return text


def difference(params: Params, config: Config, text: bytes) -> float:
    """How far logits with the cache, byte by byte, are from those of one forward pass at most: rounding."""
    tokens, caches, by_byte = encode(text)[None, : config.context], empty_caches(config), []
    for t in range(tokens.shape[1]):
        logits, caches = extend(params, caches, tokens[:, t : t + 1])
        by_byte.append(logits)
    whole = jax.jit(forward)(params, tokens, np.arange(tokens.shape[1]), attn_jax.Causal())
    return float(np.abs(np.concatenate(by_byte, 1) - whole).max())


def main(words: list[str] | None = None) -> None:
    """Trains, or writes with --sample."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sample", metavar="TEXT", help="go on from it, with what was trained in the workdir")
    other = {"workdir": Path("results/gpt"), "num": 200, "temperature": 0.8, "top_k": 40}
    for name, default in (asdict(Config()) | other).items():
        word = "--" + name.replace("_", "-")
        parser.add_argument(word, type=type(default), default=default, help=f"default: {default}")
    args = parser.parse_args(words)
    config = Config(**{name: getattr(args, name) for name in asdict(Config())})
    args.workdir.mkdir(parents=True, exist_ok=True)
    path = args.workdir / "checkpoint.npz"
    there = Config(**json.loads(str(np.load(path)["config"]))) if path.exists() else None
    if args.sample is None:
        if there not in (None, config):
            sys.exit(f"{path} is of {there}, wanted {config}: take another --workdir")
        train(config, path)
    elif there is None:
        sys.exit(f"{path}: no checkpoint there, train first")
    else:
        _, params = restore(path, jax.eval_shape(partial(init, there), jax.random.key(0)))
        text = write(params, there, args.sample.encode(), args.num, args.temperature, args.top_k)
        print(text.decode(errors="replace"))
        print(f"logits with the cache and without differ by {difference(params, there, text):.0e} at most")


if __name__ == "__main__":
    main()
