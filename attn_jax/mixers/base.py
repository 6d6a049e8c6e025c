"""The contract of token mixing. A mixer moves information between places; norms, residuals and MLPs are the model's."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax.numpy as jnp

from attn_jax.types import Array, Params, State


class Mixer(NamedTuple):
    """A bundle of pure functions; `attn_jax.testing.check_mixer` proves what is promised here.

    `apply` over a whole sequence equals `extend` from `init_state` in pieces of any size, in outputs and gradients.
    `valid` is a prefix of each row. Where it is False nothing else is influenced, the state does not advance, and y
    is finite but otherwise free. y has the dtype of x; accumulators are at least float32.
    """

    init: Callable[..., Params]  # (key) -> params
    apply: Callable[..., Array]  # (params, x[B,T,D], valid[B,T] | None, *, key=None) -> y[B,T,D]; key None = evaluation
    init_state: Callable[..., State] | None  # (params, batch_size, max_length, *, dtype=float32) -> state
    extend: Callable[..., tuple[Array, State]] | None  # (params, x[B,T,D], state, valid | None) -> (y[B,T,D], state)
    inspect: Callable[..., dict[str, Array]]  # (params, x, valid) -> attention weights, gates ...; {} where nothing is
    causal: bool = True  # False: init_state and extend are None


def zero_padding(x: Array, valid: Array | None) -> Array:
    """x [B, T, ...] with zeros where valid [B, T] is False: NaN left there makes gradients NaN where outputs are right.

    >>> zero_padding(jnp.array([[[1.0], [jnp.nan]]]), jnp.array([[True, False]])).tolist()
    [[[1.0], [0.0]]]
    """
    return x if valid is None else jnp.where(valid.reshape(*valid.shape, *(1,) * (x.ndim - 2)), x, 0)


@dataclass(frozen=True)
class MixerConfig(ABC):
    """The base of every mixer's configuration.

    Args:
      d_model: the width D. None in a config file: the model fills it.
    """

    source: ClassVar[str] = ""  # authors, year, arXiv id; a mixer of your own may leave it
    d_model: int | None = None

    @abstractmethod
    def make(self) -> Mixer:
        """Binds this configuration to the mixer's pure functions."""

    @property
    def width(self) -> int:
        """`d_model`, once it is known."""
        if self.d_model is None:
            raise ValueError(
                f"{type(self).__name__}: d_model is None, wanted a width: "
                "put the mixer into a ModelConfig, or use dataclasses.replace(mixer, d_model=...)"
            )
        return self.d_model

    @property
    def countable(self) -> "MixerConfig":
        """The form whose FLOPs and depth are reported, where the fastest form orders its work by a choice of ours."""
        return self

    @property
    def divisor(self) -> int:
        """Every admissible `d_model` is a multiple of it."""
        return 1
