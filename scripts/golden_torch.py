"""Golden numbers from torch, in this package's layout: python scripts/golden_torch.py [DIRECTORY]

Writes tests/golden/torch_*.npz: inputs, weights, outputs and gradients, computed in float64 and stored as float32, so
that tests/models/test_golden_torch.py needs no torch. Made with torch 2.13.0. A change of these files is a bug, unless
this script changed.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]: in the extra `bench`, not in `test`
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]

B, S, T, D, N, F, V, L = 2, 6, 5, 8, 2, 12, 7, 2
SOURCE_LENGTHS = (6, 4)
EPS = 1e-6  # that of attn_jax's norms; torch's own is 1e-5


def main(directory: str = "tests/golden") -> None:
    """Writes every file."""
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        "transformer_post": transformer(norm_first=False),
        "transformer_pre": transformer(norm_first=True),
        "multi_head": multi_head(),
        "rnn": recurrent(nn.RNN, gates=1),
        "lstm": recurrent(nn.LSTM, gates=4),
        "gru": recurrent(nn.GRU, gates=3),
    }
    for name, arrays in made.items():
        stored: dict[str, Any] = {key: _to_numpy(x) for key, x in arrays.items()}
        np.savez_compressed(folder / f"torch_{name}.npz", **stored)


def transformer(*, norm_first: bool) -> dict[str, Tensor]:
    """Two encoder and two decoder layers between an embedding with sinusoidal positions and a readout."""
    torch.manual_seed(1)
    options = {"dropout": 0.0, "layer_norm_eps": EPS, "batch_first": True, "norm_first": norm_first}
    parts: Any = nn.ModuleDict(
        {
            "embedding": nn.Embedding(V, D),
            "encoder": nn.ModuleList(nn.TransformerEncoderLayer(D, N, F, **options) for _ in range(L)),
            "decoder": nn.ModuleList(nn.TransformerDecoderLayer(D, N, F, **options) for _ in range(L)),
            "encoder_norm": nn.LayerNorm(D, EPS) if norm_first else nn.Identity(),
            "decoder_norm": nn.LayerNorm(D, EPS) if norm_first else nn.Identity(),
            "readout": nn.Linear(D, V),
        }
    )
    _draw(parts)
    source, target_in = torch.randint(V, (B, S)), torch.randint(V, (B, T))
    padding = torch.arange(S)[None] >= torch.tensor(SOURCE_LENGTHS)[:, None]
    memory = parts["embedding"](source) + _sinusoidal(S)
    for layer in parts["encoder"]:
        memory = layer(memory, src_key_padding_mask=padding)
    memory = parts["encoder_norm"](memory)
    x = parts["embedding"](target_in) + _sinusoidal(T)
    causal = torch.ones(T, T, dtype=torch.bool).triu(1)
    for layer in parts["decoder"]:
        x = layer(x, memory, tgt_mask=causal, memory_key_padding_mask=padding)
    logits = parts["readout"](parts["decoder_norm"](x))
    inputs = {"source": source, "source_valid": ~padding, "target_in": target_in}
    return inputs | _pulled_back(logits, lambda of: _transformer_tree(parts, of))


def multi_head() -> dict[str, Tensor]:
    """Cross attention of N heads, some keys masked."""
    torch.manual_seed(2)
    module = nn.MultiheadAttention(D, N, batch_first=True)
    _draw(module)
    x_q, x_kv = (torch.randn(B, length, D, dtype=torch.float64, requires_grad=True) for length in (T, S))
    lengths = torch.tensor(SOURCE_LENGTHS)
    y, _ = module(x_q, x_kv, x_kv, key_padding_mask=torch.arange(S)[None] >= lengths[:, None])
    arrays = _pulled_back(y, lambda of: _attention_tree(module, of) | {"x_q": of(x_q), "x_kv": of(x_kv)})
    return {"lengths": lengths} | arrays


def recurrent(kind: Callable[..., Any], *, gates: int) -> dict[str, Tensor]:
    """A layer of cells over a sequence, from a state that is not zero."""
    torch.manual_seed(3)
    width, size = 3, 4
    module = kind(width, size, batch_first=True)
    _draw(module)
    if gates != 3:
        nn.init.zeros_(module.bias_hh_l0)
    x = torch.randn(B, T, width, dtype=torch.float64, requires_grad=True)
    states = [torch.randn(1, B, size, dtype=torch.float64, requires_grad=True) for _ in range(1 + (gates == 4))]
    y, last = module(x, tuple(states) if gates == 4 else states[0])
    last = last if isinstance(last, tuple) else (last,)
    tree = lambda of: (  # noqa: E731
        _cell_tree(module, of, gates) | {"x": of(x)} | {f"state/{i}": of(state)[0] for i, state in enumerate(states)}
    )
    return {f"last/{i}": state[0] for i, state in enumerate(last)} | _pulled_back(y, tree)


def _draw(module: nn.Module) -> None:
    """Weights of a size at which nothing saturates, float64 values that a float32 holds."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn_like(parameter) * (0.5 if parameter.ndim > 1 else 0.3))
        for part in module.modules():
            if isinstance(part, nn.LayerNorm):
                part.weight.add_(1)
    module.double()


