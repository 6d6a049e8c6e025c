"""The contract of token mixing. A mixer moves information between places; norms, residuals and MLPs are the model's."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike

from attn_jax.layers.decay import SparedFn, spared
from attn_jax.types import Array, Key, Params, State


class InitFn(Protocol):
    """Parameters from a key."""

    def __call__(self, key: Key, /) -> Params:
        """A pytree of arrays."""
        ...


class ApplyFn(Protocol):
    """A whole sequence, the form for training."""

    def __call__(self, params: Params, x: Array, /, valid: Array | None = None, *, key: Key | None = None) -> Array:
        """y [B, T, D] of x [B, T, D] and valid, bool [B, T]; key None is evaluation, where nothing is random."""
        ...


class Places(NamedTuple):
    """Places first, ..., first + number - 1 of a sequence, all of them there."""

    first: int | Array  # one for all rows; may be traced
    number: int


class ApplyAtFn(Protocol):
    """Some places of a whole sequence alone."""

    def __call__(
        self, params: Params, x: Array, places: Places, /, valid: Array | None = None, *, key: Key | None = None
    ) -> Array:
        """cut(apply(params, x, valid, key=key), places)."""
        ...


@dataclass(frozen=True)
class CutApply:
    """An `ApplyFn` that can do with less where some places alone are wanted.

    Both in one: whoever replaces a bundle's `apply` replaces its shorter form too.
    """

    whole: ApplyFn
    at: ApplyAtFn

    def __call__(self, params: Params, x: Array, /, valid: Array | None = None, *, key: Key | None = None) -> Array:
        """The whole sequence."""
        return self.whole(params, x, valid, key=key)


def apply_at(
    apply: ApplyFn, params: Params, x: Array, places: Places, valid: Array | None = None, *, key: Key | None = None
) -> Array:
    """`apply` at some places alone, by its shorter form where it has one."""
    if isinstance(apply, CutApply):
        return apply.at(params, x, places, valid, key=key)
    return cut(apply(params, x, valid, key=key), places)


def cut(tree: Any, places: Places) -> Any:
    """These places of each leaf [B, T, ...].

    >>> cut(jnp.arange(6).reshape(2, 3), Places(1, 2)).tolist()
    [[1, 2], [4, 5]]
    """
    first, number = places
    if isinstance(first, int):
        return jax.tree.map(lambda leaf: leaf[:, first : first + number], tree)
    return jax.tree.map(lambda leaf: lax.dynamic_slice_in_dim(leaf, first, number, axis=1), tree)


class InitStateFn(Protocol):
    """The state before the first place."""

    def __call__(self, params: Params, /, batch_size: int, max_length: int, *, dtype: DTypeLike = jnp.float32) -> State:
        """A pytree of arrays [B, ...]: a hidden state, or a cache with room for max_length places."""
        ...


class ExtendFn(Protocol):
    """Goes on from a state: T = 1 is a step of decoding, the whole a prefill."""

    def __call__(self, params: Params, x: Array, state: State, /, valid: Array | None = None) -> tuple[Array, State]:
        """(y [B, T, D], the state after each row's last valid place)."""
        ...


class InspectFn(Protocol):
    """What can be looked at."""

    def __call__(self, params: Params, x: Array, /, valid: Array | None = None) -> dict[str, Array]:
        """Attention weights, gates, hidden states ... by name; {} where there is nothing."""
        ...


class TripsFn(Protocol):
    """How often loops without a fixed number of trips go round."""

    def __call__(self, params: Params, x: Array, /, valid: Array | None = None) -> Array:
        """Int32 [B], of each row the most trips of any such loop."""
        ...


class Mixer(NamedTuple):
    """A bundle of pure functions; `attn_jax.testing.check_mixer` proves what is promised here.

    `apply` over a whole sequence equals `extend` from `init_state` in pieces of any size, in outputs and gradients.
    `valid` is a prefix of each row. Where it is False nothing else is influenced, the state does not advance, and y
    is finite but otherwise free. y has the dtype of x; accumulators are at least float32. No rows (B = 0) and no places
    (T = 0) give an empty y, and leave the state as it is.
    """

    init: InitFn
    apply: ApplyFn  # a CutApply where some places alone are less work
    init_state: InitStateFn | None
    extend: ExtendFn | None
    inspect: InspectFn
    causal: bool = True  # False: init_state and extend are None
    spared: SparedFn = partial(spared, ())  # what weight decay leaves alone; by default what has fewer than two axes
    trips: TripsFn | None = None  # where a `while` loop decides how long it runs: its FLOPs are then counted by these


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

    @property
    def hidden_size(self) -> int | None:
        """The size that `trimmed` sets where it is not the width's; None otherwise."""
        return None

    def trimmed(self, size: int) -> Self | None:
        """This mixer with the size set that changes it in finer steps than the width; None where there is none."""
        del size
        return None
