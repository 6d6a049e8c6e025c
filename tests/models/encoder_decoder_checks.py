"""What every encoder-decoder promises, as functions that raise where it does not hold."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.models import EncoderDecoder
from attn_jax.types import IO

V, B, S, T = 7, 2, 5, 4
VOCABULARY = IO(num_classes=V, vocab_size=V)
VALID = jnp.arange(S) < jnp.array([[S], [3]])
CHUNKS = (1, 2)


def strings():
    """(source [B, S], target_in [B, T])"""
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.integers(V, size=(B, S))), jnp.asarray(rng.integers(V, size=(B, T)))


def check_encoder_decoder(model: EncoderDecoder) -> None:
    """Pieces, padding and causality, at sizes above."""
    params = jax.jit(lambda key: perturbed(model.init(key)))(jax.random.key(0))
    value_and_grad = jax.jit(jax.value_and_grad(partial(total, model, None), has_aux=True))
    source, target = strings()
    got = value_and_grad(params, source, target)
    assert got[0][1].shape == (B, T, V)
    require_close(got, got, "outputs or gradients are not finite")
    garbage = value_and_grad(params, jnp.where(VALID, source, V + 9), target)
    require_close(garbage, got, "the source's padding has an influence")
    later = value_and_grad(params, source, jnp.where(jnp.arange(T) == 2, (target + 1) % V, target))[0][1]
    require_close(later[:, :2], got[0][1][:, :2], "logits depend on a later token of the target")
    assert (np.abs(later - got[0][1])[:, 2:].max(-1) > 1e-6).all(), "a token of the target has no influence"
    other = value_and_grad(params, (source + 1) % V, target)[0][1]
    assert (np.abs(other - got[0][1]).max(-1) > 1e-6).all(), "the source has no influence"
    for chunk in CHUNKS:
        pieces = jax.jit(jax.value_and_grad(partial(total, model, chunk), has_aux=True))(params, source, target)
        require_close(pieces, got, f"encode and extend in pieces of {chunk} differ from apply")


def perturbed(params):
    """Parameters away from their start: what begins at zero would hide what depends on it."""
    return jax.tree.map(lambda leaf: leaf + 0.1 * jnp.cos(jnp.arange(leaf.size) + 1.0).reshape(leaf.shape), params)


def total(model, chunk, params, source, target):
    """A number that all logits move, and the logits."""
    if chunk is None:
        logits = model.apply(params, source, VALID, target)
    else:
        pieces = jnp.swapaxes(target.reshape(B, T // chunk, chunk), 0, 1)
        step = lambda state, piece: model.extend(params, piece, state)[::-1]  # noqa: E731
        _, logits = jax.lax.scan(step, model.encode(params, source, VALID, T), pieces)
        logits = jnp.swapaxes(logits, 0, 1).reshape(B, T, -1)
    return jnp.sum(jnp.sin(logits)), logits


def require_close(got, want, sentence):
    """Every leaf to 2e-5 of its largest value; NaN is close to nothing."""
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        one, other = np.asarray(one), np.asarray(other)
        scale = max(np.abs(other).max(initial=0), 1.0)
        assert (np.abs(one - other) <= 2e-5 * scale).all(), sentence
