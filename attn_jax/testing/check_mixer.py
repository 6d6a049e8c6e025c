"""Proves what a mixer promises (attn_jax/mixers/base.py); call it on a mixer of your own."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from attn_jax.mixers.base import Mixer, MixerConfig
from attn_jax.types import Array, Params

_B, _T, _D = 2, 9, 16
_SPLITS = ((9,), (4, 5), (1,) * 9)
_CLOSE = 2e-5  # float32, sums of some tens of terms in another order


def check_mixer(config: MixerConfig, *, seed: int = 0) -> None:
    """Checks a mixer against its contract at B 2, T 9, D 16; returns when every point holds.

    apply = extend in three splits, outputs and gradients; causality (or sight in both directions) from the Jacobian;
    padding, with NaN planted in it; no leak between rows; states a fixed point of shapes and dtypes; one trace;
    bfloat16 in, bfloat16 out.

    Args:
      config: the mixer; its `d_model` is set here.
      seed: of the parameters and inputs.

    Raises:
      AssertionError: a sentence that says which promise is broken.

    >>> from attn_jax.mixers import GRU
    >>> check_mixer(GRU())
    """
    mixer = _compiled(replace(config, d_model=_D).make())
    key_params, key_x, key_noise = jax.random.split(jax.random.key(seed), 3)
    params = _perturbed(mixer.init(key_params), key_noise)
    x = jax.random.normal(key_x, (_B, _T, _D))
    _check_shape_and_dtype(mixer, params, x)
    if not mixer.causal:
        _require(mixer.init_state is None and mixer.extend is None, "causal=False, but init_state or extend is there")
    _check_jacobian(mixer, params, x)
    _check_padding(mixer, params, x)
    _require(isinstance(mixer.inspect(params, x, None), dict), "inspect gives no dict")
    if mixer.causal:
        _check_one_trace(mixer, params, x)
        _check_extend(mixer, params, x)
        _check_padded_pieces(mixer, params, x)
        _check_state(mixer, params, x)


def _compiled(mixer: Mixer) -> Mixer:
    """The same mixer, jitted: each point of the contract then costs one program, not a hundred small ones."""
    extend = None if mixer.extend is None else jax.jit(mixer.extend)
    return mixer._replace(init=jax.jit(mixer.init), apply=jax.jit(mixer.apply), extend=extend)


@jax.jit
def _perturbed(params: Params, key: Any) -> Params:
    """Parameters away from their start: what begins at zero would hide what depends on it."""
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    return tree.unflatten([leaf + 0.1 * jax.random.normal(k, leaf.shape) for leaf, k in zip(leaves, keys, strict=True)])


def _check_shape_and_dtype(mixer: Mixer, params: Params, x: Array) -> None:
    try:
        mixer.apply(params, x, None, key=jax.random.key(1))
    except TypeError as error:
        raise AssertionError(f"apply with a key, as in training, fails: {error}") from error
    y = mixer.apply(params, x, None)
    _require(y.shape == x.shape, f"apply gives shape {y.shape} for x of {x.shape}")
    _require(y.dtype == x.dtype, f"apply gives {y.dtype} for x of {x.dtype}")
    _require(bool(jnp.isfinite(y).all()), "apply gives values that are not finite")
    low = mixer.apply(params, x.astype(jnp.bfloat16), None)
    _require(low.dtype == jnp.bfloat16, f"bfloat16 in gives {low.dtype} out")
    error, largest = float(jnp.abs(low.astype(jnp.float32) - y).max()), float(jnp.abs(y).max())
    _require(error <= 0.1 * largest, f"bfloat16 is {error:.2g} off float32, of {largest:.2g}: accumulate in float32")


def _check_jacobian(mixer: Mixer, params: Params, x: Array) -> None:
    """|d y[b, t] / d x[c, s]|, y along a fixed direction: nothing across rows, nothing from the future where causal."""
    direction = jnp.cos(1.0 + jnp.arange(_D))  # not the sum, which is constant where the output is centred
    reach = jax.jit(jax.jacrev(lambda x: mixer.apply(params, x, None) @ direction))(x)
    reach = np.abs(np.asarray(reach)).sum(-1)  # [B, T, B, T]
    largest = reach.max()
    _require(largest > 0, "y does not depend on x")
    for row in range(_B):
        others = [other for other in range(_B) if other != row]
        _require(reach[row][:, others].max() < 1e-5 * largest, "a row of the batch leaks into another")
    within = np.stack([reach[row, :, row] for row in range(_B)]).max(0)  # [T, S]
    future = np.triu(within, 1).max()
    if mixer.causal:
        _require(future < 1e-5 * largest, "not causal: y depends on a later x; set causal=False if that is meant")
    else:
        _require(future > 1e-5 * largest, "causal=False, but y never depends on a later x")


def _check_padding(mixer: Mixer, params: Params, x: Array) -> None:
    """Padding of any content changes neither valid outputs nor gradients, and a shorter sequence gives the same."""
    valid = jnp.arange(_T) < jnp.array([[_T], [5]])
    empty = jnp.arange(_T) < jnp.array([[_T], [0]])
    poisoned = jnp.where(valid[..., None], x, jnp.nan)
    garbage = jnp.where(valid[..., None], x, 1e3)
    y, y_poisoned = mixer.apply(params, x, valid), mixer.apply(params, poisoned, valid)
    _require_close(y[valid], y_poisoned[valid], "NaN in padding reaches valid outputs")
    _require(bool(jnp.isfinite(y_poisoned).all()), "outputs at padding are not finite when the padding is NaN")
    short = mixer.apply(params, x[1:, :5], None)
    _require_close(y[1:, :5], short, "a padded row differs from the same row alone")

    def total(params, x):
        return jnp.where(valid[..., None], mixer.apply(params, x, valid), 0).sum()

    loss = jax.jit(jax.grad(total, argnums=(0, 1)))
    clean, padded = loss(params, x), loss(params, garbage)
    _require_close(clean[0], padded[0], "padding reaches the gradients of the parameters")
    _require_close(clean[1], padded[1], "padding reaches the gradients of the inputs")
    _require(bool((clean[1][~valid] == 0).all()), "outputs depend on padding")
    none = jax.jit(jax.grad(lambda p: jnp.where(empty[..., None], mixer.apply(p, x, empty), 0).sum()))
    _require(bool(jnp.isfinite(mixer.apply(params, x, empty)).all()), "a row of nothing but padding gives NaN")
    _require_finite(none(params), "a row of nothing but padding makes gradients NaN")
    _require_finite(
        loss(params, poisoned)[0], "NaN in padding makes gradients NaN: zero it first, x = where(valid, x, 0)"
    )


def _check_one_trace(mixer: Mixer, params: Params, x: Array) -> None:
    """Decoding with the state it returned must find the compiled step again: weak types count too."""
    assert mixer.init_state is not None and mixer.extend is not None  # it is causal
    traces = []
    step = jax.jit(lambda x, state: (traces.append(1), mixer.extend(params, x, state, None))[1])  # pyright: ignore
    state = mixer.init_state(params, _B, _T)
    for t in range(3):
        _, state = step(x[:, t : t + 1], state)
    _require(len(traces) == 1, "a step from the state that a step returned is traced again")


def _run_in_pieces(mixer: Mixer, split: tuple[int, ...], params: Params, x: Array, max_length: int = _T) -> Array:
    assert mixer.init_state is not None and mixer.extend is not None  # it is causal
    state, pieces, at = mixer.init_state(params, _B, max_length), [], 0
    for size, times in ((size, len(list(group))) for size, group in itertools.groupby(split)):
        chunks = x[:, at : at + size * times].reshape(_B, times, size, -1).swapaxes(0, 1)
        state, y = lax.scan(lambda s, c: mixer.extend(params, c, s, None)[::-1], state, chunks)  # pyright: ignore
        pieces.append(y.swapaxes(0, 1).reshape(_B, times * size, -1))
        at += size * times
    return jnp.concatenate(pieces, 1)


def _with_gradient(run: Callable[..., Array], params: Params, x: Array) -> Any:
    direction = jnp.cos(jnp.arange(x.size, dtype=x.dtype)).reshape(x.shape)
    y, pull = jax.vjp(run, params, x)
    return y, *pull(direction)


def _check_extend(mixer: Mixer, params: Params, x: Array) -> None:
    whole = jax.jit(partial(_with_gradient, lambda p, x: mixer.apply(p, x, None)))(params, x)
    for split in _SPLITS:
        pieces = jax.jit(partial(_with_gradient, partial(_run_in_pieces, mixer, split)))(params, x)
        for name, a, b in zip(("outputs", "parameter gradients", "input gradients"), whole, pieces, strict=True):
            _require_close(a, b, f"extend in pieces of {split} differs from apply in its {name}")


def _check_padded_pieces(mixer: Mixer, params: Params, x: Array) -> None:
    """Two chunks with NaN in the padding of both: outputs and gradients as if each row had only its valid places."""
    assert mixer.init_state is not None and mixer.extend is not None  # it is causal
    valid = jnp.arange(4) < jnp.array([[3], [4]])

    def total(params, x):
        state, y = mixer.init_state(params, _B, _T), []  # pyright: ignore[reportOptionalCall]
        for chunk in (x[:, :4], x[:, 4:8]):
            out, state = mixer.extend(params, chunk, state, valid)  # pyright: ignore[reportOptionalCall]
            y.append(jnp.where(valid[..., None], out, 0))
        return jnp.concatenate(y, 1).sum(), y

    poisoned = jnp.where(jnp.tile(valid, 2)[..., None], x[:, :8], jnp.nan)
    (_, pieces), gradient = jax.jit(jax.value_and_grad(total, has_aux=True))(params, poisoned)
    alone = mixer.apply(params, jnp.concatenate([x[:1, :3], x[:1, 4:7]], 1), None)
    _require_close(pieces[1][0, :3], alone[0, 3:], "extend does not hold its state at the padding of a later piece")
    _require_finite(gradient, "NaN in the padding of a piece makes the gradients of extend NaN")


def _check_state(mixer: Mixer, params: Params, x: Array) -> None:
    assert mixer.init_state is not None and mixer.extend is not None  # it is causal
    state = mixer.init_state(params, _B, _T)
    described = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), state)
    low = jax.tree.leaves(mixer.init_state(params, _B, _T, dtype=jnp.bfloat16))
    floating = [leaf.dtype for leaf in low if jnp.issubdtype(leaf.dtype, jnp.floating)]
    _require(all(dtype == jnp.bfloat16 for dtype in floating), "init_state does not honour dtype")
    for dtype in (jnp.float32, jnp.bfloat16):
        y, after = mixer.extend(params, x[:, :1].astype(dtype), state, None)
        _require(y.dtype == dtype, f"extend gives {y.dtype} for x of {jnp.dtype(dtype)}")
        same = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), after) == described
        _require(same, f"a step in {jnp.dtype(dtype)} changes the state's shapes or dtypes")
    past = jax.jit(partial(_run_in_pieces, mixer, _SPLITS[2], max_length=_T - 1))(params, x)
    whole = mixer.apply(params, x, None)
    alike = bool(jnp.allclose(past[:, -1], whole[:, -1], atol=1e-4))
    _require(alike or bool(jnp.isnan(past[:, -1]).all()), "a step past max_length is neither right nor NaN")


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise AssertionError(sentence)


def _require_finite(tree: Any, sentence: str) -> None:
    _require(all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(tree)), sentence)


def _require_close(a: Any, b: Any, sentence: str) -> None:
    """Equal up to rounding, leaf by leaf, relative to the leaf's largest value; NaN is equal to nothing."""
    for one, other in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        scale = max(float(jnp.abs(one).max()), 1.0) if one.size else 1.0
        _require(bool((jnp.abs(one - other) <= _CLOSE * scale).all()), sentence)
