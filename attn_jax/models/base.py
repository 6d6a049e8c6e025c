"""The contracts of models: one output a place, or one string from another."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from attn_jax.types import IO, Array, Params, State


class Model(NamedTuple):
    """A bundle of pure functions; `apply` whole equals `extend` from `init_state` in pieces of any size."""

    init: Callable[..., Params]  # (key) -> params
    embed: Callable[..., Array]  # (params, inputs) -> x[B,T,D]
    apply_embedded: Callable[..., Array]  # (params, x, valid, *, key=None) -> outputs: where gradient flow is measured
    apply: Callable[..., Array]  # (params, inputs, valid, *, key=None) -> outputs[B,T,V] = apply_embedded after embed
    init_state: Callable[..., State] | None  # (params, batch_size, max_length, *, dtype=float32) -> state
    extend: Callable[..., tuple[Array, State]] | None  # (params, inputs, state, valid) -> (outputs, state)
    inspect: Callable[..., dict[str, Array]]  # (params, inputs, valid) -> "layer_0/weights" ...


class EncoderDecoder(NamedTuple):
    """A bundle of pure functions; `apply` whole equals `extend` from `encode` in pieces of any size.

    `source_valid` is a prefix of each row, None = all valid. What stands in the source's padding influences nothing;
    logits at a place of the target depend on no later one, so that its padding, on the right, needs no mask.
    """

    init: Callable[..., Params]  # (key) -> params
    apply: Callable[..., Array]  # (params, source[B,S], source_valid, target_in[B,T], *, key=None) -> logits[B,T,V]
    encode: Callable[..., State]  # (params, source, source_valid, max_length) -> state; max_length is the target's
    extend: Callable[..., tuple[Array, State]]  # (params, target_in, state) -> (logits, state)
    inspect: Callable[..., dict[str, Array]]  # (params, source, source_valid, target_in) -> "decoder_0/cross" ...


@dataclass(frozen=True)
class EncoderDecoderConfig(ABC):
    """The base of every encoder-decoder's configuration.

    Args:
      d_model: the width D.
      num_layers: L, in the encoder and in the decoder.
    """

    d_model: int = 32
    num_layers: int = 2

    def __post_init__(self):
        for name in ("d_model", "num_layers"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}: got {value!r}, wanted an integer of at least 1")

    @abstractmethod
    def make(self, io: IO, max_tokens: int) -> EncoderDecoder:
        """Binds this configuration to pure functions; `max_tokens` bounds learned positions of source and target."""


def vocabulary(io: IO) -> int:
    """The size of the one vocabulary of source and target, or a ValueError.

    >>> vocabulary(IO(num_classes=7, vocab_size=7))
    7
    """
    if io.vocab_size is None or io.vocab_size != io.num_classes:
        raise ValueError(f"io: got {io}, wanted one vocabulary for source and target, vocab_size = num_classes")
    return io.vocab_size
