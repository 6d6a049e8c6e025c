"""A number that somebody else printed, to stand beside one's own."""

import math
from dataclasses import dataclass

from attn_jax.errors import ConfigError


@dataclass(frozen=True)
class Published:
    """One number that a source printed: "28.4", in which metric, of what, in which table or section.

    Args:
      value: as it was printed; a number is drawn beside those of its metric, a text is listed.
      metric: a task's metric, "accuracy" say, or "score", normalised; whatever else is listed.
      of: of what.
      where: paper, and table or section of it.
    """

    value: float | str
    metric: str
    of: str
    where: str

    def __post_init__(self):
        if not isinstance(self.value, str) and not math.isfinite(self.value):
            raise ConfigError(f"value: got {self.value}, wanted a finite number, or what was printed as text")
