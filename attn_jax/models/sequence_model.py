"""The one skeleton of every comparison: embedding, layers, readout. Only the mixer inside differs."""

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import get_args

import jax
import jax.numpy as jnp

from attn_jax.layers.decay import spared
from attn_jax.layers.mlp import Feedforward
from attn_jax.layers.norm import Norm, init_norm
from attn_jax.layers.positions import Positions, init_positions
from attn_jax.mixers.attention import Attention
from attn_jax.mixers.base import CutApply, MixerConfig
from attn_jax.models.base import AnyModelConfig, EncoderDecoder, Model
from attn_jax.models.block import NormPlace, extend_layer, init_block, init_block_state, spared_block
from attn_jax.models.checked import checked
from attn_jax.models.decoder_only import decoder_only
from attn_jax.models.embed import embed, init_embed
from attn_jax.models.readout import init_readout, last_norm
from attn_jax.models.stack import (
    Group,
    each_layer,
    init_groups,
    layers_by_name,
    make_groups,
    spared_layers,
    states_by_name,
    through_layers,
)
from attn_jax.models.whole import (
    apply,
    apply_at,
    apply_embedded,
    enter_layers,
    inspect,
    leave_layers,
    through_layer,
    trips,
)
from attn_jax.names import counted
from attn_jax.types import IO, Array, Key, Params, State


@dataclass(frozen=True)
class ModelConfig(AnyModelConfig):
    """A sequence model: one output a place.

    Args:
      d_model: the width D; None = a study matches it to its reference.
      num_layers: L.
      mixers: one mixer for all layers, or one a layer.
      norm: of each mixer and MLP: "layer", "rms" or "none".
      residual: whether each mixer and MLP adds to its input.
      d_ff: the MLP's hidden width F; None = 4 D, two thirds of it where the MLP is gated; 0 = no MLP.
      positions: what is added to the embedding: "sinusoidal", "learned" or "none".
      norm_place: "pre", before each part and before the readout, or "post", after each part's residual sum.
      mlp: "gelu", "relu", or gated: "swiglu", "geglu".
      tied: the readout's weights are the embedding's table; needs the same tokens in and out.
      dropout: the share dropped in training of the embedded inputs and of what each mixer and MLP gives.
      embedding_scale: the standard deviation of the embedding's table at the start: how far inputs push a recurrence
        into saturation. What is embedded by a matrix, channels, has none.
    """

    mixers: tuple[MixerConfig, ...] = (Attention(),)
    norm: Norm = "layer"
    residual: bool = True
    d_ff: int | None = None
    positions: Positions = "none"
    norm_place: NormPlace = "pre"
    mlp: Feedforward = "gelu"
    tied: bool = False
    dropout: float = 0.0
    embedding_scale: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        if self.d_ff is not None and not (isinstance(self.d_ff, int) and self.d_ff >= 0):
            raise ValueError(f"d_ff: got {self.d_ff!r}, wanted an integer of at least 0")
        choices = {"norm": Norm, "positions": Positions, "norm_place": NormPlace, "mlp": Feedforward}
        for name, choice in choices.items():
            if getattr(self, name) not in get_args(choice):
                raise ValueError(f"{name}: got {getattr(self, name)!r}, wanted one of {', '.join(get_args(choice))}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: got {self.dropout!r}, wanted a share of at least 0 and below 1")
        if not 0 < self.embedding_scale < math.inf:
            raise ValueError(f"embedding_scale: got {self.embedding_scale}, wanted a number > 0")
        if not self.mixers:
            raise ValueError("mixers: got none, wanted one, or one a layer")
        for mixer in self.mixers:
            if self.d_model is None and mixer.d_model is not None:
                name = type(mixer).__name__
                raise ValueError(f"mixers: got {name}(d_model={mixer.d_model}) in a model without, wanted none")

    @property
    def hidden(self) -> int:
        """The MLP's hidden width F, 0 where there is none."""
        if self.d_ff is not None:
            return self.d_ff
        return 4 * self.width if self.mlp in ("gelu", "relu") else 8 * self.width // 3

    @property
    def divisor(self) -> int:
        """Every mixer's divides the width."""
        return math.lcm(*(mixer.divisor for mixer in self.mixers))

    @property
    def countable(self) -> "ModelConfig":
        """The same model of mixers in the form that is counted."""
        return replace(self, mixers=tuple(mixer.countable for mixer in self.mixers))

    def resized(self, d_model: int) -> "ModelConfig":
        """This model at another width, its mixers with it."""
        return replace(self, d_model=d_model, mixers=tuple(replace(mixer, d_model=None) for mixer in self.mixers))

    def trimmed(self, size: int) -> "ModelConfig | None":
        """The MLP's hidden width; without an MLP what the mixers are trimmed by, where all of them are."""
        if self.hidden:
            return replace(self, d_ff=size)
        mixers = [mixer.trimmed(size) for mixer in self.mixers]
        if any(mixer is None for mixer in mixers):
            return None
        return replace(self, mixers=tuple(mixer for mixer in mixers if mixer is not None))

    def describe(self) -> str:
        """One line a person reads: what is stacked, how wide.

        >>> ModelConfig(32).describe()
        'Attention, block form, 2 layers, width 32, MLP 128'
        """
        names = " + ".join(type(mixer).__name__ for mixer in self.mixers)
        form = "block form" if self.residual else "classic form"
        hidden = f", MLP {self.hidden}" if self.hidden else ""
        inner = next((size for mixer in self.mixers if (size := mixer.hidden_size)), None)
        inside = f", hidden {inner}" if inner else ""
        places = "" if self.positions == "none" else f", {self.positions} positions"
        return f"{names}, {form}, {counted(self.num_layers, 'layer')}, width {self.width}{inside}{hidden}{places}"

    def over_strings(self, io: IO, source_tokens: int, target_tokens: int) -> EncoderDecoder:
        """The decoder-only form: source and target are read as one string."""
        return decoder_only(self.make(io, source_tokens + target_tokens))

    def layer_mixers(self) -> tuple[MixerConfig, ...]:
        """One mixer configuration a layer, each with the model's width."""
        number, layers = len(self.mixers), self.num_layers
        if number not in (1, layers):
            raise ValueError(f"mixers: got {number} for num_layers={layers}, wanted 1 or {layers}")
        mixers = self.mixers * layers if number == 1 else self.mixers
        for mixer in mixers:
            if mixer.d_model not in (None, self.width):
                name = type(mixer).__name__
                raise ValueError(f"{name}: d_model={mixer.d_model} differs from the model's {self.width}; leave it out")
        return tuple(replace(mixer, d_model=self.width) for mixer in mixers)

    def make(self, io: IO, max_tokens: int) -> Model:
        """Binds this configuration to the functions below; `max_tokens` bounds learned positions."""
        if self.tied and (io.vocab_size is None or io.vocab_size != io.num_classes):
            raise ValueError(f"tied: got True for {io}, wanted vocab_size = num_classes")
        if io.vocab_size is None and self.embedding_scale != 1:
            raise ValueError(f"embedding_scale: got {self.embedding_scale} for {io}, wanted 1: channels have no table")
        groups = make_groups(self.layer_mixers())
        causal = all(group.mixer.causal for group in groups)
        embedded = partial(apply_embedded, self, groups)
        whole = partial(apply, embedded)
        model = Model(
            init=partial(init, self, groups, io, max_tokens),
            embed=embed,
            apply_embedded=embedded,
            # what dropout draws hangs on the shape: some places alone would see other draws than they do in the whole
            apply=whole if self.dropout else CutApply(whole, partial(apply_at, self, groups)),
            init_state=partial(init_state, groups) if causal else None,
            extend=partial(extend, self, groups) if causal else None,
            inspect=partial(inspect, self, groups),
            spared=partial(spared_params, groups),
            tables=("embedding", "positions", "readout"),
            trips=partial(trips, self, groups) if any(group.mixer.trips for group in groups) else None,
            layers=partial(layers_by_name, {"layers": groups}),
            states=partial(states_by_name, groups),
            through={f"layer_{index}": partial(through_layer, self, groups, index) for index in range(self.num_layers)},
        )
        return checked(model, io)


