"""What a program costs, read from its jaxpr: floating point operations, and sequential depth.

XLA's own `cost_analysis` counts the body of a scan once, whatever its length. This walker multiplies.

**Operations.** dot_general 2 M N K (times batch), convolution likewise; a reduction or cumulative sum the size of its
input; a scatter that combines, the size of its updates; a triangular solve n a right-hand side element; whatever only
moves data 0. A scan and a loop over tiles count length x body, a `cond` its dearest branch, a shard_map all its
devices; a `while` has no static number of trips and raises unless the caller passes one.

**Depth.** The longest path of dependent steps, with as many processors as one likes. A step is one primitive that
computes (a dot or a reduction too: its sum is one step); moving data is no step; cumulative operations, sort and FFT
count ceil(log2 n), a triangular solve n. Over a scan the path from carry to carry counts once a trip, a path that
starts and ends in one trip counts once: a scan that carries nothing is parallel. A carry that only counts
(`i + 1`) is no dependence: any processor knows it beforehand.

What one primitive costs, and what an unknown one counts, stands in `lab/cost/primitives.py`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeAlias

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr
from jax.extend.core import Literal as Constant

from attn_jax.lab.cost.max_plus import compose, identity, power
from attn_jax.lab.cost.primitives import primitive_depth, primitive_flops, refuse_hidden_program
from attn_jax.ops.placement import meant_for, platform

Growth: TypeAlias = Literal["constant", "log T", "linear"]

# Primitives that run one program once, and the parameter that holds it (names of jax 0.10 to 0.12).
_CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "core_call": "call_jaxpr",
    "call": "call_jaxpr",
    "closed_call": "call_jaxpr",
    "checkpoint": "jaxpr",
    "remat2": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vmap_call": "call",
    "shard_map": "jaxpr",
}
_TILES = "tiles"  # attn_jax/ops/attention/tiles.py: a loop that carries nothing but sums
_FOLLOWED = sorted([*_CALLS, "scan", "while", "cond", _TILES])


def count_flops(program: Callable[..., Any] | Any, *args: Any, trips: float | None = None) -> float:
    """Floating point operations of a program; integer arithmetic and comparisons count alike.

    Args:
      program: a function of `args`, or a jaxpr (then without `args`).
      *args: arrays or `jax.ShapeDtypeStruct`s: nothing is computed.
      trips: how often the body of each `while` loop runs; None refuses such a loop.

    Returns:
      The count, a float: it soon exceeds 2 ** 53.

    Raises:
      ValueError: a `while` without `trips`; an unknown primitive that holds a program.

    >>> import jax
    >>> x, w = jax.ShapeDtypeStruct((8, 4), "float32"), jax.ShapeDtypeStruct((4, 16), "float32")
    >>> count_flops(lambda x, w: x @ w, x, w) == 2 * 8 * 4 * 16
    True
    """
    return _flops(_jaxpr_of(program, args), trips)


def sequential_depth(program: Callable[..., Any] | Any, *args: Any, trips: int | None = None) -> int:
    """Length of the longest chain of dependent steps, from any input to any output.

    Args:
      program, *args, trips: as `count_flops` takes them.

    Returns:
      The number of steps.

    Raises:
      ValueError: a `while` without `trips`; an unknown primitive that holds a program.

    >>> import jax
    >>> x = jax.ShapeDtypeStruct((64,), "float32")
    >>> sequential_depth(lambda x: jax.lax.scan(lambda c, a: (c * a, None), 0.0, x)[0], x)
    64
    >>> sequential_depth(lambda x: jax.lax.map(lambda a: a * a, x), x)
    1
    """
    paths = _paths(_jaxpr_of(program, args), trips)
    return int(max(paths.max(initial=0.0), 0.0))


def depth_growth(
    make_program: Callable[[int], tuple[Callable[..., Any], Sequence[Any]]],
    lengths: tuple[int, int, int] = (64, 256, 1024),
    *,
    trips: Callable[[int], int | None] | None = None,
) -> Growth:
    """How the sequential depth grows with the sequence's length T.

    Three depths decide: no growth is "constant"; else the law, a + b log T or a + b T, on which the two slopes agree
    better. A form with chunks shows its growth only at lengths above the chunk's: choose them so.

    Args:
      make_program: length -> (a function, its arguments).
      lengths: three, each at least twice the one before (log T grows in stairs).
      trips: length -> how often the body of each `while` loop runs.

    Returns:
      "constant", "log T" or "linear".

    Raises:
      ValueError: lengths too close; a depth that falls with T, grows faster than linearly, or grows between two of the
        lengths only.

    >>> import jax
    >>> depth_growth(lambda T: (jax.numpy.cumsum, [jax.ShapeDtypeStruct((T,), "float32")]))
    'log T'
    """
    if len(lengths) != 3 or not 2 <= 2 * lengths[0] <= lengths[1] <= lengths[2] / 2:
        raise ValueError(f"lengths: got {lengths}, wanted three, each at least twice the one before")
    depths = [_depth_at(make_program, length, trips) for length in lengths]
    rises = np.diff(np.asarray(depths, float))
    if (rises < 0).any():
        raise ValueError(f"make_program: the depth falls with the length: {depths} at {lengths}")
    if not rises.any():
        return "constant"
    if not rises.all():
        raise ValueError(f"lengths: the depths {depths} at {lengths} follow no law, wanted longer lengths")
    linear = rises[1] / rises[0] * (lengths[1] - lengths[0]) / (lengths[2] - lengths[1])
    logarithmic = rises[1] / rises[0] * math.log(lengths[1] / lengths[0]) / math.log(lengths[2] / lengths[1])
    if linear > math.sqrt(lengths[2] / lengths[1]):
        raise ValueError(f"make_program: the depth grows faster than linearly: {depths} at {lengths}")
    return "linear" if abs(math.log(linear)) < abs(math.log(logarithmic)) else "log T"


def _depth_at(make_program, length: int, trips: Callable[[int], int | None] | None) -> int:
    program, args = make_program(length)
    return sequential_depth(program, *args, trips=None if trips is None else trips(length))


def _jaxpr_of(program, args: Sequence[Any]):
    """The open jaxpr of a function at `args`, or of a jaxpr."""
    if isinstance(program, ClosedJaxpr | Jaxpr):
        if args:
            raise ValueError(f"args: got {len(args)} beside a jaxpr, wanted none: a jaxpr knows its shapes")
        return _open(program)
    with meant_for(platform()):  # what is lowered for other platforms costs nothing here
        return _open(jax.make_jaxpr(program)(*args))


def _open(jaxpr):
    """Without the constants: jax 0.10 wraps a jaxpr that is closed, 0.12 has one class."""
    return getattr(jaxpr, "jaxpr", jaxpr)


def _flops(jaxpr, trips: float | None) -> float:
    return float(sum(_equation_flops(eqn, trips) for eqn in jaxpr.eqns))


def _equation_flops(eqn, trips: float | None) -> float:
    """Operations of one equation, with what it calls."""
    name, params = eqn.primitive.name, eqn.params
    if name in _CALLS:
        return _devices(eqn) * _flops(_open(params[_CALLS[name]]), trips)
    if name == "scan":
        return params["length"] * _flops(_open(params["jaxpr"]), trips)
    if name == _TILES:
        sums = sum(math.prod(var.aval.shape) for var in eqn.outvars[: params["num_sums"]])
        return params["length"] * (_flops(_open(params["jaxpr"]), trips) + sums)
    if name == "cond":
        return max(_flops(_open(branch), trips) for branch in params["branches"])
    if name == "while":
        body, condition = _flops(_open(params["body_jaxpr"]), trips), _flops(_open(params["cond_jaxpr"]), trips)
        return _trips(trips) * (body + condition)
    refuse_hidden_program(eqn, _FOLLOWED)
    return primitive_flops(eqn)


def _paths(jaxpr, trips: int | None) -> np.ndarray:
    """Longest paths [1 + inputs, outputs], -inf where there is none; row 0 is for paths that start inside."""
    fresh = identity(1 + len(jaxpr.invars))
    reach: dict[Any, np.ndarray] = dict(zip(jaxpr.invars, fresh[1:], strict=True))
    reach.update((var, fresh[0]) for var in jaxpr.constvars)
    for eqn in jaxpr.eqns:
        incoming = np.stack([fresh[0], *_reached(reach, eqn.invars, fresh[0])], axis=1)
        outgoing = compose(incoming, _equation_paths(eqn, trips))
        reach.update(zip(eqn.outvars, outgoing.T, strict=True))
    return np.array([*_reached(reach, jaxpr.outvars, fresh[0])]).reshape(-1, len(fresh)).T


def _reached(reach: dict[Any, np.ndarray], variables: Iterable[Any], start: np.ndarray) -> list[np.ndarray]:
    return [start if isinstance(var, Constant) else reach[var] for var in variables]


def _equation_paths(eqn, trips: int | None) -> np.ndarray:
    """`_paths` of one equation."""
    name, params = eqn.primitive.name, eqn.params
    if name in _CALLS:
        return _paths(_open(params[_CALLS[name]]), trips)
    if name == "scan":
        return _scan_paths(eqn, trips)
    if name == _TILES:
        paths = _paths(_open(params["jaxpr"]), trips)
        paths[:, : params["num_sums"]] += 1  # a sum is one step
        return paths
    if name == "while":
        return _while_paths(eqn, _trips(trips))
    if name == "cond":
        branches = np.max([_paths(_open(branch), trips) for branch in params["branches"]], axis=0)
        chosen = np.maximum(branches[:1], 0)  # a branch starts when its predicate is known
        return np.concatenate([branches[:1], chosen, branches[1:]])
    refuse_hidden_program(eqn, _FOLLOWED)
    return np.full((1 + len(eqn.invars), len(eqn.outvars)), float(primitive_depth(eqn)))


def _scan_paths(eqn, trips: int | None) -> np.ndarray:
    """Longest paths through a scan: the (max, +) power of its body, from the carry to the carry."""
    body, length = _open(eqn.params["jaxpr"]), eqn.params["length"]
    constants, carries = _scan_counts(eqn.params)
    once = _paths(body, trips)
    # One trip as a square matrix over all that a trip reads: constants and inputs are the same in the next one (the
    # identity), carries come out of the body. Its power is then the longest path through as many trips.
    step, columns = identity(len(once)), range(1 + constants, 1 + constants + carries)
    step[:, columns] = once[:, :carries]
    for column in columns:
        if _only_counts(body, column - 1, column - 1 - constants):
            step[:, column] = identity(len(once))[:, column]
    # The stacked outputs hold every trip, so the longest path to any of them counts.
    any_trip = power(np.maximum(step, identity(len(once))), max(length - 1, 0))
    return np.concatenate([power(step, length)[:, columns], compose(any_trip, once[:, carries:])], axis=1)


def _scan_counts(params: dict[str, Any]) -> tuple[int, int]:
    """How many constants and carries a scan has; jax 0.12 tells it by a tree."""
    if "num_carry" in params:
        return params["num_consts"], params["num_carry"]
    constants, carries, _ = params["ft_in"].unpack()
    return len(constants), len(carries)


def _only_counts(body, inward: int, outward: int) -> bool:
    """Whether a carry of a scan's body is an induction variable, i + constant."""
    source, result = body.invars[inward], body.outvars[outward]
    makers = [eqn for eqn in body.eqns if any(var is result for var in eqn.outvars)]
    if not makers or makers[0].primitive.name != "add":
        return False
    first, second = makers[0].invars
    return (first is source and isinstance(second, Constant)) or (second is source and isinstance(first, Constant))


