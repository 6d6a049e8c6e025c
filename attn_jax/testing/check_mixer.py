"""Proves what a mixer promises (attn_jax/mixers/base.py); call it on a mixer of your own."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from attn_jax.mixers.base import CutApply, Mixer, MixerConfig, Places, apply_at, cut
from attn_jax.testing.promises import check_bundle, check_output, check_spared
from attn_jax.testing.require import require
from attn_jax.types import Array, Params

_B, _T, _D = 2, 9, 16
_SHORT = 6  # valid places of the padded row
_SPLITS = ((4, 5), (1,) * 9)
_DERIVED = ("outputs", "parameter gradients", "input gradients")
_CLOSE = 2e-5  # float32, sums of some tens of terms in another order


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
    made = replace(config, d_model=_D).make()
    yield "bundle", partial(check_bundle, made, Mixer)
    mixer = _compiled(made)
    params, x = _drawn(mixer, seed)
    found: list[_Whole] = []
    yield "outputs", lambda: found.append(_check_outputs(mixer, params, x))
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
        yield "one trace", partial(_check_one_trace, mixer, params, x)
        yield "extend", lambda: _check_extend(mixer, params, x, found[0])
        yield "padded pieces", partial(_check_padded_pieces, mixer, params, x)
        yield "state", partial(_check_state, mixer, params, x)


class _Whole(NamedTuple):
    """What `apply` gives without padding."""

    y: Array
    low: Array  # of x in bfloat16
    short: Array  # of the second row's first places, alone
    differentiated: tuple[Array, Params, Array]  # y, and the gradients of parameters and inputs


def _compiled(mixer: Mixer) -> Mixer:
    """The same mixer, jitted: what is called twice with the same shapes, in whatever programs, is traced once."""
    if mixer.init_state is None or mixer.extend is None:
        return mixer._replace(init=jax.jit(mixer.init), apply=jax.jit(mixer.apply))
    return mixer._replace(
        init=jax.jit(mixer.init),
        apply=jax.jit(mixer.apply),
        init_state=jax.jit(mixer.init_state, static_argnums=(1, 2), static_argnames=("dtype",)),
        extend=jax.jit(mixer.extend),
    )


def _drawn(mixer: Mixer, seed: int) -> tuple[Params, np.ndarray]:
    """Parameters and inputs; the parameters away from their start: zeros would hide what depends on them."""
    rng = np.random.default_rng(seed)  # between the programs all is NumPy: an eager jnp operation is a program too
    params = jax.tree.map(np.asarray, mixer.init(jax.random.key(seed)))
    moved = jax.tree.map(lambda leaf: leaf + 0.1 * rng.normal(size=leaf.shape).astype(leaf.dtype), params)
    return moved, rng.normal(size=(_B, _T, _D)).astype(np.float32)


def _check_outputs(mixer: Mixer, params: Params, x: np.ndarray) -> _Whole:
    try:
        y = jax.eval_shape(lambda params, x: mixer.apply(params, x, None, key=jax.random.key(1)), params, x)
    except TypeError as error:
        raise AssertionError(f"apply with a key, as in training, fails: {error}") from error
    check_output(y, x.shape)

    def outputs(params, x):
        y, low = mixer.apply(params, x, None), mixer.apply(params, x.astype(jnp.bfloat16), None)
        differentiated = _with_gradient(lambda p, x: mixer.apply(p, x, None), params, x)
        training = mixer.apply(params, x, None, key=jax.random.key(1))
        return _Whole(y, low, mixer.apply(params, x[1:, :_SHORT], None), differentiated), training

    whole = jax.tree.map(np.asarray, jax.jit(outputs)(params, x)[0])
    y, low = whole.y, whole.low
    require(y.dtype == x.dtype, f"apply gives {y.dtype} for x of {x.dtype}")
    require(np.isfinite(y).all(), "apply gives values that are not finite")
    require(low.dtype == jnp.bfloat16, f"bfloat16 in gives {low.dtype} out")
    error, largest = np.abs(low.astype(np.float32) - y).max(), np.abs(y).max()
    require(error <= 0.1 * largest, f"bfloat16 is {error:.2g} off float32, of {largest:.2g}: accumulate in float32")
    return whole


def _check_empty(mixer: Mixer, params: Params) -> None:
    """No rows, and no places: shapes alone decide whether there is an empty result, and gradients of it."""

    def fed(x, valid):
        y, pull = jax.vjp(lambda params, x: mixer.apply(params, x, valid), params, x)
        return y, pull(y), mixer.inspect(params, x, valid)

    def extended(x, valid):
        state = mixer.init_state(params, x.shape[0], _T)  # pyright: ignore[reportOptionalCall]
        return mixer.extend(params, x, state, valid)[0]  # pyright: ignore[reportOptionalCall]

    for what, shape in (("a batch of no rows", (0, _T)), ("sequences of no places", (_B, 0))):
        x, valid = jax.ShapeDtypeStruct((*shape, _D), jnp.float32), jax.ShapeDtypeStruct(shape, bool)
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
    direction = np.cos(1.0 + np.arange(_D)).astype(x.dtype)  # not the sum: constant where the output is centred
    reach = jax.jit(jax.jacrev(lambda x, params: mixer.apply(params, x, None) @ direction))(x, params)
    reach = np.abs(np.asarray(reach)).sum(-1)  # [B, T, B, T]
    largest = reach.max()
    require(largest > 0, "y does not depend on x")
    for row in range(_B):
        others = [other for other in range(_B) if other != row]
        require(reach[row][:, others].max() < 1e-5 * largest, "a row of the batch leaks into another")
    within = np.stack([reach[row, :, row] for row in range(_B)]).max(0)  # [T, S]
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
    valid = np.arange(_T) < np.array([[_T], [_SHORT]])
    empty = np.arange(_T) < np.array([[_T], [0]])

    @jax.jit
    def padded(params, x, valid):
        loss = lambda params, x: jnp.where(valid[..., None], mixer.apply(params, x, valid), 0).sum()  # noqa: E731
        return mixer.apply(params, x, valid), jax.grad(loss, argnums=(0, 1))(params, x)

    run = lambda x, valid: jax.tree.map(np.asarray, padded(params, x, valid))  # noqa: E731
    y, (of_params, of_x) = run(x, valid)
    y_poisoned, (of_params_poisoned, _) = run(_with_padding(x, valid, np.nan), valid)
    _require_close(y[valid], y_poisoned[valid], "NaN in padding reaches valid outputs")
    require(np.isfinite(y_poisoned).all(), "outputs at padding are not finite when the padding is NaN")
    _require_close(y[1:, :_SHORT], short, "a padded row differs from the same row alone")
    _, (of_params_garbage, of_x_garbage) = run(_with_padding(x, valid, 1e3), valid)
    _require_close(of_params, of_params_garbage, "padding reaches the gradients of the parameters")
    _require_close(of_x, of_x_garbage, "padding reaches the gradients of the inputs")
    require((of_x[~valid] == 0).all(), "outputs depend on padding")
    y_empty, (of_params_empty, _) = run(x, empty)
    require(np.isfinite(y_empty).all(), "a row of nothing but padding gives NaN")
    _require_finite(of_params_empty, "a row of nothing but padding makes gradients NaN")
    _require_finite(of_params_poisoned, "NaN in padding makes gradients NaN: zero it first, x = where(valid, x, 0)")


def _check_places_alone(mixer: Mixer, params: Params, x: np.ndarray) -> None:
    """`at` beside the same places of `apply`: at fixed ones, with a key, and at traced ones beside padding."""
    short = np.arange(_T) < np.array([[_SHORT], [_SHORT]])

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
        return _with_gradient(lambda params, x: form(params, x, places, valid, key=key), params, x)

    def whole(params, x, places, valid, *, key):
        return cut(mixer.apply(params, x, valid, key=key), places)

    alone = partial(apply_at, mixer.apply)
    for name, given in jax.jit(both)(params, x, _SHORT - 3).items():
        for derived, one, other in zip(_DERIVED, *given, strict=True):
            _require_close(one, other, f"apply at some places{name} differs from apply there in its {derived}")


def _with_padding(x: np.ndarray, valid: np.ndarray, value: float) -> np.ndarray:
    return np.where(valid[..., None], x, x.dtype.type(value))


def _check_one_trace(mixer: Mixer, params: Params, x: np.ndarray) -> None:
    """Decoding with the state it returned must find the compiled step again: weak types count too."""
    assert mixer.init_state is not None and mixer.extend is not None  # it is causal
    traces = []
    step = jax.jit(lambda x, state: (traces.append(1), mixer.extend(params, x, state, None))[1])  # pyright: ignore
    state = mixer.init_state(params, _B, _T)
    for t in range(3):
        _, state = step(x[:, t : t + 1], state)
    require(len(traces) == 1, "a step from the state that a step returned is traced again")


def _run_in_pieces(mixer: Mixer, split: tuple[int, ...], params: Params, x: Array, max_length: int = _T) -> Array:
    assert mixer.init_state is not None and mixer.extend is not None  # it is causal
    state, pieces, at = mixer.init_state(params, _B, max_length), [], 0
    for size, times in ((size, len(list(group))) for size, group in itertools.groupby(split)):
        chunks = x[:, at : at + size * times].reshape(_B, times, size, -1).swapaxes(0, 1)
        state, y = lax.scan(lambda s, c: mixer.extend(params, c, s, None)[::-1], state, chunks)  # pyright: ignore
        pieces.append(y.swapaxes(0, 1).reshape(_B, times * size, -1))
        at += size * times
    return jnp.concatenate(pieces, 1)


def _with_gradient(run: Callable[..., Array], params: Params, x: Array) -> tuple[Array, Params, Array]:
    y, pull = jax.vjp(run, params, x)
    direction = np.cos(np.arange(y.size)).reshape(y.shape).astype(y.dtype)
    return y, *pull(direction)


def _check_extend(mixer: Mixer, params: Params, x: np.ndarray, whole: _Whole) -> None:
    @jax.jit
    def run(params, x):
        past = _run_in_pieces(mixer, _SPLITS[-1], params, x, max_length=_T - 1)
        split = [_with_gradient(partial(_run_in_pieces, mixer, split), params, x) for split in _SPLITS]
        return mixer.extend(params, x, mixer.init_state(params, _B, _T), None)[0], split, past[:, -1]  # pyright: ignore

    at_once, pieces, past = run(params, x)
    _require_close(whole.y, at_once, "extend of all at once differs from apply in its outputs")
    for split, given in zip(_SPLITS, pieces, strict=True):
        for name, a, b in zip(_DERIVED, whole.differentiated, given, strict=True):
            _require_close(a, b, f"extend in pieces of {split} differs from apply in its {name}")
    alike = np.allclose(past, whole.y[:, -1], atol=1e-4)
    require(alike or np.isnan(past).all(), "a step past max_length is neither right nor NaN")


def _check_padded_pieces(mixer: Mixer, params: Params, x: np.ndarray) -> None:
    """Two chunks with NaN in the padding of both: outputs and gradients as if each row had only its valid places."""
    assert mixer.init_state is not None and mixer.extend is not None  # it is causal
    valid = np.arange(4) < np.array([[3], [4]])

    def total(params, x):
        state, y = mixer.init_state(params, _B, _T), []  # pyright: ignore[reportOptionalCall]
        for chunk in (x[:, :4], x[:, 4:8]):
            out, state = mixer.extend(params, chunk, state, jnp.asarray(valid))  # pyright: ignore[reportOptionalCall]
            y.append(jnp.where(valid[..., None], out, 0))
        return jnp.concatenate(y, 1).sum(), (y, state)

    @jax.jit
    def run(params, poisoned, alone):
        (_, (pieces, state)), gradient = jax.value_and_grad(total, has_aux=True)(params, poisoned)
        _, same = mixer.extend(params, poisoned[:, :0], state, jnp.asarray(valid[:, :0]))  # pyright: ignore[reportOptionalCall]
        return pieces[1], gradient, mixer.apply(params, alone, None), state, same

    poisoned = _with_padding(x[:, :8], np.tile(valid, 2), np.nan)
    second, gradient, alone, state, same = run(params, poisoned, np.concatenate([x[:1, :3], x[:1, 4:7]], 1))
    held = "extend does not hold its state at the padding of a later piece"
    _require_close(np.asarray(second)[0, :3], np.asarray(alone)[0, 3:], held)
    _require_finite(gradient, "NaN in the padding of a piece makes the gradients of extend NaN")
    unmoved = jax.tree.map(lambda one, other: np.array_equal(one, other), state, same)
    require(all(jax.tree.leaves(unmoved)), "extend by no places moves the state")


def _check_state(mixer: Mixer, params: Params, x: np.ndarray) -> None:
    assert mixer.init_state is not None and mixer.extend is not None  # it is causal
    start = lambda params, **options: mixer.init_state(params, _B, _T, **options)  # noqa: E731 # pyright: ignore
    state, low = jax.eval_shape(start, params), jax.eval_shape(partial(start, dtype=jnp.bfloat16), params)
    floating = [leaf.dtype for leaf in jax.tree.leaves(low) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    require(all(dtype == jnp.bfloat16 for dtype in floating), "init_state does not honour dtype")
    for dtype in (jnp.dtype(jnp.float32), jnp.dtype(jnp.bfloat16)):
        y, after = jax.eval_shape(mixer.extend, params, jax.ShapeDtypeStruct((_B, 1, _D), dtype), state, None)
        require(y.dtype == dtype, f"extend gives {y.dtype} for x of {dtype}")
        described = [jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree) for tree in (after, state)]
        require(described[0] == described[1], f"a step in {dtype} changes the state's shapes or dtypes")


def _require_finite(tree: Any, sentence: str) -> None:
    require(all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(tree)), sentence)


def _require_close(a: Any, b: Any, sentence: str) -> None:
    """Equal up to rounding, leaf by leaf, relative to the leaf's largest value; NaN is equal to nothing."""
    for one, other in zip(map(np.asarray, jax.tree.leaves(a)), map(np.asarray, jax.tree.leaves(b)), strict=True):
        scale = max(float(np.abs(one).max()), 1.0) if one.size else 1.0
        with np.errstate(invalid="ignore"):  # of two infinities
            require((np.abs(one - other) <= _CLOSE * scale).all(), sentence)
