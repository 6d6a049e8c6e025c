"""The contract of probes: what is measured of a run beside its scores, by programs of their own.

A probe changes no trained bit and no number of a study: its values stand in rows of their own.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, get_args

from attn_jax.models.base import EncoderDecoder, Model
from attn_jax.training.objective import Objective
from attn_jax.types import Array, Key, Params

# Before the first step, at every evaluation, after the last step.
When: TypeAlias = Literal["start", "chunk", "end"]


class MeasureFn(Protocol):
    """What is measured."""

    def __call__(self, params: Params, batch: Any, key: Key, /) -> dict[str, Array]:
        """Values by name of one run on one batch, of shapes that depend on the batch's alone; {} where there is none.

        `k` labels the last axis of all that is as long as it; without it places count from 0.
        """
        ...


class Probe(NamedTuple):
    """A bound probe; whoever calls it maps it over runs."""

    measure: MeasureFn
    when: tuple[When, ...]
    num_examples: int  # sequences of its batch, fresh ones of the longest training length, the same for every model


@dataclass(frozen=True)
class ProbeConfig(ABC):
    """The base of every probe's configuration.

    Args:
      when: "start", "end", or "chunk", which is at every evaluation.
      num_examples: sequences that it looks at.
    """

    when: tuple[When, ...] = ("start", "end")
    num_examples: int = 8

    def __post_init__(self):
        if not self.when or set(self.when) - set(get_args(When)):
            raise ValueError(f"when: got {self.when!r}, wanted some of {', '.join(get_args(When))}")
        if not isinstance(self.num_examples, int) or self.num_examples < 1:
            raise ValueError(f"num_examples: got {self.num_examples!r}, wanted an integer of at least 1")

    @abstractmethod
    def make(self, model: Model | EncoderDecoder, objective: Objective) -> Probe | None:
        """Binds this configuration to a model and what it learns; None where the model has nothing to measure."""
