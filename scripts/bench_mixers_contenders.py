"""What scripts/bench_mixers.py measures: our recurrent networks, transformer and delta rule, and torch's.

A maker gives calls by name, each one pass on arrays of its own; torch's is absent where torch is not installed.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import optax

from attn_jax.mixers import MIXERS, Attention
from attn_jax.models import ModelConfig
from attn_jax.ops.recurrence.delta_rule import delta_rule
from attn_jax.ops.recurrence.gated_linear_attention import gated_linear_attention
from attn_jax.ops.recurrence.linear_attention import linear_attention
from attn_jax.ops.recurrence.mlstm import mlstm
from attn_jax.types import IO, Array

Calls: TypeAlias = dict[str, Callable[[], Any]]

HAS_TORCH = importlib.util.find_spec("torch") is not None


def cells(name: str, *, length: int = 128, batch: int = 64, width: int = 128) -> Calls:
    """A recurrent layer over [B, T, D], forward and the gradient of parameters and inputs."""
    mixer = replace(MIXERS[name], d_model=width).make()
    params = jax.jit(mixer.init)(jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (batch, length, width))
    program = jax.jit(jax.grad(lambda params, x: (mixer.apply(params, x, None) ** 2).sum(), argnums=(0, 1)))
    calls: Calls = {"attn_jax": lambda: jax.block_until_ready(program(params, x))}
    if HAS_TORCH:
        calls["torch"] = _torch_cell(name, length, batch, width)
    return calls


def _torch_cell(name: str, length: int, batch: int, width: int) -> Callable[[], Any]:
    import torch  # pyright: ignore[reportMissingImports]

    torch.set_num_threads(1)
    layer = getattr(torch.nn, name.upper())(width, width, batch_first=True)
    x = torch.randn(batch, length, width, requires_grad=True)

    def call():
        layer.zero_grad()
        x.grad = None
        (layer(x)[0] ** 2).sum().backward()

    return call


def transformer(*, length: int = 128, batch: int = 64, width: int = 128) -> Calls:
    """A training step, AdamW's update included: two layers of attention and relu MLP between two linear maps.

    Both have post norm, biases, no mask and no dropout; the loss is the mean squared error of random targets.
    """
    config = ModelConfig(
        width,
        2,
        (Attention(num_heads=4, use_bias=True, causal=False),),
        norm_place="post",
        mlp="relu",
        d_ff=4 * width,
    )
    model = config.make(IO(channels=width, out_channels=width), length)
    params = jax.jit(model.init)(jax.random.key(0))
    optimizer = optax.adamw(1e-3)
    x, y = jax.random.normal(jax.random.key(1), (2, batch, length, width))

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(params, state):
        gradient = jax.grad(lambda params: ((model.apply(params, x, None) - y) ** 2).mean())(params)
        update, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, update), state

    held = [params, jax.jit(optimizer.init)(params)]

    def call():
        held[:] = jax.block_until_ready(step(*held))

    calls: Calls = {"attn_jax": call}
    if HAS_TORCH:
        calls["torch"] = _torch_transformer(length, batch, width)
    return calls


def _torch_transformer(length: int, batch: int, width: int) -> Callable[[], Any]:
    import torch  # pyright: ignore[reportMissingImports]

    torch.set_num_threads(1)
    layer = torch.nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True)
    encoder = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    model = torch.nn.Sequential(torch.nn.Linear(width, width), encoder, torch.nn.Linear(width, width))
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    x, y = torch.randn(2, batch, length, width)

    def call():
        optimizer.zero_grad()
        ((model(x) - y) ** 2).mean().backward()
        optimizer.step()

    return call


def recurrence(name: str, form: Any, *, length: int, batch: int = 1, heads: int = 4, size: int = 32) -> Calls:
    """One operator with a matrix as state, in one form, forward and the gradient of all that it is given."""
    run, args = _operator(name, length, batch, heads, size)
    program = jax.jit(jax.grad(lambda args: (run(*args, form=form)[0] ** 2).sum()))
    return {form: lambda: jax.block_until_ready(program(args))}


def _operator(name: str, length: int, batch: int, heads: int, size: int) -> tuple[Callable[..., Any], list[Array]]:
    """An operator of (*arrays, form), and arrays for it."""
    keys = jax.random.split(jax.random.key(0), 5)
    q, k, v = (jax.random.normal(key, (batch, length, heads, size)) for key in keys[:3])
    k = k / jnp.linalg.norm(k, axis=-1, keepdims=True)
    gate, write = (jax.nn.sigmoid(jax.random.normal(key, q.shape[:3])) for key in keys[3:])
    decay = jnp.log(0.9 + 0.1 * gate)
    by_channel = jnp.broadcast_to(decay[..., None], q.shape)
    operators: dict[str, tuple[Callable[..., Any], list[Array]]] = {
        "linear_attention": (linear_attention, [jnp.abs(q), jnp.abs(k), v]),
        "gated, a decay a head": (gated_linear_attention, [q, k, v, decay]),
        "gated, a decay a channel": (gated_linear_attention, [q, k, v, by_channel]),
        "delta_rule": (delta_rule, [q, k, v, write]),
        "mlstm": (mlstm, [q, k, v, write, decay]),
    }
    return operators[name]


OPERATORS = ("linear_attention", "gated, a decay a head", "gated, a decay a channel", "delta_rule", "mlstm")


def four_layers(name: str, *, length: int = 128, batch: int = 8) -> Any:
    """The loss and gradient of a model of four layers of a mixer, lowered and not yet compiled."""
    model = ModelConfig(d_model=32, num_layers=4, mixers=(MIXERS[name],)).make(IO(num_classes=8, vocab_size=8), length)
    params = jax.eval_shape(model.init, jax.random.key(0))
    tokens = jax.ShapeDtypeStruct((batch, length), jnp.int32)

    def total(params, tokens):
        return (jax.nn.log_softmax(model.apply(params, tokens, None)) ** 2).sum()

    return jax.jit(jax.value_and_grad(total)).lower(params, tokens)
