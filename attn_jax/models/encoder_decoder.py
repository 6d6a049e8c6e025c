"""The Transformer as it was first published: an encoder, and a decoder that attends to it.

Its layers are those of the sequence model, a decoder's with cross attention between their parts.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, get_args

import jax
import jax.numpy as jnp

from attn_jax.layers.decay import spared
from attn_jax.layers.dropout import dropout, fold_in
from attn_jax.layers.embedding import embedding, init_embedding
from attn_jax.layers.mlp import Feedforward
from attn_jax.layers.norm import Norm, init_norm, norm
from attn_jax.layers.positions import Positions, add_positions, init_positions
from attn_jax.mixers.attention import Attention
from attn_jax.mixers.base import zero_padding
from attn_jax.models.base import EncoderDecoder, EncoderDecoderConfig, apply_strings, vocabulary
from attn_jax.models.block import NormPlace, apply_layer, init_block, init_block_state, inspect_layer, spared_block
from attn_jax.models.checked import checked_encoder_decoder
from attn_jax.models.decoder_block import (
    Memory,
    apply_decoder_layer,
    extend_decoder_layer,
    init_decoder_block,
    inspect_decoder_layer,
    project_layer,
    spared_decoder_block,
)
from attn_jax.models.readout import init_readout, last_norm, read_out
from attn_jax.models.stack import (
    Group,
    by_layer,
    each_layer,
    init_groups,
    layers_by_name,
    make_groups,
    spared_layers,
    through_layers,
)
from attn_jax.ops.attention.inputs import Implementation
from attn_jax.ops.attention.paths import IMPLEMENTATIONS
from attn_jax.types import IO, Array, Key, Params, State

_ENCODER, _DECODER = 0, 1  # streams of dropout


@dataclass(frozen=True)
class Transformer(EncoderDecoderConfig):
    """Encoder and decoder of attention (Vaswani et al. 2017, arXiv 1706.03762), defaults as published but for sizes.

    Args:
      d_model: the width D, a multiple of num_heads; None = a study matches it to its reference.
      num_layers: L, in the encoder and in the decoder.
      num_heads: N, of every attention.
      d_ff: the MLP's hidden width F; None = 4 D.
      norm: "layer", "rms" or "none".
      norm_place: "post", after each part's residual sum, or "pre", before each part and after the last one.
      mlp: "relu", "gelu", or gated: "swiglu", "geglu".
      positions: "sinusoidal", "learned" or "none".
      use_bias: biases on the projections of attention.
      tied: one table embeds source and target and reads out; False: the readout has weights of its own.
      dropout: the share dropped in training of the embedded tokens and of what each part gives; published: 0.1.
      implementation: of every attention, as `attn_jax.dot_product_attention` takes it; None = the fastest.
    """

    num_heads: int = 4
    d_ff: int | None = None
    norm: Norm = "layer"
    norm_place: NormPlace = "post"
    mlp: Feedforward = "relu"
    positions: Positions = "sinusoidal"
    use_bias: bool = False
    tied: bool = True
    dropout: float = 0.0
    implementation: Implementation | None = None

    def __post_init__(self):
        super().__post_init__()
        choices = {"norm": Norm, "norm_place": NormPlace, "mlp": Feedforward, "positions": Positions}
        for name, choice in choices.items():
            if getattr(self, name) not in get_args(choice):
                raise ValueError(f"{name}: got {getattr(self, name)!r}, wanted one of {', '.join(get_args(choice))}")
        if self.num_heads < 1:
            raise ValueError(f"num_heads: got {self.num_heads}, wanted at least 1")
        if self.d_model is not None and self.d_model % self.num_heads:
            raise ValueError(f"num_heads: got {self.num_heads}, wanted a divisor of d_model={self.d_model}")
        if self.implementation not in (None, *IMPLEMENTATIONS):
            raise ValueError(
                f"implementation: got {self.implementation!r}, wanted None or one of {list(IMPLEMENTATIONS)}"
            )
        if self.d_ff is not None and self.d_ff < 1:
            raise ValueError(f"d_ff: got {self.d_ff!r}, wanted an integer of at least 1, or None for 4 D")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: got {self.dropout!r}, wanted a share of at least 0 and below 1")

    @property
    def hidden(self) -> int:
        """The MLP's hidden width F."""
        return 4 * self.width if self.d_ff is None else self.d_ff

    @property
    def residual(self) -> bool:
        """Every part adds to its input."""
        return True

    @property
    def divisor(self) -> int:
        """Heads divide the width."""
        return self.num_heads

    @property
    def countable(self) -> "Transformer":
        """All scores at once: blocks have an order, which is our choice and no property of attention."""
        return replace(self, implementation="dense")

    def trimmed(self, size: int) -> "Transformer":
        """The MLP's hidden width."""
        return replace(self, d_ff=size)

    def describe(self) -> str:
        """One line a person reads.

        >>> Transformer(32).describe()
        'Transformer encoder-decoder, 2 + 2 layers, width 32, MLP 128, sinusoidal positions'
        """
        places = "" if self.positions == "none" else f", {self.positions} positions"
        layers = f"{self.num_layers} + {self.num_layers} layers"
        return f"Transformer encoder-decoder, {layers}, width {self.width}, MLP {self.hidden}{places}"

    def make(self, io: IO, max_tokens: int) -> EncoderDecoder:
        """Binds this configuration to the functions below; `max_tokens` bounds learned positions."""
        vocab_size = vocabulary(io)
        stacks = _Stacks(*(make_groups([self._attention(causal)] * self.num_layers) for causal in (False, True)))
        whole = partial(apply_embedded, self, stacks)
        model = EncoderDecoder(
            init=partial(init, self, stacks, vocab_size, max_tokens),
            apply=partial(apply_strings, embed, whole),
            embed=embed,
            apply_embedded=whole,
            encode=partial(encode, self, stacks),
            extend=partial(extend, self, stacks),
            inspect=partial(inspect, self, stacks),
            spared=partial(spared_params, stacks),
            tables=("embedding", "positions", "readout"),
            layers=partial(layers_by_name, stacks._asdict()),
        )
        return checked_encoder_decoder(model)

    def _attention(self, causal: bool) -> Attention:
        return Attention(
            self.width,
            self.num_heads,
            use_bias=self.use_bias,
            causal=causal,
            implementation=self.implementation,
        )


