"""One sequence, what is asked of it, and what a run says: the answers behind a score."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax.numpy as jnp

from attn_jax.models.base import EncoderDecoder, Model
from attn_jax.models.greedy import greedy_decode
from attn_jax.training.objective import Objective
from attn_jax.training.probes.base import Probe, ProbeConfig, When
from attn_jax.types import Array, Batch, Key, Params, StringBatch


@dataclass(frozen=True)
class WorkedExample(ProbeConfig):
    """What is read, what is wanted and what is said, of one fresh sequence of the longest training length.

    "read" [T] or [T, C], "wanted" [T] or [T, C], where "scored" [T] says so, and "said", the likeliest class or the
    real answer; "valid" [T] is where there is something to read. Over strings "read" is the source, "wanted" the target
    with its EOS, where "scored", and "said" what the model writes by itself until its EOS.

    Args:
      when, num_examples: as every probe's; the first sequence is kept.
      most: places that are kept.
    """

    when: tuple[When, ...] = ("end",)
    num_examples: int = 1
    most: int = 128

    def __post_init__(self):
        super().__post_init__()
        if not isinstance(self.most, int) or self.most < 1:
            raise ValueError(f"most: got {self.most!r}, wanted an integer of at least 1")

    def make(self, model: Model | EncoderDecoder, objective: Objective) -> Probe:
        """Binds this configuration to the function below."""
        del objective
        return Probe(partial(measure, self, model), self.when, self.num_examples)


def measure(config: WorkedExample, model: Any, params: Params, batch: Any, key: Key) -> dict[str, Array]:
    """{"read", "valid", "wanted", "scored", "said"} of the first sequence."""
    del key
    shown = _of_strings(model, params, batch) if isinstance(batch, StringBatch) else _of_answers(model, params, batch)
    return {name: values[0, : config.most] for name, values in shown.items()}


def _of_answers(model: Model, params: Params, batch: Batch) -> dict[str, Array]:
    outputs = model.apply(params, batch.inputs, batch.valid)
    said = jnp.argmax(outputs, -1) if batch.targets.ndim == 2 else outputs
    return {
        "read": batch.inputs,
        "valid": batch.valid,
        "wanted": batch.targets,
        "scored": batch.scored,
        "said": said,
    }


def _of_strings(model: EncoderDecoder, params: Params, batch: StringBatch) -> dict[str, Array]:
    vocab_size = model.apply(params, batch.source, batch.source_valid, batch.target_in).shape[-1]
    bos, eos, longest = vocab_size - 2, vocab_size - 1, batch.target.shape[1]
    said = greedy_decode(model, params, batch.source, batch.source_valid, longest, bos=bos, eos=eos)
    return {
        "read": batch.source,
        "valid": batch.source_valid,
        "wanted": batch.target,
        "scored": batch.target_valid,
        "said": said,
    }
