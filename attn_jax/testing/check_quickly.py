"""The part of the contracts without which a comparison is not fair, in a second or two: before every training.

`check_mixer` proves all of a mixer's contract. Here no gradient is taken: later inputs, the other row and what stands
in padding are replaced, in one compiled program, and what must not see them has to stay as it was.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from attn_jax.mixers.base import Mixer, MixerConfig
from attn_jax.models.base import EncoderDecoder, Model
from attn_jax.testing.promises import check_bundle, check_output, check_spared
from attn_jax.testing.require import require
from attn_jax.types import IO, Array, Params

_B, _LONGEST = 2, 256
_SURE = 9  # places at which no model is so chaotic that rounding shows
_CLOSE = 2e-5  # float32, sums of some tens of terms in another order


def check_mixer_quickly(config: MixerConfig, *, max_length: int = _LONGEST) -> None:
    """Checks shape, dtype, finite values, causality (unless causal=False), rows and padding; returns where they hold.

    Args:
      config: the mixer; its `d_model` is the width it will have.
      max_length: the longest sequence that it will meet.

    Raises:
      AssertionError: a sentence that says which promise is broken.

    >>> from attn_jax.mixers import GRU
    >>> check_mixer_quickly(GRU(d_model=8))
    """
    mixer = config.make()
    check_bundle(mixer, Mixer)
    shape = (_B, min(_LONGEST, max_length), config.width)
    params, rng = _moved(mixer), np.random.default_rng(0)
    x, other = (rng.normal(size=shape).astype(np.float32) for _ in range(2))
    y = jax.eval_shape(lambda params, x: mixer.apply(params, x, None, key=jax.random.key(1)), params, x)
    check_output(y, x.shape)
    require(y.dtype == x.dtype, f"apply gives {y.dtype} for x of {x.dtype}")
    check_spared(mixer.spared, params)
    valid = np.arange(shape[1]) < np.array([[shape[1]], [max(1, 2 * shape[1] // 3)]])
    y, padded = _compiled(lambda p, x, gap: (_variants(mixer, p, x, None), _variants(mixer, p, gap, valid)))(
        params,
        np.stack([x, np.concatenate([other[:1], x[1:]]), _near(x), *_with_later(x, other)]),
        _with_padding(x, valid),
    )
    steady = _steady(y[0], y[2])
    y, padded, valid = y[:, :, :steady], padded[:, :, :steady], valid[:, :steady]
    require(np.isfinite(y).all(), "apply gives values that are not finite")
    require(_close(y[1, 1], y[0, 1]), "a row of the batch leaks into another")
    require(_close(padded[0, 0], y[0, 0]), "a row that is all valid differs from the same without a mask")
    require(_close(padded[1][valid], padded[0][valid]), "NaN in padding reaches valid outputs")
    if mixer.causal:
        _require_causal(
            y[0], y[3:], _cuts(shape[1]), "not causal: y depends on a later x; set causal=False if that is meant"
        )


def check_model_quickly(model: Model, io: IO, *, max_length: int) -> None:
    """Checks a sequence model's shape and, where it has `extend`, that no output depends on a later input.

    Raises:
      AssertionError: a sentence that says which promise is broken.
    """
    check_bundle(model, Model)
    shape = (_B, min(_LONGEST, max_length))
    params, inputs = _moved(model), _inputs(io, shape)
    y = jax.eval_shape(model.apply, params, inputs[0], None)
    check_output(y, (*shape, io.outputs))
    check_spared(model.spared, params)
    if model.extend is not None:
        variants = np.stack([inputs[0], *_with_later(*inputs)])
        program = _compiled(lambda p, x: _variants(model, p, x, None))
        y, twin = program(params, variants), program(_near(params), variants)
        y = y[:, :, : _steady(y[0], twin[0])]
        _require_causal(
            y[0], y[1:], _cuts(shape[1]), "not causal: an output depends on a later input; leave extend out if so meant"
        )


def check_encoder_decoder_quickly(model: EncoderDecoder, io: IO, *, source_tokens: int, target_tokens: int) -> None:
    """Checks an encoder-decoder's shape, that no logit depends on a later target, and the source's padding.

    Raises:
      AssertionError: a sentence that says which promise is broken.
    """
    check_bundle(model, EncoderDecoder)
    shape = (_B, min(_LONGEST, target_tokens))
    params, targets = _moved(model), _inputs(io, shape)
    source, other = _inputs(io, (_B, min(_LONGEST, source_tokens)))
    valid = np.arange(source.shape[1]) < np.array([[source.shape[1]], [max(1, source.shape[1] // 2)]])
    y = jax.eval_shape(model.apply, params, source, valid, targets[0])
    check_output(y, (*shape, io.outputs))
    check_spared(model.spared, params)
    sources = np.stack([source, np.where(valid, source, other), *[source] * len(_cuts(shape[1]))])
    run = jax.vmap(lambda p, source, target: model.apply(p, source, valid, target), in_axes=(None, 0, 0))
    variants = np.stack([targets[0], targets[0], *_with_later(*targets)])
    program = _compiled(run)
    y, twin = program(params, sources, variants), program(_near(params), sources, variants)
    y = y[:, :, : _steady(y[0], twin[0])]
    _require_causal(y[0], y[2:], _cuts(shape[1]), "not causal: a logit depends on a later target")
    require(_close(y[1], y[0]), "what stands in the source's padding reaches the logits")


def _variants(bundle: Mixer | Model, params: Params, x: Array, valid: Any) -> Array:
    """apply of each variant in x [K, B, T, ...], none of which can touch another."""
    return jax.vmap(lambda x: bundle.apply(params, x, valid))(x)


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as one program for one set of shapes, compiled fast: it hardly runs. It gives NumPy arrays."""
    programs: list[Callable[..., Any]] = []

    def run(*args: Any) -> Any:
        if not programs:
            on_cpu = jax.default_backend() == "cpu"
            options: dict[str, str | bool] | None = {"xla_backend_optimization_level": "0"} if on_cpu else None
            programs.append(jax.jit(function).lower(*args).compile(options))
        return jax.tree.map(np.asarray, programs[0](*args))

    return run


