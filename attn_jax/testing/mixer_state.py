"""Points of a mixer's contract that its state decides: `extend` beside `apply`, whole and in pieces."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from attn_jax.mixers.base import Mixer
from attn_jax.testing.mixer_whole import DERIVED, B, D, T, Whole, with_gradient, with_padding
from attn_jax.testing.require import require, require_close, require_finite
from attn_jax.types import Array, Params

_SPLITS = ((4, 5), (1,) * 9)


def check_one_trace(mixer: Mixer, params: Params, x: np.ndarray) -> None:
    """Decoding with the state it returned must find the compiled step again: weak types count too."""
    assert mixer.init_state is not None and mixer.extend is not None  # it is causal
    traces = []
    step = jax.jit(lambda x, state: (traces.append(1), mixer.extend(params, x, state, None))[1])  # pyright: ignore
    state = mixer.init_state(params, B, T)
    for t in range(3):
        _, state = step(x[:, t : t + 1], state)
    require(len(traces) == 1, "a step from the state that a step returned is traced again")


def check_extend(mixer: Mixer, params: Params, x: np.ndarray, whole: Whole) -> None:
    """All at once, in two pieces and one by one as `apply`; past max_length it is right or NaN."""

    @jax.jit
    def run(params, x):
        past = _run_in_pieces(mixer, _SPLITS[-1], params, x, max_length=T - 1)
        split = [with_gradient(partial(_run_in_pieces, mixer, split), params, x) for split in _SPLITS]
        return mixer.extend(params, x, mixer.init_state(params, B, T), None)[0], split, past[:, -1]  # pyright: ignore

    at_once, pieces, past = run(params, x)
    require_close(whole.y, at_once, "extend of all at once differs from apply in its outputs")
    for split, given in zip(_SPLITS, pieces, strict=True):
        for name, a, b in zip(DERIVED, whole.differentiated, given, strict=True):
            require_close(a, b, f"extend in pieces of {split} differs from apply in its {name}")
    alike = np.allclose(past, whole.y[:, -1], atol=1e-4)
    require(alike or np.isnan(past).all(), "a step past max_length is neither right nor NaN")


def check_padded_pieces(mixer: Mixer, params: Params, x: np.ndarray) -> None:
    """Two chunks with NaN in the padding of both: outputs and gradients as if each row had only its valid places."""
    assert mixer.init_state is not None and mixer.extend is not None  # it is causal
    valid = np.arange(4) < np.array([[3], [4]])

    def total(params, x):
        state, y = mixer.init_state(params, B, T), []  # pyright: ignore[reportOptionalCall]
        for chunk in (x[:, :4], x[:, 4:8]):
            out, state = mixer.extend(params, chunk, state, jnp.asarray(valid))  # pyright: ignore[reportOptionalCall]
            y.append(jnp.where(valid[..., None], out, 0))
        return jnp.concatenate(y, 1).sum(), (y, state)

    @jax.jit
    def run(params, poisoned, alone):
        (_, (pieces, state)), gradient = jax.value_and_grad(total, has_aux=True)(params, poisoned)
        _, same = mixer.extend(params, poisoned[:, :0], state, jnp.asarray(valid[:, :0]))  # pyright: ignore[reportOptionalCall]
        return pieces[1], gradient, mixer.apply(params, alone, None), state, same

    poisoned = with_padding(x[:, :8], np.tile(valid, 2), np.nan)
    second, gradient, alone, state, same = run(params, poisoned, np.concatenate([x[:1, :3], x[:1, 4:7]], 1))
    held = "extend does not hold its state at the padding of a later piece"
    require_close(np.asarray(second)[0, :3], np.asarray(alone)[0, 3:], held)
    require_finite(gradient, "NaN in the padding of a piece makes the gradients of extend NaN")
    unmoved = jax.tree.map(lambda one, other: np.array_equal(one, other), state, same)
    require(all(jax.tree.leaves(unmoved)), "extend by no places moves the state")


def check_state(mixer: Mixer, params: Params) -> None:
    """It has the dtype asked for, and a step in whatever dtype leaves its shapes and dtypes as they are."""
    assert mixer.init_state is not None and mixer.extend is not None  # it is causal
    start = lambda params, **options: mixer.init_state(params, B, T, **options)  # noqa: E731 # pyright: ignore
    state, low = jax.eval_shape(start, params), jax.eval_shape(partial(start, dtype=jnp.bfloat16), params)
    floating = [leaf.dtype for leaf in jax.tree.leaves(low) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    require(all(dtype == jnp.bfloat16 for dtype in floating), "init_state does not honour dtype")
    for dtype in (jnp.dtype(jnp.float32), jnp.dtype(jnp.bfloat16)):
        y, after = jax.eval_shape(mixer.extend, params, jax.ShapeDtypeStruct((B, 1, D), dtype), state, None)
        require(y.dtype == dtype, f"extend gives {y.dtype} for x of {dtype}")
        described = [jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree) for tree in (after, state)]
        require(described[0] == described[1], f"a step in {dtype} changes the state's shapes or dtypes")


def _run_in_pieces(mixer: Mixer, split: tuple[int, ...], params: Params, x: Array, max_length: int = T) -> Array:
    assert mixer.init_state is not None and mixer.extend is not None  # it is causal
    state, pieces, at = mixer.init_state(params, B, max_length), [], 0
    for size, times in ((size, len(list(group))) for size, group in itertools.groupby(split)):
        chunks = x[:, at : at + size * times].reshape(B, times, size, -1).swapaxes(0, 1)
        state, y = lax.scan(lambda s, c: mixer.extend(params, c, s, None)[::-1], state, chunks)  # pyright: ignore
        pieces.append(y.swapaxes(0, 1).reshape(B, times * size, -1))
        at += size * times
    return jnp.concatenate(pieces, 1)
