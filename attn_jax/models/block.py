"""One layer: norm, mixer, residual; norm, MLP, residual. Parts can be absent: the classic form has the mixer alone."""

from typing import Protocol

import jax

from attn_jax.layers.mlp import init_mlp, mlp
from attn_jax.layers.norm import Norm, init_norm, norm
from attn_jax.mixers.base import Mixer
from attn_jax.types import Array, Key, Params, State


class BlockConfig(Protocol):
    """What a layer reads of its model's configuration."""

    @property
    def d_model(self) -> int:
        """The width D."""
        ...

    @property
    def norm(self) -> Norm:
        """The norm before each part."""
        ...

    @property
    def residual(self) -> bool:
        """Whether each part adds to its input."""
        ...

    @property
    def hidden(self) -> int:
        """The MLP's hidden width F, 0 where there is none."""
        ...


def init_block(config: BlockConfig, mixer: Mixer, key: Key) -> Params:
    """{"mixer_norm", "mixer"} and, where there is an MLP, {"mlp_norm", "mlp"}."""
    key_mixer, key_mlp = jax.random.split(key)
    params = {"mixer_norm": init_norm(config.norm, config.d_model), "mixer": mixer.init(key_mixer)}
    if config.hidden:
        params["mlp_norm"] = init_norm(config.norm, config.d_model)
        params["mlp"] = init_mlp(key_mlp, config.d_model, config.hidden)
    return params


def apply_block(
    config: BlockConfig, mixer: Mixer, params: Params, x: Array, valid: Array | None, *, key: Key | None = None
) -> Array:
    """The layer over a whole sequence."""
    y = mixer.apply(params["mixer"], norm(config.norm, params["mixer_norm"], x), valid, key=key)
    return _after_mixer(config, params, x, y)


def extend_block(
    config: BlockConfig, mixer: Mixer, params: Params, x: Array, state: State, valid: Array | None
) -> tuple[Array, State]:
    """The layer, going on from a state."""
    assert mixer.extend is not None  # a model over a non-causal mixer has no extend
    y, state = mixer.extend(params["mixer"], norm(config.norm, params["mixer_norm"], x), state, valid)
    return _after_mixer(config, params, x, y), state


def _after_mixer(config: BlockConfig, params: Params, x: Array, y: Array) -> Array:
    x = x + y if config.residual else y
    if "mlp" not in params:
        return x
    y = mlp(params["mlp"], norm(config.norm, params["mlp_norm"], x))
    return x + y if config.residual else y
