"""The contracts of models: one output a place, or one string from another."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

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
class AnyModelConfig(ABC):
    """The base of every model's configuration: what a study may hold.

    Args:
      d_model: the width D.
      num_layers: L; of an encoder-decoder, in the encoder and in the decoder.
    """

    d_model: int = 32
    num_layers: int = 2

    def __post_init__(self):
        for name in ("d_model", "num_layers"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}: got {value!r}, wanted an integer of at least 1")

    @abstractmethod
    def make(self, io: IO, max_tokens: int) -> Model | EncoderDecoder:
        """Binds this configuration to pure functions; `max_tokens` bounds learned positions."""

    @abstractmethod
    def over_strings(self, io: IO, source_tokens: int, target_tokens: int) -> EncoderDecoder:
        """The model that says one string having read another; the two numbers bound learned positions."""

    @abstractmethod
    def describe(self) -> str:
        """One line a person reads: what is stacked, how wide."""

    @property
    def divisor(self) -> int:
        """Every admissible `d_model` is a multiple of it."""
        return 1

    @property
    def countable(self) -> Self:
        """The form whose FLOPs and depth are reported, where the fastest form orders its work by a choice of ours."""
        return self

    def resized(self, d_model: int) -> Self:
        """This model at another width."""
        return replace(self, d_model=d_model)

    def trimmed(self, size: int) -> Self | None:
        """This model with the size set that changes it in finer steps than the width; None where there is none."""
        del size
        return None


@dataclass(frozen=True)
class EncoderDecoderConfig(AnyModelConfig):
    """The base of every encoder-decoder's configuration, whose `make` gives an `EncoderDecoder`."""

    @abstractmethod
    def make(self, io: IO, max_tokens: int) -> EncoderDecoder:
        """Binds this configuration to pure functions; `max_tokens` bounds learned positions of source and target."""

    def over_strings(self, io: IO, source_tokens: int, target_tokens: int) -> EncoderDecoder:
        """What `make` gives."""
        return self.make(io, max(source_tokens, target_tokens))


def vocabulary(io: IO) -> int:
    """The size of the one vocabulary of source and target, or a ValueError.

    >>> vocabulary(IO(num_classes=7, vocab_size=7))
    7
    """
    if io.vocab_size is None or io.vocab_size != io.num_classes:
        raise ValueError(f"io: got {io}, wanted one vocabulary for source and target, vocab_size = num_classes")
    return io.vocab_size