class _Stacks(NamedTuple):
    encoder: tuple[Group, ...]
    decoder: tuple[Group, ...]


def init(config: Transformer, stacks: _Stacks, vocab_size: int, max_tokens: int, key: Key) -> Params:
    """Tables of `embedding`, `positions` and `readout`, layers of `encoder` and `decoder`, and the norms after them."""
    keys = jax.random.split(key, 2 * config.num_layers + 3)
    last = last_norm(config)
    params = {
        "embedding": init_embedding(keys[0], vocab_size, config.width, scale=1.0),
        "encoder": init_groups(partial(init_block, config), stacks.encoder, keys[3 : 3 + config.num_layers]),
        "decoder": init_groups(partial(init_decoder_block, config), stacks.decoder, keys[3 + config.num_layers :]),
        "encoder_norm": init_norm(last, config.width),
        "decoder_norm": init_norm(last, config.width),
        "readout": init_readout(config.tied, keys[1], config.width, vocab_size),
    }
    return params | init_positions(config.positions, keys[2], max_tokens, config.width)


def embed(params: Params, tokens: Array) -> Array:
    """[B, T, D] of tokens."""
    return embedding(params["embedding"], tokens)


def apply_embedded(
    config: Transformer,
    stacks: _Stacks,
    params: Params,
    x: Array,
    source_valid: Array | None,
    target_in: Array,
    *,
    key: Key | None = None,
) -> Array:
    """Logits [B, T, V] of whole targets, the source x [B, S, D] embedded."""
    memory = _read(config, stacks, params, x, source_valid, fold_in(key, _ENCODER))
    key = fold_in(key, _DECODER)
    y = _place(config, params, embed(params, target_in), jnp.arange(target_in.shape[1]), key)
    y, _ = through_layers(partial(apply_decoder_layer, config, memory, key), stacks.decoder, y, params["decoder"])
    return _read_out(config, params, y)


