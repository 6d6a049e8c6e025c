"""Where attention looks, and what gates let through, on one fixed sequence: what the model's `inspect` shows."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from attn_jax.models.base import EncoderDecoder, Model
from attn_jax.training.inside import Inside
from attn_jax.training.objective import Objective
from attn_jax.training.probes.base import Probe, ProbeConfig, When
from attn_jax.training.probes.gates import BOUNDED
from attn_jax.types import Array, Key, Params

_MAPS = ("weights", "cross")  # [B, N, T, S]
_GATES = (*BOUNDED, "gate", "gates")  # [B, T, ...], from 0 to about 1


@dataclass(frozen=True)
class AttentionMaps(ProbeConfig):
    """The weights of every head and the gates of every layer, of those that the model's `inspect` shows.

    "<layer>/weights" [N, T, S] and "decoder_<i>/cross" as they are; gates as [T, C], of channels or heads C.

    Args:
      when, num_examples: as every probe's; the first sequence is kept.
      most: places, and channels of a gate, that are kept.
    """

    when: tuple[When, ...] = ("end",)
    num_examples: int = 1
    most: int = 64

    def __post_init__(self):
        super().__post_init__()
        if not isinstance(self.most, int) or self.most < 1:
            raise ValueError(f"most: got {self.most!r}, wanted an integer of at least 1")

    def make(self, model: Model | EncoderDecoder, objective: Objective) -> Probe:
        """Binds this configuration to the function below."""
        del model
        return Probe(partial(measure, self, objective.inside), self.when, self.num_examples)


def measure(config: AttentionMaps, inside: Inside, params: Params, batch: Any, key: Key) -> dict[str, Array]:
    """What is shown of the first sequence, by the names of `inspect`; {} where the mixers have neither."""
    del key
    shown = inside.inspect(params, batch).items()
    maps = {name: x[0, :, : config.most, : config.most] for name, x in shown if _last(name) in _MAPS}
    gates = {name: x[0, : config.most] for name, x in shown if _last(name) in _GATES and x.ndim >= 3}
    return maps | {name: x.reshape(len(x), -1)[:, : config.most] for name, x in gates.items()}


def _last(name: str) -> str:
    return name.rpartition("/")[2]
