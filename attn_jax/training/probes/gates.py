"""How far gates are open: their mean, and the shares of them that are as good as shut or as good as open."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax.numpy as jnp

from attn_jax.models.base import EncoderDecoder, Model
from attn_jax.training.inside import Inside
from attn_jax.training.objective import Objective
from attn_jax.training.probes.base import Probe, ProbeConfig
from attn_jax.types import Array, Batch, Key, Params, StringBatch

# gates that mixers show and that lie between 0 and 1
BOUNDED = ("keep", "decay", "beta", "write", "read", "reset", "actions")
_SHUT, _OPEN = 0.05, 0.95


@dataclass(frozen=True)
class Gates(ProbeConfig):
    """Of each gate between 0 and 1 that the model's `inspect` shows, over all sequences, their places and channels:

    "<layer>/<gate>/mean", and "<layer>/<gate>/shut" and "<layer>/<gate>/open", the shares below .05 and above .95

    Padding does not count. A saturated gate passes hardly any gradient to what sets it. Gates that are the same at
    every place, as retention's, are left out, as are those without bounds, as Mamba's. The beta of a delta rule that
    goes to 2 is open from .95 on all the same. An LSTM has "keep", "write" and "read" (its gates f, i, o), a GRU "keep"
    (its update gate, open where the state stays) and "reset".

    Args:
      when, num_examples: as every probe's.
    """

    def make(self, model: Model | EncoderDecoder, objective: Objective) -> Probe:
        """Binds this configuration to the function below."""
        del model
        return Probe(partial(measure, objective.inside), self.when, self.num_examples)


def measure(inside: Inside, params: Params, batch: Any, key: Key) -> dict[str, Array]:
    """{"<layer>/<gate>/mean", ".../shut", ".../open" ...}, numbers; {} where there is no gate."""
    del key
    values = {}
    for name, gate in inside.inspect(params, batch).items():
        if name.rpartition("/")[2] in BOUNDED and gate.ndim >= 3:
            weights = _counted(name, batch, gate)
            number = jnp.sum(weights)
            for word, what in (("mean", gate), ("shut", gate < _SHUT), ("open", gate > _OPEN)):
                values[f"{name}/{word}"] = jnp.sum(jnp.where(weights, what, 0)) / number
    return values


def _counted(name: str, batch: Batch | StringBatch, gate: Array) -> Array:
    """Where a gate [B, T, ...] is no padding's: of an encoder, a decoder, or a model that reads both packed."""
    if isinstance(batch, Batch):
        number = batch.valid.sum(1)
    else:
        source, target = batch.source_valid.sum(1), batch.target_valid.sum(1)
        number = source if name.startswith("encoder") else target if name.startswith("decoder") else source + target
    places = jnp.arange(gate.shape[1]) < number[:, None]
    return jnp.broadcast_to(places.reshape(*places.shape, *(1,) * (gate.ndim - 2)), gate.shape)
