"""Recurrent encoder-decoders: without attention, with the additive one of Bahdanau, and with those of Luong.

How the three differ is when the decoder asks its memory. Bahdanau: the state before the step asks, and what it finds is
read beside the token. Luong: the state after the step asks, and what comes of it is read beside the next token. Without
attention, all that the decoder knows of the source is the state it starts from.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, get_args

import jax
import jax.numpy as jnp
from jax import lax

from attn_jax.layers.dropout import dropout, fold_in
from attn_jax.layers.embedding import embedding, init_embedding
from attn_jax.layers.linear import init_linear, linear
from attn_jax.mixers.base import zero_padding
from attn_jax.models.base import EncoderDecoder, EncoderDecoderConfig, apply_strings, vocabulary
from attn_jax.models.checked import checked_encoder_decoder
from attn_jax.models.readout import init_readout, read_out
from attn_jax.models.recurrent_encoder import STEPS, Cell, init_cell, read_layer
from attn_jax.models.recurrent_memory import CrossAttention, Memory, ask, init_attention, remember
from attn_jax.ops.placement import vary_with
from attn_jax.types import IO, Array, Key, Params, State

_TARGET, _SAID = 0, 1  # what draws for dropout, beside an encoder's layers at 2, 3, ...
_SOURCE = 2


@dataclass(frozen=True)
class RecurrentEncoderDecoder(EncoderDecoderConfig):
    """Cells that read the source, and cells that start where those ended and say the target.

    Args:
      d_model: the width D of the memory's vectors and of the decoder's hidden states; None = a study matches it to
        its reference.
      num_layers: L, in the encoder and in the decoder; the top one attends.
      cell: "lstm", "gru" or "rnn".
      attention: "none" (Sutskever et al. 2014, arXiv 1409.3215), "additive" (Bahdanau et al. 2014, arXiv 1409.0473; its
        maxout before the readout is a tanh here), "bilinear" or "dot" (Luong et al. 2015, arXiv 1508.04025, "general"
        and "dot", with input feeding).
      bidirectional: the encoder reads both ways, each direction with hidden states of size D // 2.
      d_embedding: the width E of embedded tokens; None = D.
      tied: the readout's weights are the embedding's table; then E = D.
      dropout: the share dropped in training of embedded tokens, of what each encoder's layer gives, and before the
        readout.
    """

    num_layers: int = 1
    cell: Cell = "lstm"
    attention: CrossAttention = "additive"
    bidirectional: bool = True
    d_embedding: int | None = None
    tied: bool = False
    dropout: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        for name, choice in (("cell", Cell), ("attention", CrossAttention)):
            if getattr(self, name) not in get_args(choice):
                raise ValueError(f"{name}: got {getattr(self, name)!r}, wanted one of {', '.join(get_args(choice))}")
        if self.bidirectional and self.d_model is not None and self.d_model % 2:
            raise ValueError(f"d_model: got {self.d_model}, wanted an even width: bidirectional halves it")
        if self.d_embedding is not None and (self.d_embedding < 1 or (self.tied and self.d_embedding != self.d_model)):
            wanted = f"d_model={self.d_model}: the readout is tied" if self.tied else "at least 1"
            raise ValueError(f"d_embedding: got {self.d_embedding}, wanted {wanted}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: got {self.dropout!r}, wanted a share of at least 0 and below 1")

    @property
    def embedding_width(self) -> int:
        """E, the width of embedded tokens."""
        return self.width if self.d_embedding is None else self.d_embedding

    @property
    def divisor(self) -> int:
        """Two directions halve the width."""
        return len(self.directions)

    def resized(self, d_model: int) -> "RecurrentEncoderDecoder":
        """This model at another width; embeddings keep one of their own."""
        return replace(self, d_model=d_model, d_embedding=None if self.tied else self.d_embedding)

    def trimmed(self, size: int) -> "RecurrentEncoderDecoder | None":
        """The width of embedded tokens, where the readout is not tied to it."""
        return None if self.tied else replace(self, d_embedding=size)

    def describe(self) -> str:
        """One line a person reads.

        >>> RecurrentEncoderDecoder(32).describe()
        'LSTM encoder-decoder, additive attention, both ways, 1 + 1 layers, width 32'
        """
        attention = "no attention" if self.attention == "none" else f"{self.attention} attention"
        ways = ", both ways" if self.bidirectional else ""
        layers = f"{self.num_layers} + {self.num_layers} layers"
        embedded = "" if self.d_embedding is None else f", embedded in {self.d_embedding}"
        return f"{self.cell.upper()} encoder-decoder, {attention}{ways}, {layers}, width {self.width}{embedded}"

    @property
    def directions(self) -> tuple[str, ...]:
        """The names of the encoder's cells in a layer."""
        return ("forward", "backward") if self.bidirectional else ("forward",)

    def make(self, io: IO, max_tokens: int) -> EncoderDecoder:
        """Binds this configuration to the functions below; there are no positions that `max_tokens` could bound."""
        del max_tokens
        assert self.width  # or it raises, and says who gives it
        whole = partial(apply_embedded, self)
        model = EncoderDecoder(
            init=partial(init, self, vocabulary(io)),
            apply=partial(apply_strings, embed, whole),
            embed=embed,
            apply_embedded=whole,
            encode=partial(encode, self),
            extend=partial(extend, self),
            inspect=partial(inspect, self),
            tables=("embedding", "readout"),
            layers=layers,
        )
        return checked_encoder_decoder(model)


