"""What users hand a model, checked where it comes in: NumPy and lists are taken, the rest is refused by name."""

from collections.abc import Callable
from functools import partial

from attn_jax.mixers.base import ApplyFn, CutApply, Places
from attn_jax.mixers.parts.checked import broadcasting, check_state, init, init_state
from attn_jax.models.base import EncoderDecoder, Model
from attn_jax.ops.arguments import floats, integers, random_key, whole
from attn_jax.ops.padding import prefix
from attn_jax.types import IO, Array, Key, Params, State

_BATCH_AXES = 2  # [B, ...], or [layers, B, ...] of layers that are scanned


def checked(model: Model, io: IO) -> Model:
    """The model with its functions behind a check of what users hand them, NumPy and lists included."""
    read = partial(_read_inputs, io)
    return model._replace(
        init=partial(init, model.init),
        embed=partial(_embed, model.embed, read),
        apply_embedded=partial(_apply_embedded, model.apply_embedded),
        apply=_checked_apply(model.apply, read),
        init_state=None if model.init_state is None else partial(init_state, model.init_state),
        extend=None if model.extend is None else partial(_extend, model.extend, read),
        inspect=partial(_inspect, model.inspect, read),
    )


def checked_encoder_decoder(model: EncoderDecoder) -> EncoderDecoder:
    """The same of an encoder-decoder."""
    return model._replace(
        init=partial(init, model.init),
        apply=partial(_apply_strings, model.apply),
        embed=None if model.embed is None else partial(_embed, model.embed, partial(_tokens, "source")),
        apply_embedded=(
            None if model.apply_embedded is None else partial(_apply_embedded_strings, model.apply_embedded)
        ),
        encode=partial(_encode, model.encode),
        extend=partial(_extend_strings, model.extend),
        inspect=partial(_inspect_strings, model.inspect),
    )


def _embed(embed: Callable, read: Callable, params: Params, inputs: Array):
    with broadcasting():
        return embed(params, read(inputs))


def _apply_embedded(apply: Callable, params: Params, x: Array, valid: Array | None = None, *, key=None):
    x = floats("x", x, 3, "[B, T, D]")
    with broadcasting():
        return apply(params, x, prefix("valid", valid, x.shape[:2]), key=_key(key))


def _checked_apply(apply: ApplyFn, read: Callable) -> ApplyFn:
    if isinstance(apply, CutApply):
        return CutApply(partial(_apply, apply.whole, read), partial(_apply_at, apply.at, read))
    return partial(_apply, apply, read)


def _apply_at(
    apply: Callable,
    read: Callable,
    params: Params,
    inputs: Array,
    places: Places,
    valid: Array | None = None,
    *,
    key: Key | None = None,
) -> Array:
    inputs = read(inputs)
    with broadcasting():
        return apply(params, inputs, places, prefix("valid", valid, inputs.shape[:2]), key=_key(key))


def _apply(apply: Callable, read: Callable, params: Params, inputs: Array, valid: Array | None = None, *, key=None):
    inputs = read(inputs)
    with broadcasting():
        return apply(params, inputs, prefix("valid", valid, inputs.shape[:2]), key=_key(key))


def _extend(extend: Callable, read: Callable, params: Params, inputs: Array, state: State, valid: Array | None = None):
    inputs = read(inputs)
    valid = prefix("valid", valid, inputs.shape[:2])
    check_state(state, inputs.shape[0], _BATCH_AXES)
    with broadcasting():
        return extend(params, inputs, state, valid)


def _inspect(inspect: Callable, read: Callable, params: Params, inputs: Array, valid: Array | None = None):
    inputs = read(inputs)
    with broadcasting():
        return inspect(params, inputs, prefix("valid", valid, inputs.shape[:2]))


def _apply_strings(apply: Callable, params: Params, source: Array, source_valid, target_in: Array, *, key=None):
    with broadcasting():
        return apply(params, *_source(source, source_valid), _tokens("target_in", target_in), key=_key(key))


def _apply_embedded_strings(apply: Callable, params: Params, x: Array, source_valid, target_in: Array, *, key=None):
    x = floats("x", x, 3, "[B, S, D]")
    valid = prefix("source_valid", source_valid, x.shape[:2])
    with broadcasting():
        return apply(params, x, valid, _tokens("target_in", target_in), key=_key(key))


def _encode(encode: Callable, params: Params, source: Array, source_valid: Array | None, max_length: int):
    with broadcasting():
        return encode(params, *_source(source, source_valid), whole("max_length", max_length, 0))


def _extend_strings(extend: Callable, params: Params, target_in: Array, state: State):
    target_in = _tokens("target_in", target_in)
    check_state(state, target_in.shape[0], _BATCH_AXES)
    with broadcasting():
        return extend(params, target_in, state)


def _inspect_strings(inspect: Callable, params: Params, source: Array, source_valid, target_in: Array):
    with broadcasting():
        return inspect(params, *_source(source, source_valid), _tokens("target_in", target_in))


def _key(key: Key | None) -> Key | None:
    return None if key is None else random_key("key", key)


def _source(source: Array, valid: Array | None) -> tuple[Array, Array | None]:
    source = _tokens("source", source)
    return source, prefix("source_valid", valid, source.shape)


def _tokens(name: str, x: Array) -> Array:
    return integers(name, x, 2, "[B, T]")


def _read_inputs(io: IO, inputs: Array) -> Array:
    """Tokens [B, T], or channels [B, T, C], or a ValueError."""
    if io.channels is None:
        return _tokens("inputs", inputs)
    inputs = floats("inputs", inputs)
    if inputs.ndim != 3 or inputs.shape[2] != io.channels:
        raise ValueError(f"inputs: got shape {inputs.shape}, wanted [B, T, C] with C = {io.channels}")
    return inputs
