"""One layer: norm, mixer, residual; norm, MLP, residual. Parts can be absent: the classic form has the mixer alone.

Pre norm: x + part(norm(x)), and one more norm before the readout. Post norm, as first published: norm(x + part(x)).
"""

from typing import Any, Literal, Protocol, TypeAlias

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from attn_jax.layers.decay import spared
from attn_jax.layers.dropout import dropout, fold_in
from attn_jax.layers.mlp import Feedforward, init_mlp, mlp
from attn_jax.layers.norm import Norm, init_norm, norm
from attn_jax.mixers.base import Mixer, Places, apply_at, cut
from attn_jax.types import Array, Key, Params, State

NormPlace: TypeAlias = Literal["pre", "post"]

_MIXER, _MIXED, _MLP = 0, 1, 2  # what draws in a layer; each has its own key


class BlockConfig(Protocol):
    """What a layer reads of its model's configuration."""

    @property
    def width(self) -> int:
        """The width D."""
        ...

    @property
    def norm(self) -> Norm:
        """The norm of each part."""
        ...

    @property
    def norm_place(self) -> NormPlace:
        """Before each part, or after its residual sum."""
        ...

    @property
    def residual(self) -> bool:
        """Whether each part adds to its input."""
        ...

    @property
    def hidden(self) -> int:
        """The MLP's hidden width F, 0 where there is none."""
        ...

    @property
    def mlp(self) -> Feedforward:
        """The MLP's kind."""
        ...

    @property
    def dropout(self) -> float:
        """The share of each part's output that is dropped in training."""
        ...


def init_block(config: BlockConfig, mixer: Mixer, key: Key) -> Params:
    """{"mixer_norm", "mixer"} and, where there is an MLP, {"mlp_norm", "mlp"}."""
    key_mixer, key_mlp = jax.random.split(key)
    params = {"mixer_norm": init_norm(config.norm, config.width), "mixer": mixer.init(key_mixer)}
    if config.hidden:
        params["mlp_norm"] = init_norm(config.norm, config.width)
        params["mlp"] = init_mlp(key_mlp, config.width, config.hidden, config.mlp)
    return params


def init_block_state(batch_size: int, max_length: int, dtype: DTypeLike, mixer: Mixer, params: Params) -> State:
    """The state of a layer's mixer before the first place, as a stack asks for it."""
    assert mixer.init_state is not None  # a model over a non-causal mixer has no init_state
    return mixer.init_state(params["mixer"], batch_size, max_length, dtype=dtype)


def apply_block(
    config: BlockConfig, mixer: Mixer, params: Params, x: Array, valid: Array | None, *, key: Key | None = None
) -> Array:
    """The layer over a whole sequence."""
    return feed_forward(config, params, mix(config, mixer, params, x, valid, key=key), key=key)


def apply_layer(
    config: BlockConfig, valid: Array | None, key: Key | None, mixer: Mixer, x: Array, layer: Any
) -> tuple[Array, None]:
    """`apply_block` as a stack calls it, the layer's key drawn by its index."""
    index, params, _ = layer
    return apply_block(config, mixer, params, x, valid, key=fold_in(key, index)), None


def apply_block_at(
    config: BlockConfig,
    mixer: Mixer,
    params: Params,
    x: Array,
    places: Places,
    valid: Array | None,
    *,
    key: Key | None = None,
) -> Array:
    """`apply_block` at some places alone, of a model without dropout."""
    entered, key_mixer = enter(config, params["mixer_norm"], x), fold_in(key, _MIXER)
    y = apply_at(mixer.apply, params["mixer"], entered, places, valid, key=key_mixer)
    return feed_forward(config, params, leave(config, params["mixer_norm"], cut(x, places), y))


def inspect_layer(
    config: BlockConfig, valid: Array | None, mixer: Mixer, x: Array, layer: Any
) -> tuple[Array, dict[str, Array]]:
    """What comes after the layer, and what its mixer shows, as a stack calls it."""
    _, params, _ = layer
    return apply_block(config, mixer, params, x, valid), inspect_block(config, mixer, params, x, valid)


def count_layer(config: BlockConfig, valid: Array | None, mixer: Mixer, x: Array, layer: Any) -> tuple[Array, Array]:
    """What comes after the layer, and the trips of its mixer's `while` loops, int32 [B], as a stack calls it."""
    _, params, _ = layer
    after, entered = apply_block(config, mixer, params, x, valid), enter(config, params["mixer_norm"], x)
    none = jnp.zeros(len(x), jnp.int32)
    return after, none if mixer.trips is None else mixer.trips(params["mixer"], entered, valid)


def extend_block(
    config: BlockConfig, mixer: Mixer, params: Params, x: Array, state: State, valid: Array | None
) -> tuple[Array, State]:
    """The layer, going on from a state."""
    x, state = extend_mix(config, mixer, params, x, state, valid)
    return feed_forward(config, params, x), state


def extend_layer(config: BlockConfig, valid: Array | None, mixer: Mixer, x: Array, layer: Any) -> tuple[Array, State]:
    """`extend_block` as a stack calls it."""
    _, params, state = layer
    return extend_block(config, mixer, params, x, state, valid)


def inspect_block(config: BlockConfig, mixer: Mixer, params: Params, x: Array, valid: Array | None) -> dict[str, Array]:
    """What the layer's mixer shows of itself."""
    return mixer.inspect(params["mixer"], enter(config, params["mixer_norm"], x), valid)


def spared_block(mixer: Mixer, params: Params) -> Params:
    """What weight decay leaves alone of a layer."""
    return {name: mixer.spared(part) if name == "mixer" else spared((), part) for name, part in params.items()}


def mix(
    config: BlockConfig, mixer: Mixer, params: Params, x: Array, valid: Array | None, *, key: Key | None = None
) -> Array:
    """The mixer's part of a layer, over a whole sequence."""
    y = mixer.apply(params["mixer"], enter(config, params["mixer_norm"], x), valid, key=fold_in(key, _MIXER))
    return leave(config, params["mixer_norm"], x, y, key=fold_in(key, _MIXED))


def extend_mix(
    config: BlockConfig, mixer: Mixer, params: Params, x: Array, state: State, valid: Array | None
) -> tuple[Array, State]:
    """The mixer's part of a layer, going on from a state."""
    assert mixer.extend is not None  # a model over a non-causal mixer has no extend
    y, state = mixer.extend(params["mixer"], enter(config, params["mixer_norm"], x), state, valid)
    return leave(config, params["mixer_norm"], x, y), state


def feed_forward(config: BlockConfig, params: Params, x: Array, *, key: Key | None = None) -> Array:
    """The MLP's part of a layer, where there is one."""
    if "mlp" not in params:
        return x
    y = mlp(params["mlp"], enter(config, params["mlp_norm"], x), config.mlp)
    return leave(config, params["mlp_norm"], x, y, key=fold_in(key, _MLP))


def enter(config: BlockConfig, params: Params, x: Array) -> Array:
    """What a part of a layer is given: x, normalised where the norm comes before."""
    return norm(config.norm, params, x) if config.norm_place == "pre" else x


def leave(config: BlockConfig, params: Params, x: Array, y: Array, *, key: Key | None = None) -> Array:
    """What a part of a layer gives: its output y with its input x, normalised where the norm comes after."""
    y = dropout(config.dropout, y, key)
    x = x + y if config.residual else y
    return norm(config.norm, params, x) if config.norm_place == "post" else x
