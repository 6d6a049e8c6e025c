"""How much of the gradient arrives k steps back: where it vanishes, nothing that far back can be learnt from."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from attn_jax.models.base import EncoderDecoder, Model
from attn_jax.training.inside import Inside
from attn_jax.training.losses import loss
from attn_jax.training.objective import Objective
from attn_jax.training.probes.base import Probe, ProbeConfig
from attn_jax.training.probes.fit import check_places, fitted_slope, spaced
from attn_jax.types import Array, Batch, Key, Params

_SOUND = 1e-30  # below it float32 has no digits left to fit a line through


@dataclass(frozen=True)
class GradientFlow(ProbeConfig):
    """The norm of the gradient of the last loss with respect to the embedding k steps back, for any model.

    gradient[k] = mean over sequences of |d loss_T / d x_(T-k)|

    T is the last place that counts in the loss. Over strings the loss is that of the answer's first token, and k = 0
    the source's last one. `slope` is that of log10 gradient over k, fitted from 8 steps back, or from a quarter of the
    longest where that is less: below 0 the gradient vanishes, above it explodes.

    Args:
      when, num_examples: as every probe's.
      num_places: the most values of k, evenly spaced from 0 to the longest.

    Reference: Bengio, Simard & Frasconi 1994; Pascanu, Mikolov & Bengio 2013, arXiv 1211.5063.
    """

    num_places: int = 32

    def __post_init__(self):
        super().__post_init__()
        check_places(self.num_places)

    def make(self, model: Model | EncoderDecoder, objective: Objective) -> Probe | None:
        """Binds this configuration to the function below; None where the model does not embed apart."""
        del model
        if objective.inside.embed is None:
            return None
        return Probe(partial(measure, self, objective.inside), self.when, self.num_examples)


def measure(config: GradientFlow, inside: Inside, params: Params, batch: Any, key: Key) -> dict[str, Array]:
    """{"k": [n], "gradient": [n], NaN where no sequence is so long, "slope"}."""
    del key
    embed, outputs = inside.embed, inside.outputs
    assert embed is not None and outputs is not None  # `make` asked
    x = embed(params, batch)
    asked, beside = inside.asked(batch)
    only = _weighted_at(asked, inside.answers(batch))
    # sequences share nothing, so that the gradient of the sum has each one's own
    gradient = jax.grad(lambda x: loss(outputs(params, x, batch), only).total)(x)
    k = spaced(x.shape[1], config.num_places)
    place = beside[:, None] - k
    norms = jnp.where(place >= 0, jnp.take_along_axis(_norms(gradient), jnp.maximum(place, 0), 1), jnp.nan)
    flow = jnp.nanmean(norms, 0)
    height = jnp.where(flow > _SOUND, jnp.log10(flow), jnp.nan)
    return {"k": jnp.asarray(k), "gradient": flow, "slope": fitted_slope(k, height)}


def _weighted_at(place: Array, answers: Batch) -> Batch:
    """The answers with weight 1 at one place [B] of each row, and none elsewhere."""
    here = jnp.arange(answers.weights.shape[1]) == place[:, None]
    return answers._replace(weights=here.astype(answers.weights.dtype))


def _norms(x: Array) -> Array:
    """[B, S] of x [B, S, D], scaled on the way: squares of 1e-23 are 0 in float32."""
    largest = jnp.max(jnp.abs(x), -1, keepdims=True)
    scaled = x / jnp.where(largest > 0, largest, 1)
    return largest[..., 0] * jnp.sqrt(jnp.sum(scaled**2, -1))