def classic(mixer: MixerConfig, *, d_model: int | None = None, num_layers: int = 2) -> ModelConfig:
    """The classic stacked form of recurrent networks: cells on cells, no norm, no residual, no MLP, no positions.

    >>> from attn_jax.mixers import LSTM
    >>> classic(LSTM(), d_model=32).hidden
    0
    """
    return ModelConfig(d_model=d_model, num_layers=num_layers, mixers=(mixer,), norm="none", residual=False, d_ff=0)


def init(config: ModelConfig, groups: tuple[Group, ...], io: IO, max_tokens: int, key: Key) -> Params:
    """Tables of `embedding`, `positions` and `readout` beside the `layers`."""
    keys = jax.random.split(key, config.num_layers + 3)
    params = {
        "embedding": init_embed(io, config.width, keys[0], scale=config.embedding_scale),
        "layers": init_groups(partial(init_block, config), groups, keys[3:]),
        "norm": init_norm(last_norm(config), config.width),
        "readout": init_readout(config.tied, keys[1], config.width, io.outputs),
    }
    return params | init_positions(config.positions, keys[2], max_tokens, config.width)


def init_state(
    groups: tuple[Group, ...], params: Params, batch_size: int, max_length: int, *, dtype=jnp.float32
) -> State:
    """The state before the first place: places read, int32 [B], and the layers' own states, one entry a group."""
    fresh = partial(init_block_state, batch_size, max_length, dtype)
    return {"position": jnp.zeros(batch_size, jnp.int32), "layers": each_layer(fresh, groups, params["layers"])}


def extend(
    config: ModelConfig,
    groups: tuple[Group, ...],
    params: Params,
    inputs: Array,
    state: State,
    valid: Array | None = None,
) -> tuple[Array, State]:
    """Goes on from a state by T places: logits [B, T, V] and the state after them."""
    batch, length = inputs.shape[:2]
    x = enter_layers(config, params, inputs, valid, state["position"][:, None])
    x, layers = through_layers(partial(extend_layer, config, valid), groups, x, params["layers"], state["layers"])
    read = jnp.full(batch, length, jnp.int32) if valid is None else valid.sum(1, dtype=jnp.int32)
    return leave_layers(config, params, x), {"position": state["position"] + read, "layers": layers}


def spared_params(groups: tuple[Group, ...], params: Params) -> Params:
    """What weight decay leaves alone."""
    layers = {"layers": spared_layers(spared_block, groups, params["layers"])}
    return {name: spared((), part) for name, part in params.items() if name != "layers"} | layers
