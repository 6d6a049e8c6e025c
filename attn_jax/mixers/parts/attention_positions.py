"""How attention tells places apart: the options, the turning of queries and keys, and what is added to scores."""

from dataclasses import dataclass
from functools import cache, partial
from typing import Literal, TypeAlias, get_args

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.mixers.base import MixerConfig, zero_padding
from attn_jax.mixers.parts.options import check_at_least, check_choice
from attn_jax.ops.attention.cache import positions_from
from attn_jax.ops.attention.scores import ALiBi, RelativeBias, ScoreModification
from attn_jax.ops.positions import alibi_slopes, check_buckets, randomised_positions, rotary
from attn_jax.types import Array, Key, Params

Encoding: TypeAlias = Literal["none", "rotary", "alibi", "t5", "randomised"]

TURNED = ("rotary", "randomised")  # pairs of channels turn: heads are of even size
_READ_BY = {
    "rotary_base": TURNED,
    "num_buckets": ("t5",),
    "max_distance": ("t5",),
    "max_position": ("randomised",),
    "eval_length": ("randomised",),
    "eval_seed": ("randomised",),
}


@dataclass(frozen=True, kw_only=True)
class PositionConfig(MixerConfig):
    """The base of attention's configuration: how it tells places apart.

    "rotary" turns queries and keys by their positions (Su et al. 2021, arXiv 2104.09864). "alibi" takes slope times
    distance from scores (Press et al. 2021, arXiv 2108.12409). "t5" adds to them a learned bias a head and range of
    distances (Raffel et al. 2019, arXiv 1910.10683); scores keep their scale 1 / sqrt(H), which T5 drops. Both count
    distance to either side where attention is not causal.

    "randomised" is rotary at random positions (Ruoss et al. 2023, arXiv 2305.16843). In training a row of n valid
    places has a random subset of n of the `max_position` positions, in order; each call, so each layer, draws its own.
    In evaluation the paper draws the same way. What a place says would then hang on how many come after it, and no
    decoding could repeat it. Here `eval_seed` draws one subset of `eval_length` positions, and a sequence takes the
    first of them: all its distances are ones that training draws too.

    Args:
      head_positions: "none", "rotary", "alibi", "t5" or "randomised".
      rotary_base: of "rotary" and "randomised", the longest wavelength over 2 pi.
      num_buckets: of "t5", ranges of distances.
      max_distance: of "t5", from here on distances share the last bucket.
      max_position: of "randomised", how many positions there are to draw from.
      eval_length: of "randomised", the most places of a sequence in evaluation.
      eval_seed: of "randomised", draws the positions of evaluation.
    """

    head_positions: Encoding = "none"
    rotary_base: float = 10_000.0
    num_buckets: int = 32
    max_distance: int = 128
    max_position: int = 2048
    eval_length: int = 512
    eval_seed: int = 0

    def __post_init__(self):
        check_choice("head_positions", self.head_positions, get_args(Encoding))
        for name, readers in _READ_BY.items():
            got, default = getattr(self, name), getattr(PositionConfig, name)
            if got != default and self.head_positions not in readers:
                wanted = f"the default {default}, or head_positions of {' or '.join(map(repr, readers))}"
                raise ValueError(f"{name}: got {got} beside head_positions={self.head_positions!r}, wanted {wanted}")
        if not self.rotary_base > 0:
            raise ValueError(f"rotary_base: got {self.rotary_base}, wanted a number > 0")
        check_at_least(1, eval_length=self.eval_length)
        if self.max_position < self.eval_length:
            raise ValueError(f"max_position: got {self.max_position}, wanted at least eval_length={self.eval_length}")


def check_relative(config: PositionConfig, *, causal: bool) -> None:
    """Raises where T5's buckets cannot be told apart."""
    if config.head_positions == "t5":
        check_buckets(config.num_buckets, config.max_distance, bidirectional=not causal)


def init_position_bias(config: PositionConfig, num_heads: int) -> Params:
    """The learned bias [num_buckets, N] of "t5", which starts at zero; {} otherwise."""
    return {"b_relative": jnp.zeros((config.num_buckets, num_heads))} if config.head_positions == "t5" else {}


def whole_positions(config: PositionConfig, x: Array, valid: Array | None, key: Key | None) -> Array:
    """Positions of x [B, T, D] from its first place on, [T] or [B, T]; a key draws random ones, row by row."""
    B, T = x.shape[:2]
    if config.head_positions != "randomised":
        return jnp.arange(T)
    if key is None:
        check_eval_length(config, "T", T)
        return jnp.asarray(_eval_positions(config.eval_seed, config.eval_length, config.max_position)[:T])
    lengths = jnp.full(B, T) if valid is None else valid.sum(1, dtype=jnp.int32)
    draw = partial(randomised_positions, length=T, max_position=config.max_position)
    return jax.vmap(lambda key, used: draw(key, used=used))(jax.random.split(key, B), lengths)


def next_positions(config: PositionConfig, length: Array, T: int, valid: Array | None) -> Array:
    """Positions [B, T] of T more places after `length` [B] of them; -1 past those that evaluation has."""
    places = positions_from(length, T)
    if config.head_positions != "randomised":
        return places
    table = jnp.asarray(_eval_positions(config.eval_seed, config.eval_length, config.max_position))
    return zero_padding(table.at[places].get(mode="fill", fill_value=-1), valid)


def check_eval_length(config: PositionConfig, name: str, got: int) -> None:
    """Raises where random positions run out."""
    if config.head_positions == "randomised" and got > config.eval_length:
        raise ValueError(f"{name}: got {got}, wanted at most eval_length={config.eval_length}")


@cache
def _eval_positions(eval_seed: int, eval_length: int, max_position: int) -> np.ndarray:
    """The random positions of evaluation, drawn while tracing: a program holds them as a constant."""
    with jax.ensure_compile_time_eval():
        draw = jax.jit(randomised_positions, static_argnums=(1, 2))  # eagerly it is seventeen programs
        return np.asarray(draw(jax.random.key(eval_seed), eval_length, max_position))


def turn_heads(
    config: PositionConfig, q: Array, k: Array, q_positions: Array, k_positions: Array
) -> tuple[Array, Array]:
    """Queries and keys turned by their positions [T] or [B, T]; a query at -1 is NaN."""
    if config.head_positions not in TURNED:
        return q, k
    if config.head_positions == "randomised":
        q = jnp.where((q_positions < 0)[..., None, None], jnp.nan, q)
    turn = partial(rotary, base=config.rotary_base)
    return turn(q, positions=q_positions), turn(k, positions=k_positions)


def score_positions(
    config: PositionConfig, params: Params, *, num_heads: int, causal: bool
) -> ScoreModification | None:
    """What is done to scores for their places; None = nothing."""
    if config.head_positions == "alibi":
        return ALiBi(alibi_slopes(num_heads))
    if config.head_positions == "t5":
        return RelativeBias(params["b_relative"], bidirectional=not causal, max_distance=config.max_distance)
    return None