def init(config: RecurrentEncoderDecoder, vocab_size: int, key: Key) -> Params:
    """Tables of `embedding` and `readout`, cells of `encoder` and `decoder`, and those of attention."""
    D, E, L = config.width, config.embedding_width, config.num_layers
    keys = jax.random.split(key, 3 * L + 4)
    half = D // len(config.directions)
    fed = 0 if config.attention == "none" else D
    params = {
        "embedding": init_embedding(keys[0], vocab_size, E, scale=1.0),
        "encoder": [
            {
                name: init_cell(config.cell, keys[4 + 2 * i + j], E if i == 0 else D, half)
                for j, name in enumerate(config.directions)
            }
            for i in range(L)
        ],
        "decoder": [init_cell(config.cell, keys[4 + 2 * L + i], E + fed if i == 0 else D, D) for i in range(L)],
        "readout": init_readout(config.tied, keys[1], D, vocab_size),
    }
    if config.attention == "none":
        return params
    combine = init_linear(keys[2], 2 * D, D)
    return params | {"combine": combine, "attention": init_attention(config.attention, D, keys[3])}


def embed(params: Params, tokens: Array) -> Array:
    """[B, T, E] of tokens."""
    return embedding(params["embedding"], tokens)


def apply_embedded(
    config: RecurrentEncoderDecoder,
    params: Params,
    x: Array,
    source_valid: Array | None,
    target_in: Array,
    *,
    key: Key | None = None,
) -> Array:
    """Logits [B, T, V] of whole targets, the source x [B, S, E] embedded."""
    state = _read(config, params, x, source_valid, key)
    return _say(config, params, target_in, state, key)[0]


def layers(params: Params) -> dict[str, Any]:
    """Its parts: "embedding", "encoder_0" ..., "decoder_0" ..., and those of attention and readout."""
    stacks = {f"{name}_{i}": layer for name in ("encoder", "decoder") for i, layer in enumerate(params[name])}
    return {name: part for name, part in params.items() if name not in ("encoder", "decoder")} | stacks


def encode(
    config: RecurrentEncoderDecoder, params: Params, source: Array, source_valid: Array | None, max_length: int
) -> State:
    """The state before the target's first place; its size does not depend on max_length."""
    del max_length
    return _read(config, params, embed(params, source), source_valid, None)


def extend(config: RecurrentEncoderDecoder, params: Params, target_in: Array, state: State) -> tuple[Array, State]:
    """Goes on with the target by T tokens: logits [B, T, V] and the state after them."""
    return _say(config, params, target_in, state, None)


