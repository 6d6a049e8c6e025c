"""Proves what a mixer promises (attn_jax/mixers/base.py); call it on a mixer of your own."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.mixers.base import CutApply, Mixer, MixerConfig, Places, apply_at, cut
from attn_jax.testing.mixer_state import check_extend, check_one_trace, check_padded_pieces, check_state
from attn_jax.testing.mixer_whole import (
    DERIVED,
    SHORT,
    B,
    D,
    T,
    Whole,
    check_outputs,
    compiled,
    drawn,
    with_gradient,
    with_padding,
)
from attn_jax.testing.promises import check_bundle, check_spared
from attn_jax.testing.require import require, require_close, require_finite
from attn_jax.types import Array, Params


def check_mixer(config: MixerConfig, *, seed: int = 0) -> None:
    """Checks a mixer against its contract at B 2, T 9, D 16; returns when every point holds.

    apply = extend whole, in two pieces and one by one, outputs and, of pieces, gradients; causality (or sight in both
    directions) from the Jacobian; padding, with NaN planted in it; no leak between rows; states a fixed point of shapes
    and dtypes; one trace; bfloat16 in, bfloat16 out; an empty y of no rows and of no places, which leave the state as
    it is.

    Args:
      config: the mixer; its `d_model` is set here.
      seed: of the parameters and inputs.

    Raises:
      AssertionError: a sentence that says which promise is broken.

    >>> from attn_jax.mixers import GRU
    >>> check_mixer(GRU())
    """
    for _, check in mixer_checks(config, seed=seed):
        check()


def mixer_checks(config: MixerConfig, *, seed: int = 0) -> Iterator[tuple[str, Callable[[], None]]]:
    """The checks by name, to be called one after the other; all that follow "outputs" need what it gave."""
    made = replace(config, d_model=D).make()
    yield "bundle", partial(check_bundle, made, Mixer)
    mixer = compiled(made)
    params, x = drawn(mixer, seed)
    found: list[Whole] = []
    yield "outputs", lambda: found.append(check_outputs(mixer, params, x))
    if not mixer.causal:
        stateless = mixer.init_state is None and mixer.extend is None
        yield "stateless", partial(require, stateless, "causal=False, but init_state or extend is there")
    yield "empty", partial(_check_empty, mixer, params)
    yield "sight", partial(_check_jacobian, mixer, params, x)
    yield "padding", lambda: _check_padding(mixer, params, x, found[0].short)
    if isinstance(made.apply, CutApply):
        yield "places alone", partial(_check_places_alone, made, params, x)
    yield "told", partial(_check_told, mixer, params, x)
    if mixer.causal:
        yield "one trace", partial(check_one_trace, mixer, params, x)
        yield "extend", lambda: check_extend(mixer, params, x, found[0])
        yield "padded pieces", partial(check_padded_pieces, mixer, params, x)
        yield "state", partial(check_state, mixer, params)


def _check_empty(mixer: Mixer, params: Params) -> None:
    """No rows, and no places: shapes alone decide whether there is an empty result, and gradients of it."""

    def fed(x, valid):
        y, pull = jax.vjp(lambda params, x: mixer.apply(params, x, valid), params, x)
        return y, pull(y), mixer.inspect(params, x, valid)

    def extended(x, valid):
        state = mixer.init_state(params, x.shape[0], T)  # pyright: ignore[reportOptionalCall]
        return mixer.extend(params, x, state, valid)[0]  # pyright: ignore[reportOptionalCall]

    for what, shape in (("a batch of no rows", (0, T)), ("sequences of no places", (B, 0))):
        x, valid = jax.ShapeDtypeStruct((*shape, D), jnp.float32), jax.ShapeDtypeStruct(shape, bool)
        try:
            found = {"apply": jax.eval_shape(fed, x, valid)[0]}
            found |= {"extend": jax.eval_shape(extended, x, valid)} if mixer.causal else {}
        except Exception as error:
            said = str(error).split("\n")[0]
            raise AssertionError(f"{what} ({list(x.shape)}) fails: {type(error).__name__}: {said}") from error
        for name, y in found.items():
            require(y.shape == x.shape, f"{name} of {what} gives shape {y.shape}, wanted {x.shape}")


def _check_jacobian(mixer: Mixer, params: Params, x: np.ndarray) -> None:
    """|d y[b, t] / d x[c, s]|, y along a fixed direction: nothing across rows, nothing from the future where causal."""
    direction = np.cos(1.0 + np.arange(D)).astype(x.dtype)  # not the sum: constant where the output is centred
    reach = jax.jit(jax.jacrev(lambda x, params: mixer.apply(params, x, None) @ direction))(x, params)
    reach = np.abs(np.asarray(reach)).sum(-1)  # [B, T, B, T]
    largest = reach.max()
    require(largest > 0, "y does not depend on x")
    for row in range(B):
        others = [other for other in range(B) if other != row]
        require(reach[row][:, others].max() < 1e-5 * largest, "a row of the batch leaks into another")
    within = np.stack([reach[row, :, row] for row in range(B)]).max(0)  # [T, S]
    future = np.triu(within, 1).max()
    if mixer.causal:
        require(future < 1e-5 * largest, "not causal: y depends on a later x; set causal=False if that is meant")
    else:
        require(future > 1e-5 * largest, "causal=False, but y never depends on a later x")


def _check_told(mixer: Mixer, params: Params, x: np.ndarray) -> None:
    """What it says of itself: what there is to see inside, and what weight decay leaves alone."""
    require(isinstance(jax.eval_shape(mixer.inspect, params, x, None), dict), "inspect gives no dict")
    check_spared(mixer.spared, params)


def _check_padding(mixer: Mixer, params: Params, x: np.ndarray, short: Array) -> None:
    """Padding of any content changes neither valid outputs nor gradients, and a shorter sequence gives the same."""
    valid = np.arange(T) < np.array([[T], [SHORT]])
    empty = np.arange(T) < np.array([[T], [0]])

    @jax.jit
    def padded(params, x, valid):
        loss = lambda params, x: jnp.where(valid[..., None], mixer.apply(params, x, valid), 0).sum()  # noqa: E731
        return mixer.apply(params, x, valid), jax.grad(loss, argnums=(0, 1))(params, x)

    run = lambda x, valid: jax.tree.map(np.asarray, padded(params, x, valid))  # noqa: E731
    y, (of_params, of_x) = run(x, valid)
    y_poisoned, (of_params_poisoned, _) = run(with_padding(x, valid, np.nan), valid)
    require_close(y[valid], y_poisoned[valid], "NaN in padding reaches valid outputs")
    require(np.isfinite(y_poisoned).all(), "outputs at padding are not finite when the padding is NaN")
    require_close(y[1:, :SHORT], short, "a padded row differs from the same row alone")
    _, (of_params_garbage, of_x_garbage) = run(with_padding(x, valid, 1e3), valid)
    require_close(of_params, of_params_garbage, "padding reaches the gradients of the parameters")
    require_close(of_x, of_x_garbage, "padding reaches the gradients of the inputs")
    require((of_x[~valid] == 0).all(), "outputs depend on padding")
    y_empty, (of_params_empty, _) = run(x, empty)
    require(np.isfinite(y_empty).all(), "a row of nothing but padding gives NaN")
    require_finite(of_params_empty, "a row of nothing but padding makes gradients NaN")
    require_finite(of_params_poisoned, "NaN in padding makes gradients NaN: zero it first, x = where(valid, x, 0)")


def _check_places_alone(mixer: Mixer, params: Params, x: np.ndarray) -> None:
    """`at` beside the same places of `apply`: at fixed ones, with a key, and at traced ones beside padding."""
    short = np.arange(T) < np.array([[SHORT], [SHORT]])

    def both(params, x, first):
        fixed, traced = Places(2, 3), Places(first, 3)
        cases = {
            "": (fixed, None, False),
            " with a key": (fixed, None, True),
            " beside padding": (traced, short, False),
        }
        return {name: [slopes(form, params, x, *case) for form in (alone, whole)] for name, case in cases.items()}

    def slopes(form, params, x, places, valid, keyed):
        key = jax.random.key(1) if keyed else None  # one for each: none is used twice
        return with_gradient(lambda params, x: form(params, x, places, valid, key=key), params, x)

    def whole(params, x, places, valid, *, key):
        return cut(mixer.apply(params, x, valid, key=key), places)

    alone = partial(apply_at, mixer.apply)
    for name, given in jax.jit(both)(params, x, SHORT - 3).items():
        for derived, one, other in zip(DERIVED, *given, strict=True):
            require_close(one, other, f"apply at some places{name} differs from apply there in its {derived}")
