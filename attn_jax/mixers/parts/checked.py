"""What users hand a mixer, checked where it comes in: NumPy and lists are taken, the rest is refused by name."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.mixers.base import ApplyFn, CutApply, Mixer
from attn_jax.ops.arguments import floats, random_key, whole
from attn_jax.ops.padding import prefix
from attn_jax.types import Array, Key, Params, State


def checked(mixer: Mixer, width: int) -> Mixer:
    """The mixer with its functions behind a check of what users hand them, NumPy and lists included.

    x is floating [B, T, D] with D = width, `valid` is a prefix of each row where it is known, parameters are float32
    where 64 bits are the default, too, and inside ranks promote however JAX is set.
    """
    return mixer._replace(
        init=partial(init, mixer.init),
        apply=_checked_apply(mixer.apply, width),
        init_state=None if mixer.init_state is None else partial(init_state, mixer.init_state),
        extend=None if mixer.extend is None else partial(_extend, mixer.extend, width),
        inspect=partial(_inspect, mixer.inspect, width),
    )


def init(draw: Callable[..., Params], key: Key) -> Params:
    """A mixer's or a model's parameters, of a key that is one."""
    with broadcasting():
        return as_float32(draw(random_key("key", key)))


def _checked_apply(apply: ApplyFn, width: int) -> ApplyFn:
    if isinstance(apply, CutApply):  # its shorter form is called by models alone
        return CutApply(partial(_apply, apply.whole, width), apply.at)
    return partial(_apply, apply, width)


def _apply(
    apply: Callable[..., Array], width: int, params: Params, x: Array, valid: Array | None = None, *, key=None
) -> Array:
    with broadcasting():
        return apply(params, *_read(width, x, valid), key=None if key is None else random_key("key", key))


def init_state(
    start: Callable[..., State], params: Params, batch_size: int, max_length: int, *, dtype=jnp.float32
) -> State:
    """A mixer's or a model's state before the first place, its sizes ints that are no less than 0."""
    with broadcasting():
        return start(params, whole("batch_size", batch_size, 0), whole("max_length", max_length, 0), dtype=dtype)


def check_state(state: State, batch_size: int, axes: int = 1) -> None:
    """Raises a ValueError unless B is among the first axes of each leaf; another B would broadcast, and say nothing.

    >>> check_state((jnp.zeros((2, 3)), jnp.zeros(2)), 2)
    """
    for leaf in jax.tree.leaves(state):
        if batch_size not in np.shape(leaf)[:axes]:
            raise ValueError(f"state: got an array of shape {np.shape(leaf)}, wanted one of B = {batch_size}, as x has")


def _extend(
    extend: Callable[..., Any], width: int, params: Params, x: Array, state: State, valid: Array | None = None
) -> tuple[Array, State]:
    x, valid = _read(width, x, valid)
    check_state(state, x.shape[0])
    with broadcasting():
        return extend(params, x, state, valid)


def _inspect(
    inspect: Callable[..., Any], width: int, params: Params, x: Array, valid: Array | None = None
) -> dict[str, Array]:
    with broadcasting():
        return inspect(params, *_read(width, x, valid))


def _read(width: int, x: Array, valid: Array | None) -> tuple[Array, Array | None]:
    """x and `valid` as arrays, or a ValueError that names the argument."""
    x = floats("x", x)
    if x.ndim != 3 or x.shape[2] != width:
        raise ValueError(f"x: got shape {x.shape}, wanted [B, T, D] with D = {width}")
    return x, prefix("valid", valid, x.shape[:2])


# Where a user has JAX refuse implicit broadcasts of ranks, these are ours and meant.
broadcasting = partial(jax.numpy_rank_promotion, "allow")


def as_float32(params: Params) -> Params:
    """Parameters that were drawn, floating ones as float32.

    >>> as_float32({"w": jnp.zeros(2, jnp.bfloat16)})["w"].dtype
    dtype('float32')
    """
    return jax.tree.map(lambda w: w.astype(jnp.float32) if jnp.issubdtype(w.dtype, jnp.floating) else w, params)
