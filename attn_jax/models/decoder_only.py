"""A sequence model as an encoder-decoder: it reads the source and the target as one string."""

from functools import partial

import jax.numpy as jnp

from attn_jax.mixers.base import zero_padding
from attn_jax.models.base import EncoderDecoder, Model
from attn_jax.models.checked import checked_encoder_decoder
from attn_jax.types import Array, Key, Params, State


def decoder_only(model: Model) -> EncoderDecoder:
    """The adapter: source and target follow each other without a gap, BOS is what stands between them.

    A row of n source tokens is read as source[0], ..., source[n - 1], BOS, target[0], ...; `inspect` shows this packed
    row of S + T places, whose target begins at place n.

    Args:
      model: over tokens, one vocabulary in and out; learned positions need S + T of them.

    Returns:
      An EncoderDecoder of the same parameters. Its `encode` is a prefill, its `extend` the model's own.

    Raises:
      ValueError: the model has no `extend`, for one of its mixers is not causal.

    >>> import jax
    >>> from attn_jax.models.sequence_model import ModelConfig
    >>> from attn_jax.types import IO
    >>> pair = decoder_only(ModelConfig(8).make(IO(num_classes=5, vocab_size=5), 7))
    >>> pair.apply(pair.init(jax.random.key(0)), jnp.ones((2, 4), int), None, jnp.ones((2, 3), int)).shape
    (2, 3, 5)
    """
    if model.init_state is None or model.extend is None:
        raise ValueError("model: got one without extend, wanted causal mixers: a target must not be seen before it")
    pair = EncoderDecoder(
        init=model.init,
        apply=partial(apply, model),
        embed=model.embed,
        apply_embedded=partial(apply_embedded, model),
        encode=partial(encode, model),
        extend=partial(extend, model),
        inspect=partial(inspect, model),
        spared=model.spared,
        tables=model.tables,
        layers=model.layers,
    )
    return checked_encoder_decoder(pair)


def apply(
    model: Model, params: Params, source: Array, source_valid: Array | None, target_in: Array, *, key: Key | None = None
) -> Array:
    """Logits [B, T, V] at the target's places of the packed rows."""
    tokens, valid, first = pack(source, source_valid, target_in)
    return _said(model.apply(params, tokens, valid, key=key), first, target_in)


def apply_embedded(
    model: Model, params: Params, x: Array, source_valid: Array | None, target_in: Array, *, key: Key | None = None
) -> Array:
    """The same of an embedded source x [B, S, D]: rows of vectors are packed as rows of tokens are."""
    packed, valid, first = pack(x, source_valid, model.embed(params, target_in))
    return _said(model.apply_embedded(params, packed, valid, key=key), first, target_in)


def encode(model: Model, params: Params, source: Array, source_valid: Array | None, max_length: int) -> State:
    """The state after the source."""
    assert model.init_state is not None and model.extend is not None  # `decoder_only` asked
    batch, length = source.shape
    return model.extend(params, source, model.init_state(params, batch, length + max_length), source_valid)[1]


def extend(model: Model, params: Params, target_in: Array, state: State) -> tuple[Array, State]:
    """Goes on with the target by T tokens."""
    assert model.extend is not None  # `decoder_only` asked
    return model.extend(params, target_in, state, None)


def inspect(
    model: Model, params: Params, source: Array, source_valid: Array | None, target_in: Array
) -> dict[str, Array]:
    """What the model shows of the packed rows, S + T places."""
    tokens, valid, _ = pack(source, source_valid, target_in)
    return model.inspect(params, tokens, valid)


def pack(source: Array, source_valid: Array | None, target_in: Array) -> tuple[Array, Array | None, Array]:
    """Each row's source and target without a gap: (tokens [B, S + T], valid [B, S + T], the target's place [B]).

    tokens[b, p] = source[b, p] where p < n_b, else target_in[b, p - n_b];    n_b = sum(source_valid[b])

    Args:
      source: [B, S] integers; or [B, S, D], embedded.
      source_valid: [B, S] bool, a prefix of each row; None = all valid.
      target_in: [B, T] integers; or [B, T, D].

    Returns:
      Tokens, which of them are there (a prefix; None: all), and n.

    >>> tokens, valid, first = pack(jnp.array([[1, 2, 0]]), jnp.array([[True, True, False]]), jnp.array([[8, 9]]))
    >>> tokens.tolist(), valid.tolist(), first.tolist()
    ([[1, 2, 8, 9, 0]], [[True, True, True, True, False]], [2])
    """
    (batch, S), T = source.shape[:2], target_in.shape[1]
    joined = jnp.concatenate([source, target_in], 1)
    if source_valid is None:
        return joined, None, jnp.full(batch, S, jnp.int32)
    first = source_valid.sum(1, dtype=jnp.int32)
    place = jnp.broadcast_to(jnp.arange(S + T), (batch, S + T))
    gap = S - first[:, None]
    valid = place < S + T - gap
    origin = jnp.where(place < first[:, None], place, place + gap)
    origin = jnp.where(valid, origin, 0)
    tokens = jnp.take_along_axis(joined, origin.reshape(*origin.shape, *(1,) * (joined.ndim - 2)), axis=1)
    return zero_padding(tokens, valid), valid, first


def _said(logits: Array, first: Array, target_in: Array) -> Array:
    """Logits [B, T, V] at the places of the target, which begins at `first` [B], of those of packed rows."""
    places = first[:, None] + jnp.arange(target_in.shape[1])
    return jnp.take_along_axis(logits, places[..., None], axis=1)
