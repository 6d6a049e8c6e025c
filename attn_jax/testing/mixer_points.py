"""The points of a mixer's contract one by one: each in words, whether it holds, and what mends it where it does not."""

from collections.abc import Callable
from typing import NamedTuple

from attn_jax.mixers.base import MixerConfig
from attn_jax.testing.check_mixer import mixer_checks


class Wanted(NamedTuple):
    """A point in words, and what mends a mixer that breaks it."""

    promise: str
    fix: str


class Point(NamedTuple):
    """What came of a point; `broken` is the exception that it ended with, None where it holds."""

    name: str
    promise: str
    broken: BaseException | None = None
    fix: str = ""


POINTS: dict[str, Wanted] = {
    "bundle": Wanted(
        "make gives a Mixer of functions",
        "return Mixer(init, apply, init_state, extend, inspect) from make, each bound by functools.partial",
    ),
    "outputs": Wanted(
        "y has the shape and dtype of x and is finite; bfloat16 in, bfloat16 out, near float32",
        "sum in float32 (preferred_element_type=jnp.float32), end with .astype(x.dtype), and let apply take key=None",
    ),
    "stateless": Wanted(
        "what looks both ways has no init_state and no extend",
        "give None for both, or make it causal",
    ),
    "empty": Wanted(
        "a batch of no rows, and sequences of no places, give an empty y and leave the state as it is",
        "take shapes from x.shape, and nothing from x[0] or x[:, -1]",
    ),
    "sight": Wanted(
        "y depends on x, in no row on another row, and where causal on no later x (from the Jacobian)",
        "mix along axis 1 alone; mask what comes after a place (a lower triangle, padding on the left, a scan from the "
        "left), or say causal=False",
    ),
    "padding": Wanted(
        "padding of any content, NaN too, changes no valid output and no gradient",
        "begin with x = zero_padding(x, valid), and keep the state as it is where valid is False",
    ),
    "places alone": Wanted(
        "apply at some places alone is apply there, in outputs and gradients",
        "leave CutApply out, or let its `at` draw and see what its `whole` does",
    ),
    "told": Wanted(
        "inspect gives a dict, and spared a bool of each parameter",
        "return {} where there is nothing to see; leave spared out for the usual choice",
    ),
    "one trace": Wanted(
        "a step from the state that a step returned is not traced again",
        "let init_state give arrays of the very dtypes that extend returns: jnp.zeros(shape, dtype), no Python numbers",
    ),
    "extend": Wanted(
        "apply = extend, whole, in 4 + 5 and one by one, in outputs and gradients",
        "write apply as extend from init_state, and make it fast afterwards; carry all that a later place needs",
    ),
    "padded pieces": Wanted(
        "extend holds its state at padding in the pieces too, and by no places moves nothing",
        "keep the state as it is where valid is False, of every piece",
    ),
    "state": Wanted(
        "the state keeps its shapes and dtypes, and init_state those that it is asked for",
        "make the state with the dtype that init_state is given, and end extend with .astype of the state it was given",
    ),
}
_RAISED = "mend what was raised"
_FIRST = ("bundle", "outputs")  # what all others need


def mixer_points(config: MixerConfig, *, seed: int = 0) -> list[Point]:
    """Every point of the contract of `check_mixer`; where one of the first two is broken, the others are not looked at.

    Args:
      config: the mixer; its `d_model` is set here.
      seed: of the parameters and inputs.

    >>> class Broken(MixerConfig):
    ...     def make(self):
    ...         return self
    >>> [(point.name, str(point.broken)) for point in mixer_points(Broken())]
    [('bundle', 'make gives a Broken, wanted a Mixer')]
    """
    points: list[Point] = []
    checks = mixer_checks(config, seed=seed)
    while True:
        try:
            name, check = next(checks)
        except StopIteration:
            return points
        except (Exception, SystemExit) as error:  # whatever the user's code does
            return [*points, Point("make", "make and init run", error, _RAISED)]
        broken = _broken(check)
        points.append(Point(name, POINTS[name].promise, broken, _fix(name, broken)))
        if broken and name in _FIRST:
            return points


def _fix(name: str, broken: BaseException | None) -> str:
    """What mends it: the point's own advice where its promise is broken, not where something else was raised."""
    if broken is None:
        return ""
    return POINTS[name].fix if isinstance(broken, AssertionError) else _RAISED


def _broken(check: Callable[[], None]) -> BaseException | None:
    try:
        check()
    except (Exception, SystemExit) as error:
        return error
    return None
