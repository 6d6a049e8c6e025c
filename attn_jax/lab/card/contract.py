"""What a mixer promises, point by point, and what it is where it is none: one that leaks, ignores or copies."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import numpy as np

from attn_jax.blame import in_words, line_in
from attn_jax.mixers.base import MixerConfig
from attn_jax.testing.check_quickly import check_mixer_quickly
from attn_jax.testing.mixer_points import Point, mixer_points
from attn_jax.training.compiling import compiled

Nature: TypeAlias = Literal[
    "mixes", "looks both ways", "leaks the future", "ignores its input", "copies its input", "mixes no places"
]
NATURES: dict[Nature, str] = {
    "mixes": "it moves what it read to later places, and to no earlier one",
    "looks both ways": "it says causal=False: it reads later places too, and cannot be asked for the next token",
    "leaks the future": "it leaks the future: y at a place depends on a later x, so that it would read its answers",
    "ignores its input": "it ignores its input: y does not depend on x",
    "copies its input": "it copies its input: y = x, whatever its parameters are",
    "mixes no places": "it moves nothing between places: y depends on the x of its own place alone",
}
_T, _D = 8, 16
_LONG = 128  # places: what leaks or fails past the first few does so by then
_NOTHING = 1e-5  # of the largest, as the contract has it
_ALIKE = 1e-5  # of the largest: sums in another order


class Sight(NamedTuple):
    """What a mixer does with places; whether it feels their order: else it is given positions, as attention is."""

    nature: Nature | None
    ordered: bool


def contract_of(config: MixerConfig, path: Path | None) -> list[dict[str, Any]]:
    """A row a point of the contract: what is promised, whether it holds, what was said, what mends it.

    Args:
      config: the mixer.
      path: the file of the user's that it comes from; None for a registered one.
    """
    return [
        {
            "point": point.name,
            "promise": point.promise,
            "holds": point.broken is None,
            "said": _said(point, path),
            "fix": point.fix,
        }
        for point in _points(config)
    ]


def _points(config: MixerConfig) -> list[Point]:
    """Those of the contract, which are looked at in a few places, and where all hold, in many."""
    points = mixer_points(config)
    if any(point.broken is not None for point in points):
        return points
    broken = None
    try:
        check_mixer_quickly(replace(config, d_model=_D), max_length=_LONG)
    except (Exception, SystemExit) as error:  # whatever the user's code does
        broken = error
    promise = f"the same of {_LONG} places: y has x's shape, and depends on no later x, no other row and no padding"
    fix = "mend what begins past the first places: a second chunk, the end of a window or of a table of positions"
    return [*points, Point("length", promise, broken, fix if broken else "")]


def sight_of(config: MixerConfig, *, seed: int = 0) -> Sight:
    """What a mixer does with places, from the Jacobian of one sequence, from its output, and from two places exchanged.

    Args:
      config: the mixer; its `d_model` is set here.
      seed: of the parameters and the input.

    >>> from attn_jax.mixers import GRU
    >>> sight_of(GRU())
    Sight(nature='mixes', ordered=True)
    """
    mixer, rng = replace(config, d_model=_D).make(), np.random.default_rng(seed)
    x = rng.normal(size=(1, _T, _D)).astype(np.float32)
    began = compiled(mixer.init, jax.random.key(seed), quickly=True)(jax.random.key(seed))
    params = jax.tree.map(  # zeros would hide what is read
        lambda leaf: np.asarray(leaf) + 0.1 * rng.normal(size=leaf.shape).astype(leaf.dtype), began
    )
    direction = np.cos(1.0 + np.arange(_D)).astype(np.float32)

    def seen(x, params):
        y = mixer.apply(params, x, None)
        return y @ direction, y

    program = compiled(jax.jacrev(seen, has_aux=True), x, params, quickly=True)
    jacobian, y = jax.tree.map(np.asarray, program(x, params))
    exchanged = np.asarray(program(x[:, [1, 0, *range(2, _T)]], params)[1])
    nature = nature_of(np.abs(jacobian[0, :, 0]).sum(-1), y, x, causal=mixer.causal)
    return Sight(nature, not np.allclose(y[:, -1], exchanged[:, -1], atol=_ALIKE * np.abs(y).max()))


def nature_of(reach: np.ndarray, y: np.ndarray, x: np.ndarray, *, causal: bool) -> Nature | None:
    """What a mixer does, from |d y_t / d x_s| [T, S]; None where that is not finite, and says nothing.

    >>> x = np.ones((1, 2, 3))
    >>> nature_of(np.eye(2), x, x, causal=True), nature_of(np.ones((2, 2)), x, x, causal=True)
    ('copies its input', 'leaks the future')
    """
    if not np.isfinite(reach).all():
        return None
    there = reach > _NOTHING * reach.max()
    if not reach.max() > 0:
        return "ignores its input"
    if not there[~np.eye(len(there), dtype=bool)].any():
        return "copies its input" if np.allclose(y, x, atol=_NOTHING) else "mixes no places"
    if np.triu(there, 1).any():
        return "leaks the future" if causal else "looks both ways"
    return "mixes"


def _said(point: Point, path: Path | None) -> str:
    """What a broken point was told by; of what the user's code raised, the line too."""
    if point.broken is None:
        return ""
    if path and (line_in(path, point.broken) or not isinstance(point.broken, AssertionError)):
        return in_words(path, point.broken)
    return str(point.broken).split("\n")[0] or type(point.broken).__name__
