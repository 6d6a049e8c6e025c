"""How a mixer is made of a file's functions: each takes the config first, then what that function of a mixer takes."""

from collections.abc import Callable, Collection
from functools import partial

from attn_jax.layers.decay import spared
from attn_jax.mixers.base import Mixer, MixerConfig, TripsFn
from attn_jax.mixers.parts.checked import checked
from attn_jax.ops.norms import accumulator
from attn_jax.types import Array, Key, Params, State


def bind(
    config: MixerConfig,
    init: Callable,
    init_state: Callable,
    extend: Callable,
    inspect: Callable,
    *,
    spare: Collection[str] = (),
    trips: TripsFn | None = None,
) -> Mixer:
    """The mixer of a file's functions; `apply` is `extend` from the fresh state. `spare`: names, as `spared` takes."""
    start, extend = partial(init_state, config), partial(extend, config)
    mixer = Mixer(
        init=partial(init, config),
        apply=partial(apply_by_extend, start, extend),
        init_state=start,
        extend=extend,
        inspect=partial(inspect, config),
        spared=partial(spared, spare),
        trips=trips,
    )
    return checked(mixer, config.width)


def apply_by_extend(
    init_state: Callable,
    extend: Callable,
    params: Params,
    x: Array,
    valid: Array | None = None,
    *,
    key: Key | None = None,
) -> Array:
    """The whole sequence from the fresh state; nothing is random."""
    del key
    return extend(params, x, fresh_state(init_state, params, x), valid)[0]


def fresh_state(init_state: Callable, params: Params, x: Array) -> State:
    """The state before x [B, T, D], as precise as sums over it."""
    return init_state(params, *x.shape[:2], dtype=accumulator(x.dtype))
