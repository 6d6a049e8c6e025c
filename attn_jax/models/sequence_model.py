"""The one skeleton of every comparison: embedding, layers, readout. Only the mixer inside differs."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, TypeAlias, get_args

import jax
import jax.numpy as jnp

from attn_jax.layers.embedding import embedding, init_embedding
from attn_jax.layers.linear import init_linear, linear
from attn_jax.layers.norm import Norm, init_norm, norm
from attn_jax.mixers.attention import Attention
from attn_jax.mixers.base import Mixer, MixerConfig, zero_padding
from attn_jax.models.base import Model
from attn_jax.models.block import apply_block, extend_block, init_block
from attn_jax.ops.positions import learned, sinusoidal
from attn_jax.types import IO, Array, Key, Params, State

Positions: TypeAlias = Literal["none", "sinusoidal", "learned"]


@dataclass(frozen=True)
class ModelConfig:
    """A sequence model.

    Args:
      d_model: the width D.
      num_layers: L.
      mixers: one mixer for all layers, or one a layer.
      norm: before each mixer and MLP and before the readout: "layer", "rms" or "none".
      residual: whether each mixer and MLP adds to its input.
      d_ff: the MLP's hidden width F; None = 4 D, 0 = no MLP.
      positions: what is added to the embedding: "sinusoidal", "learned" or "none".
    """

    d_model: int = 32
    num_layers: int = 2
    mixers: tuple[MixerConfig, ...] = (Attention(),)
    norm: Norm = "layer"
    residual: bool = True
    d_ff: int | None = None
    positions: Positions = "none"

    def __post_init__(self):
        for name, low in (("d_model", 1), ("num_layers", 1), ("d_ff", 0)):
            value = getattr(self, name)
            if not (isinstance(value, int) and value >= low) and not (name == "d_ff" and value is None):
                raise ValueError(f"{name}: got {value!r}, wanted an integer of at least {low}")
        for name, choices in (("norm", get_args(Norm)), ("positions", get_args(Positions))):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}: got {getattr(self, name)!r}, wanted one of {', '.join(choices)}")
        if not self.mixers:
            raise ValueError("mixers: got none, wanted one, or one a layer")

    @property
    def hidden(self) -> int:
        """The MLP's hidden width F, 0 where there is none."""
        return 4 * self.d_model if self.d_ff is None else self.d_ff

    def layer_mixers(self) -> tuple[MixerConfig, ...]:
        """One mixer configuration a layer, each with the model's width."""
        if len(self.mixers) not in (1, self.num_layers):
            raise ValueError(
                f"mixers: got {len(self.mixers)} for num_layers={self.num_layers}, wanted 1 or {self.num_layers}"
            )
        mixers = self.mixers * self.num_layers if len(self.mixers) == 1 else self.mixers
        for mixer in mixers:
            if mixer.d_model not in (None, self.d_model):
                name = type(mixer).__name__
                raise ValueError(
                    f"{name}: d_model={mixer.d_model} differs from the model's {self.d_model}; leave it out"
                )
        return tuple(replace(mixer, d_model=self.d_model) for mixer in mixers)

    def make(self, io: IO, max_tokens: int) -> Model:
        """Binds this configuration to the functions below; `max_tokens` bounds learned positions."""
        mixers = tuple(mixer.make() for mixer in self.layer_mixers())
        causal = all(mixer.causal for mixer in mixers)
        run = partial(apply_embedded, self, mixers)
        return Model(
            init=partial(init, self, mixers, io, max_tokens),
            embed=embed,
            apply_embedded=run,
            apply=partial(apply, run),
            init_state=partial(init_state, mixers) if causal else None,
            extend=partial(extend, self, mixers) if causal else None,
            inspect=partial(inspect, self, mixers),
        )


def classic(mixer: MixerConfig, *, d_model: int = 32, num_layers: int = 2) -> ModelConfig:
    """The classic stacked form of recurrent networks: cells on cells, no norm, no residual, no MLP, no positions.

    >>> from attn_jax.mixers import LSTM
    >>> classic(LSTM()).hidden
    0
    """
    return ModelConfig(d_model=d_model, num_layers=num_layers, mixers=(mixer,), norm="none", residual=False, d_ff=0)


def init(config: ModelConfig, mixers: tuple[Mixer, ...], io: IO, max_tokens: int, key: Key) -> Params:
    """Tables of `embedding`, `positions` and `readout` beside the `layers`."""
    keys = jax.random.split(key, len(mixers) + 3)
    params = {
        "embedding": _init_embed(io, config.d_model, keys[0]),
        "layers": [init_block(config, mixer, k) for mixer, k in zip(mixers, keys[3:], strict=True)],
        "norm": init_norm(config.norm, config.d_model),
        "readout": init_linear(keys[1], config.d_model, io.outputs),
    }
    if config.positions == "learned":
        params["positions"] = init_embedding(keys[2], max_tokens, config.d_model, scale=0.1)
    return params