def encode(
    config: Transformer,
    stacks: _Stacks,
    params: Params,
    source: Array,
    source_valid: Array | None,
    max_length: int,
) -> State:
    """The state before the target's first place: the memory as keys and values of each layer, and empty caches."""
    memory = _read(config, stacks, params, embed(params, source), source_valid, None)
    batch, places = source.shape
    length = jnp.full(batch, places, jnp.int32) if memory.length is None else memory.length
    return {
        "position": jnp.zeros(batch, jnp.int32),
        "source_length": length,
        "layers": each_layer(
            partial(init_block_state, batch, max_length, jnp.float32), stacks.decoder, params["decoder"]
        ),
        "memory": each_layer(partial(project_layer, memory), stacks.decoder, params["decoder"]),
    }


def extend(config: Transformer, stacks: _Stacks, params: Params, target_in: Array, state: State) -> tuple[Array, State]:
    """Goes on with the target by T tokens: logits [B, T, V] and the state after them."""
    length = target_in.shape[1]
    x = _place(config, params, embed(params, target_in), state["position"][:, None] + jnp.arange(length), None)
    others = tuple(zip(state["layers"], state["memory"], strict=True))
    step = partial(extend_decoder_layer, config, state["source_length"])
    x, layers = through_layers(step, stacks.decoder, x, params["decoder"], others)
    return _read_out(config, params, x), state | {"position": state["position"] + length, "layers": layers}


def inspect(
    config: Transformer, stacks: _Stacks, params: Params, source: Array, source_valid: Array | None, target_in: Array
) -> dict[str, Array]:
    """Weights: "encoder_<i>/weights" [B,N,S,S], "decoder_<i>/weights" [B,N,T,T], "decoder_<i>/cross" [B,N,T,S]."""
    embedded = embed(params, source)
    x = zero_padding(_place(config, params, embedded, jnp.arange(source.shape[1]), None), source_valid)
    _, encoder = through_layers(partial(inspect_layer, config, source_valid), stacks.encoder, x, params["encoder"])
    memory = _read(config, stacks, params, embedded, source_valid, None)
    y = _place(config, params, embed(params, target_in), jnp.arange(target_in.shape[1]), None)
    _, decoder = through_layers(partial(inspect_decoder_layer, config, memory), stacks.decoder, y, params["decoder"])
    parts = {"encoder": by_layer(stacks.encoder, encoder), "decoder": by_layer(stacks.decoder, decoder)}
    return {
        f"{part}_{index}/{name}": value
        for part, layers in parts.items()
        for index, inside in enumerate(layers)
        for name, value in inside.items()
    }


def spared_params(stacks: _Stacks, params: Params) -> Params:
    """What weight decay leaves alone."""
    return {name: spared((), part) for name, part in params.items() if name not in ("encoder", "decoder")} | {
        "encoder": spared_layers(spared_block, stacks.encoder, params["encoder"]),
        "decoder": spared_layers(spared_decoder_block, stacks.decoder, params["decoder"]),
    }


def _place(config: Transformer, params: Params, x: Array, places: Array, key: Key | None) -> Array:
    """Embedded tokens x [B, T, D] at their places."""
    x = add_positions(config.positions, params, x, places)
    return dropout(config.dropout, x, fold_in(key, config.num_layers))


def _read(
    config: Transformer, stacks: _Stacks, params: Params, x: Array, valid: Array | None, key: Key | None
) -> Memory:
    """The embedded source through the encoder."""
    x = zero_padding(_place(config, params, x, jnp.arange(x.shape[1]), key), valid)
    x, _ = through_layers(partial(apply_layer, config, valid, key), stacks.encoder, x, params["encoder"])
    x = norm(last_norm(config), params["encoder_norm"], x)
    return Memory(x, None if valid is None else valid.sum(1, dtype=jnp.int32))


def _read_out(config: Transformer, params: Params, x: Array) -> Array:
    return read_out(config.tied, params, norm(last_norm(config), params["decoder_norm"], x))