def _while_paths(eqn, trips: int) -> np.ndarray:
    """Longest paths through `trips` trips; a trip's body starts when its condition is known."""
    params = eqn.params
    first, second = params["cond_nconsts"], params["body_nconsts"]
    body, condition = _paths(_open(params["body_jaxpr"]), trips), _paths(_open(params["cond_jaxpr"]), trips)
    size = 1 + len(eqn.invars)
    carries = range(1 + first + second, size)
    step = identity(size)
    step[:, carries] = -np.inf  # a carry has no way past the body
    step[np.ix_([0, *range(1 + first, size)], carries)] = body
    known = np.full((size, 1), -np.inf)
    known[[*range(1 + first), *carries]] = condition
    step[:, carries] = np.maximum(step[:, carries], known + np.maximum(body[0], 0))
    return power(step, trips)[:, carries]


def _devices(eqn) -> int:
    """How many devices run the body of a shard_map, whose shapes are one device's; 1 for every other call."""
    if eqn.primitive.name != "shard_map":
        return 1
    return math.prod(eqn.params["mesh"].shape[axis] for axis in eqn.params["newly_manual_axes"])


def _trips(trips: Any) -> Any:
    if trips is None:
        raise ValueError("trips: got None, wanted how often the body of the `while` loop in this program runs")
    return trips