def embed(params: Params, inputs: Array) -> Array:
    """x[B, T, D] of tokens [B, T] or channels [B, T, C]."""
    table = params["embedding"]
    return embedding(table, inputs) if "table" in table else linear(table, inputs)


def apply_embedded(
    config: ModelConfig,
    mixers: tuple[Mixer, ...],
    params: Params,
    x: Array,
    valid: Array | None = None,
    *,
    key: Key | None = None,
) -> Array:
    """Logits [B, T, V] of embedded inputs."""
    x = zero_padding(_add_positions(config, params, x, jnp.arange(x.shape[1])), valid)
    for mixer, block, layer_key in zip(mixers, params["layers"], _layer_keys(key, len(mixers)), strict=True):
        x = apply_block(config, mixer, block, x, valid, key=layer_key)
    return _read_out(config, params, x)


def apply(run, params: Params, inputs: Array, valid: Array | None = None, *, key: Key | None = None) -> Array:
    """Logits [B, T, V] of a whole sequence."""
    return run(params, embed(params, _clean(inputs, valid)), valid, key=key)


def init_state(
    mixers: tuple[Mixer, ...], params: Params, batch_size: int, max_length: int, *, dtype=jnp.float32
) -> State:
    """The state before the first place: how many places were read, int32 [B], and each layer's own."""
    layers = tuple(
        mixer.init_state(block["mixer"], batch_size, max_length, dtype=dtype)  # pyright: ignore[reportOptionalCall]
        for mixer, block in zip(mixers, params["layers"], strict=True)
    )
    return {"position": jnp.zeros(batch_size, jnp.int32), "layers": layers}


def extend(
    config: ModelConfig,
    mixers: tuple[Mixer, ...],
    params: Params,
    inputs: Array,
    state: State,
    valid: Array | None = None,
) -> tuple[Array, State]:
    """Goes on from a state by T places: logits [B, T, V] and the state after them."""
    batch, length = inputs.shape[:2]
    places = state["position"][:, None] + jnp.arange(length)
    x = zero_padding(_add_positions(config, params, embed(params, _clean(inputs, valid)), places), valid)
    layers = []
    for mixer, block, layer_state in zip(mixers, params["layers"], state["layers"], strict=True):
        x, layer_state = extend_block(config, mixer, block, x, layer_state, valid)
        layers.append(layer_state)
    read = jnp.full(batch, length, jnp.int32) if valid is None else valid.sum(1, dtype=jnp.int32)
    return _read_out(config, params, x), {"position": state["position"] + read, "layers": tuple(layers)}


def inspect(
    config: ModelConfig, mixers: tuple[Mixer, ...], params: Params, inputs: Array, valid: Array | None = None
) -> dict[str, Array]:
    """What each layer's mixer shows of itself, under "layer_<index>/<name>"."""
    x = embed(params, _clean(inputs, valid))
    x = zero_padding(_add_positions(config, params, x, jnp.arange(inputs.shape[1])), valid)
    seen = {}
    for index, (mixer, block) in enumerate(zip(mixers, params["layers"], strict=True)):
        inside = mixer.inspect(block["mixer"], norm(config.norm, block["mixer_norm"], x), valid)
        seen |= {f"layer_{index}/{name}": value for name, value in inside.items()}
        x = apply_block(config, mixer, block, x, valid)
    return seen


def _init_embed(io: IO, d_model: int, key: Key) -> Params:
    if io.vocab_size is not None:
        return init_embedding(key, io.vocab_size, d_model, scale=1.0)
    assert io.channels is not None  # IO asks for one of the two
    return init_linear(key, io.channels, d_model)


def _clean(inputs: Array, valid: Array | None) -> Array:
    """Channels with zeros at padding, whatever stood there; tokens are looked up, and harm nobody."""
    return inputs if inputs.ndim == 2 else zero_padding(inputs, valid)


def _add_positions(config: ModelConfig, params: Params, x: Array, places: Array) -> Array:
    if config.positions == "sinusoidal":
        return x + sinusoidal(places, config.d_model).astype(x.dtype)
    if config.positions == "learned":
        return x + learned(places, params["positions"]["table"]).astype(x.dtype)
    return x


def _read_out(config: ModelConfig, params: Params, x: Array) -> Array:
    return linear(params["readout"], norm(config.norm, params["norm"], x))


def _layer_keys(key: Key | None, num_layers: int) -> Iterator[Key | None]:
    return iter([None] * num_layers if key is None else jax.random.split(key, num_layers))
