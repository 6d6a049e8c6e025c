"""A number that somebody else printed, to stand beside one's own; a cell of the ledger; why one's own is another."""

import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Literal, TypeAlias, get_args

from attn_jax.errors import ConfigError

Functional: TypeAlias = Literal["", "maximum", "mean", "median"]
Cause: TypeAlias = Literal["size", "steps", "rate", "loss mask", "their bug", "our bug", "other"]


@dataclass(frozen=True)
class Published:
    """One number that a source printed: "28.4", in which metric, of what, in which table or section.

    Args:
      value: as it was printed; a number is drawn beside those of its metric, a text is listed.
      metric: a task's metric, "accuracy" say, or "score", normalised; whatever else is listed.
      of: of what.
      where: paper, and table or section of it.
      source: the paper, where `where` says the table alone.
      functional: what of how many `runs` was printed; "" where the source does not say.
      runs: of how many, seeds times rates times whatever else the best was taken of.
    """

    value: float | str
    metric: str
    of: str
    where: str
    source: str = ""
    functional: Functional = ""
    runs: int = 0

    def __post_init__(self):
        if not isinstance(self.value, str) and not math.isfinite(self.value):
            raise ConfigError(f"value: got {self.value}, wanted a finite number, or what was printed as text")
        if self.functional not in get_args(Functional):
            wanted = ", ".join(map(repr, get_args(Functional)))
            raise ConfigError(f"functional: got {self.functional!r}, wanted one of {wanted}")
        if bool(self.functional) != (self.runs > 0) or self.runs < 0:
            raise ConfigError(f"runs: got {self.runs} beside functional={self.functional!r}, wanted both or neither")

    @property
    def of_runs(self) -> str:
        """What of how many runs it is.

        >>> Published(0.9, "accuracy", "an LSTM", "table 1", functional="maximum", runs=30).of_runs
        'maximum of 30 runs'
        """
        return f"{self.functional} of {self.runs} run{'s' * (self.runs != 1)}" if self.functional else "not said"


@dataclass(frozen=True)
class Cell(Published):
    """A published number in the ledger: which tests of a claim are of it, or why it is not tried.

    It takes part in those tests of its claim that have this measure, or study, and this model on one of their sides.

    Args:
      measure: the name of the quantity, or of the study, that the tests compare.
      model: the side of them that stands for it.
      unit: what was printed for 1: 100 where it is per cent.
      same_size: whether the quantity is measured at the size, steps and data of the source; else the run is reduced,
        and can show a direction, never a reproduction.
      reason: why it is not tried; "" where it is.
    """

    measure: str = ""
    model: str = ""
    unit: float = 1.0
    same_size: bool = False
    reason: str = ""

    def __post_init__(self):
        super().__post_init__()
        if bool(self.measure) != bool(self.model) or bool(self.measure) == bool(self.reason):
            raise ConfigError(
                f"reason: got {self.reason!r} beside measure={self.measure!r} and model={self.model!r}, wanted "
                f"either a reason why {self.of!r} is not tried, or the measure and the model of its tests"
            )
        if self.same_size and (isinstance(self.value, str) or self.functional not in ("maximum", "mean")):
            raise ConfigError(
                f"same_size: got True beside value={self.value!r} and functional={self.functional!r}, wanted a number "
                "that is a maximum or a mean of runs: nothing else is compared"
            )
        if not 0 < self.unit < math.inf:
            raise ConfigError(f"unit: got {self.unit}, wanted a positive number")


@dataclass(frozen=True)
class Explained:
    """Why a cell of the ledger came out otherwise than it was printed, and the run that shows it.

    Args:
      claim: the name of the ledger's claim.
      of: of which of its cells, as the cell says it.
      cause: what the difference comes from.
      text: a paragraph.
      run: the command of the run that shows it.
    """

    claim: str
    of: str
    cause: Cause
    text: str
    run: str

    def __post_init__(self):
        if self.cause not in get_args(Cause):
            raise ConfigError(f"cause: got {self.cause!r}, wanted one of {', '.join(get_args(Cause))}")
        for name in ("text", "run"):
            if not getattr(self, name):
                raise ConfigError(f"{name}: got none, wanted why it came out otherwise and the run that shows it")


def published_row(one: Published) -> dict[str, Any]:
    """As JSON types: the first four fields, and of the others those that say something.

    >>> published_row(Published(0.9, "accuracy", "an LSTM", "table 1"))
    {'value': 0.9, 'metric': 'accuracy', 'of': 'an LSTM', 'where': 'table 1'}
    """
    unsaid: Mapping[str, Any] = {f.name: f.default for f in fields(one) if f.default is not MISSING}
    return {name: value for name, value in asdict(one).items() if name not in unsaid or value != unsaid[name]}
