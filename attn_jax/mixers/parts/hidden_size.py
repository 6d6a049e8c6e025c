"""The option `d_inner`: a hidden size of its own, which a comparison trims to match parameters."""

from dataclasses import dataclass, replace
from typing import Self

from attn_jax.mixers.base import MixerConfig
from attn_jax.mixers.parts.options import check_at_least


@dataclass(frozen=True)
class HiddenSizeConfig(MixerConfig):
    """The base of configurations with a hidden size.

    Args:
      d_model: the width D; None = the model fills it.
      d_inner: the hidden size P; None = D.
    """

    d_inner: int | None = None

    def __post_init__(self):
        check_at_least(1, d_inner=self.d_inner)

    @property
    def inner(self) -> int:
        """The hidden size P."""
        return self.width if self.d_inner is None else self.d_inner

    @property
    def hidden_size(self) -> int | None:
        """`d_inner`."""
        return self.d_inner

    def trimmed(self, size: int) -> Self:
        """This mixer with `d_inner` set."""
        return replace(self, d_inner=size)
