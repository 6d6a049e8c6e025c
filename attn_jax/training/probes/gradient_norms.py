"""The size of the gradient that a step would follow, whole and by layers: where it grows, the update blows up."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from attn_jax.models.base import EncoderDecoder, LayersFn, Model
from attn_jax.training.objective import LossFn, Objective
from attn_jax.training.probes.base import Probe, ProbeConfig, When
from attn_jax.types import Array, Key, Params


@dataclass(frozen=True)
class GradientNorms(ProbeConfig):
    """The norm of the gradient of the training loss, before it is clipped: "all", and each part of the model alone.

    Parts are the model's `layers`: "embedding", "layer_0", ..., "readout"; those without parameters are left out.

    "exploding" is 1 where "all" is not at most `clip`, NaN included, else 0: of one batch, so that its mean over a
    run's evaluations is the share of them at which clipping would have cut this gradient. It is no count of training's
    own steps, whose batches are others: of fewer examples than a training batch has, norms are larger by their noise.

    Args:
      when, num_examples: as every probe's.
      clip: the norm above which a gradient counts as exploding; None: the study's own, `train.clip`.
    """

    when: tuple[When, ...] = ("start", "chunk")
    clip: float | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"clip: got {self.clip!r}, wanted a norm above 0, or None for train.clip")

    def make(self, model: Model | EncoderDecoder, objective: Objective) -> Probe:
        """Binds this configuration to the function below."""
        clip = objective.clip if self.clip is None else self.clip
        return Probe(partial(measure, clip, model.layers, objective.loss), self.when, self.num_examples)


def measure(clip: float, layers: LayersFn, loss: LossFn, params: Params, batch: Any, key: Key) -> dict[str, Array]:
    """{"all", "exploding", "<part>" ...}, numbers."""
    gradient = jax.grad(lambda params: loss(params, batch, padded=True, key=key).mean)(params)
    parts = {name: part for name, part in layers(gradient).items() if jax.tree.leaves(part)}
    whole = optax.tree.norm(gradient)
    exploding = jnp.logical_not(whole <= clip).astype(whole.dtype)
    return {"all": whole, "exploding": exploding} | {name: optax.tree.norm(part) for name, part in parts.items()}
