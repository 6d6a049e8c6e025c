"""Greedy decoding: the likeliest token, again and again."""

from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax

from attn_jax.models.base import EncoderDecoder
from attn_jax.ops.arguments import integers, takes, whole
from attn_jax.ops.placement import vary_with
from attn_jax.types import Array, Params, State


class _Progress(NamedTuple):
    """What a row has said so far."""

    step: Array  # int32, tokens said
    last: Array  # int32 [B], what is read next
    ended: Array  # bool [B], whether EOS was said
    said: Array  # int32 [B, max_length], 0 where nothing was said yet
    state: State


@takes(source=integers, max_length=whole, bos=whole, eos=whole)
def greedy_decode(
    model: EncoderDecoder,
    params: Params,
    source: Array,
    source_valid: Array | None,
    max_length: int,
    *,
    bos: int,
    eos: int,
) -> Array:
    """Says the likeliest token, reads it, and says the next, until every row has said EOS.

    y_t = argmax p(. | source, BOS, y_1 .. y_(t-1)),    ties to the smaller id

    Args:
      model: of an encoder-decoder's `make`, or `decoder_only`.
      params: of its `init`.
      source: [B, S] int32.
      source_valid: [B, S] bool, a prefix of each row; None = all valid.
      max_length: the most tokens said, EOS included; static.
      bos: the token read first.
      eos: the token that ends a row; what follows it is 0, as in `StringBatch.target`.

    Returns:
      [B, max_length] int32.

    Example:
      A model that always says one more than it has read:

      >>> import jax
      >>> said = lambda params, tokens, state: (jax.nn.one_hot(tokens + 1, 9), state)
      >>> counter = EncoderDecoder(None, None, lambda params, source, valid, length: None, said, None)
      >>> greedy_decode(counter, None, jnp.ones((1, 3), int), None, 5, bos=0, eos=3).tolist()
      [[1, 2, 3, 0, 0]]

    Reference: Sutskever, Vinyals & Le 2014, arXiv 1409.3215, section 3.2, with a beam of 1.
    """
    batch = source.shape[0]
    if max_length == 0:
        return jnp.zeros((batch, 0), jnp.int32)
    start = _Progress(
        step=jnp.zeros((), jnp.int32),
        last=jnp.full(batch, bos, jnp.int32),
        ended=jnp.zeros(batch, bool),
        said=jnp.zeros((batch, max_length), jnp.int32),
        state=model.encode(params, source, source_valid, max_length),
    )
    start = vary_with(start, params, source, source_valid)

    def goes_on(progress: _Progress) -> Array:
        return (progress.step < max_length) & ~progress.ended.all()

    return lax.while_loop(goes_on, partial(_say, model, params, eos), start).said


def _say(model: EncoderDecoder, params: Params, eos: int, progress: _Progress) -> _Progress:
    """One more token a row; rows that have ended say 0, and what they read no longer matters."""
    logits, state = model.extend(params, progress.last[:, None], progress.state)
    token = jnp.argmax(logits[:, 0], -1).astype(jnp.int32)
    written = jnp.where(progress.ended, 0, token)
    return _Progress(
        step=progress.step + 1,
        last=token,
        ended=progress.ended | (token == eos),
        said=progress.said.at[:, progress.step].set(written),
        state=state,
    )
