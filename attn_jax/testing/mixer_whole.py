"""What the points of a mixer's contract share: their sizes and draws, and what `apply` gives of them whole."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.mixers.base import Mixer
from attn_jax.testing.promises import check_output
from attn_jax.testing.require import require
from attn_jax.types import Array, Params

B, T, D = 2, 9, 16
SHORT = 6  # valid places of the padded row
DERIVED = ("outputs", "parameter gradients", "input gradients")


class Whole(NamedTuple):
    """What `apply` gives without padding."""

    y: Array
    low: Array  # of x in bfloat16
    short: Array  # of the second row's first places, alone
    differentiated: tuple[Array, Params, Array]  # y, and the gradients of parameters and inputs


def compiled(mixer: Mixer) -> Mixer:
    """The same mixer, jitted: what is called twice with the same shapes, in whatever programs, is traced once."""
    if mixer.init_state is None or mixer.extend is None:
        return mixer._replace(init=jax.jit(mixer.init), apply=jax.jit(mixer.apply))
    return mixer._replace(
        init=jax.jit(mixer.init),
        apply=jax.jit(mixer.apply),
        init_state=jax.jit(mixer.init_state, static_argnums=(1, 2), static_argnames=("dtype",)),
        extend=jax.jit(mixer.extend),
    )


def drawn(mixer: Mixer, seed: int) -> tuple[Params, np.ndarray]:
    """Parameters and inputs; the parameters away from their start: zeros would hide what depends on them."""
    rng = np.random.default_rng(seed)  # between the programs all is NumPy: an eager jnp operation is a program too
    params = jax.tree.map(np.asarray, mixer.init(jax.random.key(seed)))
    moved = jax.tree.map(lambda leaf: leaf + 0.1 * rng.normal(size=leaf.shape).astype(leaf.dtype), params)
    return moved, rng.normal(size=(B, T, D)).astype(np.float32)


def check_outputs(mixer: Mixer, params: Params, x: np.ndarray) -> Whole:
    """Shape, dtype and finite values of y, and bfloat16 near float32; returns what the other points compare with."""
    try:
        y = jax.eval_shape(lambda params, x: mixer.apply(params, x, None, key=jax.random.key(1)), params, x)
    except TypeError as error:
        raise AssertionError(f"apply with a key, as in training, fails: {error}") from error
    check_output(y, x.shape)

    def outputs(params, x):
        y, low = mixer.apply(params, x, None), mixer.apply(params, x.astype(jnp.bfloat16), None)
        differentiated = with_gradient(lambda p, x: mixer.apply(p, x, None), params, x)
        training = mixer.apply(params, x, None, key=jax.random.key(1))
        return Whole(y, low, mixer.apply(params, x[1:, :SHORT], None), differentiated), training

    whole = jax.tree.map(np.asarray, jax.jit(outputs)(params, x)[0])
    y, low = whole.y, whole.low
    require(y.dtype == x.dtype, f"apply gives {y.dtype} for x of {x.dtype}")
    require(np.isfinite(y).all(), "apply gives values that are not finite")
    require(low.dtype == jnp.bfloat16, f"bfloat16 in gives {low.dtype} out")
    error, largest = np.abs(low.astype(np.float32) - y).max(), np.abs(y).max()
    require(error <= 0.1 * largest, f"bfloat16 is {error:.2g} off float32, of {largest:.2g}: accumulate in float32")
    return whole


def with_gradient(run: Callable[..., Array], params: Params, x: Array) -> tuple[Array, Params, Array]:
    """y, and the gradients of its sum along a fixed direction by the parameters and by x."""
    y, pull = jax.vjp(run, params, x)
    direction = np.cos(np.arange(y.size)).reshape(y.shape).astype(y.dtype)
    return y, *pull(direction)


def with_padding(x: np.ndarray, valid: np.ndarray, value: float) -> np.ndarray:
    """x, with one value at all places that are not valid."""
    return np.where(valid[..., None], x, x.dtype.type(value))