def _sinusoidal(length: int) -> Tensor:
    """[length, D], Vaswani et al. 2017, section 3.5."""
    angle = torch.arange(length).double()[:, None] / 10_000 ** (torch.arange(0, D, 2).double() / D)
    return torch.stack([angle.sin(), angle.cos()], -1).reshape(length, D)


def _pulled_back(out: Tensor, tree) -> dict[str, Tensor]:
    """The output, a cotangent, and all leaves of `tree` as values and as gradients of sum(out * cotangent)."""
    cotangent = torch.randn_like(out)
    (out * cotangent).sum().backward()
    values = {f"value/{name}": leaf for name, leaf in tree(lambda leaf: leaf.detach()).items()}
    gradients = {f"gradient/{name}": leaf for name, leaf in tree(_gradient).items()}
    return {"out": out, "cotangent": cotangent} | values | gradients


def _gradient(leaf: Tensor) -> Tensor:
    assert leaf.grad is not None
    return leaf.grad


def _transformer_tree(parts: Any, of) -> dict[str, Tensor]:
    """attn_jax.models.Transformer's parameters."""
    tree = {"embedding/table": of(parts["embedding"].weight)} | _linear("readout", parts["readout"], of)
    for side in ("encoder", "decoder"):
        tree |= _norm(f"{side}_norm", parts[f"{side}_norm"], of)
        for i, layer in enumerate(parts[side]):
            at = f"{side}/{i}"
            own = _attention_tree(layer.self_attn, of)
            tree |= {f"{at}/mixer/{name}": leaf for name, leaf in own.items()} | _norm(
                f"{at}/mixer_norm", layer.norm1, of
            )
            tree |= _linear(f"{at}/mlp/up", layer.linear1, of) | _linear(f"{at}/mlp/down", layer.linear2, of)
            tree |= _norm(f"{at}/mlp_norm", layer.norm2 if side == "encoder" else layer.norm3, of)
            if side == "decoder":
                cross = _attention_tree(layer.multihead_attn, of)
                tree |= {f"{at}/cross/{name}": leaf for name, leaf in cross.items()}
                tree |= _norm(f"{at}/cross_norm", layer.norm2, of)
    return tree


def _attention_tree(module: nn.MultiheadAttention, of) -> dict[str, Tensor]:
    """attn_jax.init_multi_head_attention's parameters."""
    weights, biases = of(module.in_proj_weight).chunk(3), of(module.in_proj_bias).chunk(3)
    tree = {f"w_{name}": w.T.reshape(D, N, D // N) for name, w in zip("qkv", weights, strict=True)}
    tree |= {f"b_{name}": b.reshape(N, D // N) for name, b in zip("qkv", biases, strict=True)}
    return tree | {"w_o": of(module.out_proj.weight).T.reshape(N, D // N, D), "b_o": of(module.out_proj.bias)}


def _cell_tree(module: Any, of, gates: int) -> dict[str, Tensor]:
    """A cell's parameters; gates stand in the same order. Only the GRU's second bias is no part of the first."""
    tree = {"w_x": of(module.weight_ih_l0).T, "w_h": of(module.weight_hh_l0).T}
    if gates == 3:
        return tree | {"b": of(module.bias_ih_l0), "b_h": of(module.bias_hh_l0)}
    return tree | {"b": of(module.bias_ih_l0)}


def _linear(name: str, module: nn.Linear, of) -> dict[str, Tensor]:
    return {f"{name}/w": of(module.weight).T, f"{name}/b": of(module.bias)}


def _norm(name: str, module: nn.Module, of) -> dict[str, Tensor]:
    """A norm's gain and bias, nothing of an identity."""
    return {f"{name}/g": of(module.weight), f"{name}/b": of(module.bias)} if isinstance(module, nn.LayerNorm) else {}


def _to_numpy(x: Tensor) -> np.ndarray:
    array = x.detach().numpy()
    return array.astype(np.float32) if array.dtype == np.float64 else array


if __name__ == "__main__":
    main(*sys.argv[1:])