def _near(values: Any) -> Any:
    """The same but for rounding."""
    return jax.tree.map(lambda leaf: leaf * np.asarray(1 + 2**-23, leaf.dtype), values)


def _with_later(x: np.ndarray, other: np.ndarray) -> np.ndarray:
    """[cuts, B, T, ...]: x with all from each place of `_cuts` on replaced."""
    return np.stack([np.concatenate([x[:, :t], other[:, t:]], 1) for t in _cuts(x.shape[1])])


def _cuts(length: int) -> list[int]:
    """Powers of two, where chunks meet, and the last place.

    >>> _cuts(40)
    [1, 2, 4, 8, 16, 32, 39]
    """
    powers = {2**i for i in range(length.bit_length())}
    return sorted(t for t in {*powers, length - 1} if 0 < t < length)


def _steady(y: np.ndarray, twin: np.ndarray) -> int:
    """The number of places [B, T, ...] at which rounding does not show: past them nothing could be told."""
    close = [_close(twin[:, :t], y[:, :t], _CLOSE / 4) for t in range(1, y.shape[1] + 1)]
    return max(_SURE, close.index(False) if False in close else len(close))


def _with_padding(x: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """[2, B, T, D]: x with zeros and with NaN for padding."""
    return np.stack([np.where(valid[..., None], x, np.float32(fill)) for fill in (0, np.nan)])


def _require_causal(y: np.ndarray, later: np.ndarray, cuts: list[int], sentence: str) -> None:
    require(all(_close(z[:, :t], y[:, :t]) for z, t in zip(later, cuts, strict=True)), sentence)


def _moved(bundle: Mixer | Model | EncoderDecoder) -> Params:
    """Parameters away from their start: zeros would hide what depends on them."""
    rng = np.random.default_rng(1)
    params = _compiled(bundle.init)(jax.random.key(0))
    return jax.tree.map(lambda leaf: leaf + 0.1 * rng.normal(size=leaf.shape).astype(leaf.dtype), params)


def _inputs(io: IO, shape: tuple[int, int]) -> list[np.ndarray]:
    """Two inputs that differ at most places."""
    rng = np.random.default_rng(2)
    if io.channels is not None:
        return [rng.normal(size=(*shape, io.channels)).astype(np.float32) for _ in range(2)]
    assert io.vocab_size is not None  # or else channels
    first = rng.integers(0, io.vocab_size, shape, dtype=np.int32)
    return [first, (first + 1) % io.vocab_size]


def _close(a: np.ndarray, b: np.ndarray, close: float = _CLOSE) -> bool:
    """Equal up to rounding, relative to the largest value; NaN and infinity are equal to nothing."""
    scale = max(float(np.abs(b).max()), 1.0) if b.size else 1.0
    with np.errstate(invalid="ignore"):
        return bool((np.abs(a - b) <= close * scale).all())
