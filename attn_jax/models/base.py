"""The contracts of models: one output a place, or one string from another."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, Protocol, Self

from attn_jax.layers.decay import SparedFn, spared
from attn_jax.mixers.base import ApplyFn, ExtendFn, InitFn, InitStateFn, InspectFn, TripsFn
from attn_jax.types import IO, Array, Key, Params, State


class EmbedFn(Protocol):
    """What the layers are given."""

    def __call__(self, params: Params, inputs: Array, /) -> Array:
        """x [B, T, D] of tokens [B, T] or channels [B, T, C]."""
        ...


class LayersFn(Protocol):
    """The parts that parameters, and whatever has their structure, fall into."""

    def __call__(self, params: Params, /) -> dict[str, Any]:
        """Each part by name, in the order of the forward pass: "embedding", "layer_0", ..., "readout"."""
        ...


class StatesFn(Protocol):
    """The parts that a state, and whatever has its structure, falls into."""

    def __call__(self, state: State, /) -> dict[str, State]:
        """Each layer's own by the name that it has in `layers`: "layer_0", ...; a linear function of it."""
        ...


def _whole_state(state: State) -> dict[str, State]:
    """A model's state where it does not tell its layers.

    >>> _whole_state((1, 2))
    {'all': (1, 2)}
    """
    return {"all": state}


def _named_parts(params: Params) -> dict[str, Any]:
    """A model's parts where it does not tell its layers: the entries of its parameters.

    >>> _named_parts({"embedding": 1, "cells": {"w": 2}})
    {'embedding': 1, 'cells': {'w': 2}}
    """
    return dict(params) if isinstance(params, dict) else {"all": params}


class Model(NamedTuple):
    """A bundle of pure functions; `apply` whole equals `extend` from `init_state` in pieces of any size.

    Their shapes are a mixer's (attn_jax/mixers/base.py), with inputs, tokens [B, T] or channels [B, T, C], for x and
    outputs [B, T, V] for y.
    """

    init: InitFn
    embed: EmbedFn
    apply_embedded: ApplyFn  # of x [B, T, D]: where gradient flow is measured
    apply: ApplyFn  # = apply_embedded after embed; a CutApply where some places alone are less work
    init_state: InitStateFn | None
    extend: ExtendFn | None
    inspect: InspectFn  # "layer_0/weights" ...
    spared: SparedFn = partial(spared, ())  # what weight decay leaves alone
    tables: tuple[str, ...] = ()  # parts of params as large as the vocabulary asks: matching leaves them out
    trips: TripsFn | None = None  # of the mixers that have `while` loops, the most
    layers: LayersFn = _named_parts
    states: StatesFn = _whole_state
    through: dict[str, ApplyFn] | None = None  # x [B, T, D] after each of its layers, of x before; None: not told


class DecodeFn(Protocol):
    """A whole target, given its source."""

    def __call__(
        self,
        params: Params,
        source: Array,
        source_valid: Array | None,
        target_in: Array,
        /,
        *,
        key: Key | None = None,
    ) -> Array:
        """Logits [B, T, V] of source [B, S], valid [B, S], and target_in [B, T]; key None is evaluation."""
        ...


class DecodeEmbeddedFn(Protocol):
    """A whole target, given its embedded source."""

    def __call__(
        self, params: Params, x: Array, source_valid: Array | None, target_in: Array, /, *, key: Key | None = None
    ) -> Array:
        """Logits [B, T, V] of an embedded source x [B, S, D]."""
        ...


def apply_strings(
    embed: EmbedFn,
    apply_embedded: DecodeEmbeddedFn,
    params: Params,
    source: Array,
    source_valid: Array | None,
    target_in: Array,
    *,
    key: Key | None = None,
) -> Array:
    """An encoder-decoder's `apply`: logits [B, T, V] of whole targets."""
    return apply_embedded(params, embed(params, source), source_valid, target_in, key=key)


class EncodeFn(Protocol):
    """Reads a source."""

    def __call__(self, params: Params, source: Array, source_valid: Array | None, max_length: int, /) -> State:
        """The state before the target's first place, with room for max_length of them."""
        ...


class ExtendTargetFn(Protocol):
    """Goes on with a target."""

    def __call__(self, params: Params, target_in: Array, state: State, /) -> tuple[Array, State]:
        """(logits [B, T, V], the state after them)."""
        ...


class InspectStringsFn(Protocol):
    """What can be looked at."""

    def __call__(
        self, params: Params, source: Array, source_valid: Array | None, target_in: Array, /
    ) -> dict[str, Array]:
        """By name, "decoder_0/cross" ..."""
        ...


class EncoderDecoder(NamedTuple):
    """A bundle of pure functions; `apply` whole equals `extend` from `encode` in pieces of any size.

    `source_valid` is a prefix of each row, None = all valid. What stands in the source's padding influences nothing;
    logits at a place of the target depend on no later one, so that its padding, on the right, needs no mask.
    """

    init: InitFn
    apply: DecodeFn
    encode: EncodeFn
    extend: ExtendTargetFn
    inspect: InspectStringsFn
    spared: SparedFn = partial(spared, ())  # what weight decay leaves alone
    tables: tuple[str, ...] = ()  # as in `Model`
    # Of the source: `apply` = apply_embedded after embed, where gradient flow is measured; None: it is not.
    embed: EmbedFn | None = None
    apply_embedded: DecodeEmbeddedFn | None = None
    layers: LayersFn = _named_parts


@dataclass(frozen=True)
class AnyModelConfig(ABC):
    """The base of every model's configuration: what a study may hold.

    A class of your own meets d_model=None wherever it is matched: `__post_init__` is to let it pass, and `make` to read
    `width`. It may give d_model a default of its own instead; a study that matches it by `resized` then replaces that.

    Args:
      d_model: the width D. None in a study that matches this model to its reference.
      num_layers: L; of an encoder-decoder, in the encoder and in the decoder.
    """

    d_model: int | None = None
    num_layers: int = 2

    def __post_init__(self):
        for name in ("d_model", "num_layers"):
            value = getattr(self, name)
            if (value is not None or name != "d_model") and (not isinstance(value, int) or value < 1):
                raise ValueError(f"{name}: got {value!r}, wanted an integer of at least 1")

    @property
    def width(self) -> int:
        """The width D, or a ValueError that says who gives it."""
        if self.d_model is None:
            raise ValueError(
                f"{type(self).__name__}: d_model is None, wanted a width: {type(self).__name__}(d_model=32) for "
                "instance, or leave it to a study, which matches it to the reference's size"
            )
        return self.d_model

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
