"""The size of the gradient that a step would follow, whole and by layers: where it grows, the update blows up."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import optax

from attn_jax.models.base import EncoderDecoder, LayersFn, Model
from attn_jax.training.objective import LossFn, Objective
from attn_jax.training.probes.base import Probe, ProbeConfig, When
from attn_jax.types import Array, Key, Params


@dataclass(frozen=True)
class GradientNorms(ProbeConfig):
    """The norm of the gradient of the training loss, before it is clipped: "all", and each part of the model alone.

    Parts are the model's `layers`: "embedding", "layer_0", ..., "readout"; those without parameters are left out.

    Args:
      when, num_examples: as every probe's.
    """

    when: tuple[When, ...] = ("start", "chunk")

    def make(self, model: Model | EncoderDecoder, objective: Objective) -> Probe:
        """Binds this configuration to the function below."""
        return Probe(partial(measure, model.layers, objective.loss), self.when, self.num_examples)


def measure(layers: LayersFn, loss: LossFn, params: Params, batch: Any, key: Key) -> dict[str, Array]:
    """{"all", "<part>" ...}, numbers."""
    gradient = jax.grad(lambda params: loss(params, batch, padded=True, key=key).mean)(params)
    parts = {name: part for name, part in layers(gradient).items() if jax.tree.leaves(part)}
    return {"all": optax.tree.norm(gradient)} | {name: optax.tree.norm(part) for name, part in parts.items()}