def inspect(
    config: RecurrentEncoderDecoder, params: Params, source: Array, source_valid: Array | None, target_in: Array
) -> dict[str, Array]:
    """What the readout is given, "decoder/hidden" [B, T, D], and attention's weights, "decoder/cross" [B, 1, T, S]."""
    state = _read(config, params, embed(params, source), source_valid, None)
    _, (hidden, weights) = _decode(config, params, embed(params, target_in), state)
    return {"decoder/hidden": hidden} | ({} if weights is None else {"decoder/cross": weights[:, None]})


def _read(config: RecurrentEncoderDecoder, params: Params, x: Array, valid: Array | None, key: Key | None) -> State:
    """The embedded source through the encoder: {"cells": the decoder's first states, "fed": zeros, "memory"}."""
    x = zero_padding(x, valid)
    x = dropout(config.dropout, x, fold_in(key, _SOURCE))
    states = []
    for index, layer in enumerate(params["encoder"]):
        x, state = read_layer(config.cell, layer, x, valid)
        x = dropout(config.dropout, x, fold_in(key, _SOURCE + 1 + index))
        states.append(state)
    memory = None if config.attention == "none" else remember(config.attention, params["attention"], x, valid)
    feeds = config.attention in ("bilinear", "dot")
    fed = jnp.zeros((x.shape[0], config.width), x.dtype) if feeds else None
    return {"cells": tuple(states), "fed": fed, "memory": memory}


def _say(
    config: RecurrentEncoderDecoder, params: Params, target_in: Array, state: State, key: Key | None
) -> tuple[Array, State]:
    """Logits [B, T, V] and the state after T tokens."""
    x = dropout(config.dropout, embed(params, target_in), fold_in(key, _TARGET))
    state, (hidden, _) = _decode(config, params, x, state)
    hidden = dropout(config.dropout, hidden, fold_in(key, _SAID))
    return read_out(config.tied, params, hidden), state


def _decode(
    config: RecurrentEncoderDecoder, params: Params, x: Array, state: State
) -> tuple[State, tuple[Array, Array | None]]:
    """The decoder over x [B, T, D]: the state after it; what is read out, [B, T, D], and the weights, [B, T, S]."""
    step = partial(_step, config, params, state["memory"])
    start = vary_with((state["cells"], state["fed"]), params, state["memory"], x)
    (cells, fed), outs = lax.scan(step, start, jnp.swapaxes(x, 0, 1))
    state = state | {"cells": cells, "fed": fed}
    return state, jax.tree.map(lambda out: jnp.swapaxes(out, 0, 1), outs)


def _step(
    config: RecurrentEncoderDecoder, params: Params, memory: Memory | None, state: tuple[tuple, Array | None], x: Array
) -> tuple[tuple[tuple, Array | None], tuple[Array, Array | None]]:
    """One token x [B, D]: (cells, what is fed to the next step), (what is read out [B, D], weights [B, S])."""
    cells, fed = state
    if memory is None:
        cells, hidden = _advance(config, params["decoder"], cells, x)
        return (cells, fed), (hidden, None)
    asks_before = config.attention == "additive"
    found = ask(config.attention, params["attention"], memory, _hidden(cells[-1])) if asks_before else None
    read = fed if found is None else found.value
    assert read is not None  # whoever asks after the step is fed what came of the last one
    cells, hidden = _advance(config, params["decoder"], cells, jnp.concatenate([x, read], -1))
    found = ask(config.attention, params["attention"], memory, hidden) if found is None else found
    said = jnp.tanh(linear(params["combine"], jnp.concatenate([hidden, found.value], -1)))
    return (cells, None if asks_before else said), (said, found.weights)


def _advance(config: RecurrentEncoderDecoder, layers: list[Params], cells: tuple, x: Array) -> tuple[tuple, Array]:
    """All layers by one step, each reading the one below: their states, and the top one's hidden state [B, D]."""
    after = []
    for layer, cell in zip(layers, cells, strict=True):
        cell, x = STEPS[config.cell](layer, cell, x)
        after.append(cell)
    return tuple(after), x


def _hidden(cell: State) -> Array:
    """The hidden state [B, D] of a cell's state."""
    return cell[0] if isinstance(cell, tuple) else cell
