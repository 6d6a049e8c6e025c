"""What one primitive costs, by its name and shapes: operations and steps. `lab/cost/program.py` walks whole programs.

A primitive that is not named here and holds no program of its own counts as elementwise: one operation an output
element, one step. One that holds a program raises: it is never ignored.
"""

import math

from jax.extend.core import JaxprEqn

_CUMULATIVE = frozenset(["cumlogsumexp", "cummax", "cummin", "cumprod", "cumsum"])
_FOLDS = frozenset(["reduce", "reduce_and", "reduce_max", "reduce_min", "reduce_or", "reduce_prod", "reduce_sum"])
_REDUCTIONS = _CUMULATIVE | _FOLDS | {"argmax", "argmin", "reduce_xor"}
_SHAPES = frozenset(["broadcast_in_dim", "expand_dims", "iota", "reshape", "rev", "squeeze", "transpose"])
_PIECES = frozenset(
    ["concatenate", "dynamic_slice", "dynamic_update_slice", "gather", "pad", "scatter", "slice", "split"]
)
_NUMBERS = frozenset(["bitcast_convert_type", "convert_element_type", "imag", "real", "reduce_precision"])
_BETWEEN_DEVICES = frozenset(
    ["all_gather", "all_to_all", "axis_index", "device_put", "ppermute", "sharding_constraint"]
)
_OURS = frozenset(["attn_jax_elsewhere", "attn_jax_on_platform"])  # the identity where they are lowered
_NOTES = frozenset(["copy", "copy_p", "name", "optimization_barrier", "pbroadcast", "pvary", "stop_gradient"])
_CREATED = frozenset(["create_token", "empty", "empty2", "random_unwrap", "random_wrap"])
_MOVES = _SHAPES | _PIECES | _NUMBERS | _BETWEEN_DEVICES | _NOTES | _OURS | _CREATED
# They hold the scalar program that combines two elements; what it costs is counted by size.
_COMBINERS = frozenset(
    ["reduce", "reduce_window", "scatter", "scatter-add", "scatter-mul", "scatter-min", "scatter-max", "scatter-sub"]
)


def primitive_flops(eqn: JaxprEqn) -> float:
    """Operations of a primitive that calls nothing."""
    name, out = eqn.primitive.name, _size(eqn.outvars[0]) if eqn.outvars else 0
    if name in _MOVES:
        return 0.0
    if name == "dot_general":
        (contracted, _), _ = eqn.params["dimension_numbers"]
        return 2.0 * out * math.prod(_shape(eqn.invars[0])[axis] for axis in contracted)
    if name == "conv_general_dilated":
        features = _shape(eqn.invars[1])[eqn.params["dimension_numbers"].rhs_spec[0]]
        return 2.0 * out * _size(eqn.invars[1]) / features
    if name in _REDUCTIONS:
        return float(_size(eqn.invars[0]))
    if name.startswith("reduce_window"):
        return float(out * math.prod(eqn.params["window_dimensions"]))
    if name.startswith("scatter"):
        return float(_size(eqn.invars[2]))
    if name == "triangular_solve":
        return float(out * _shape(eqn.invars[0])[-1])
    if name == "cholesky":
        return out * _shape(eqn.invars[0])[-1] / 3.0
    if name == "sort":
        return float(out * _log2_ceil(_axis_length(eqn)))
    if name == "fft":
        return 5.0 * max(out, _size(eqn.invars[0])) * math.log2(max(math.prod(eqn.params["fft_lengths"]), 2))
    return float(sum(_size(var) for var in eqn.outvars))


def primitive_depth(eqn: JaxprEqn) -> int:
    """Steps of a primitive that calls nothing."""
    name = eqn.primitive.name
    if name in _MOVES:
        return 0
    if name in _CUMULATIVE or name in ("sort", "fft"):
        return _log2_ceil(_axis_length(eqn))
    if name in ("triangular_solve", "cholesky"):
        return _shape(eqn.invars[0])[-1]
    return 1


def refuse_hidden_program(eqn: JaxprEqn, known: list[str]) -> None:
    """Raises where an unknown primitive holds a jaxpr: its cost would be left out in silence."""
    name = eqn.primitive.name
    if name in _COMBINERS:
        return
    held = [
        value for param in eqn.params.values() for value in (param if isinstance(param, tuple | list) else (param,))
    ]
    if any(hasattr(getattr(value, "jaxpr", value), "eqns") for value in held):
        raise ValueError(
            f"program: the primitive {name!r} holds a program that attn_jax.lab.cost.program cannot follow, "
            f"wanted one of {', '.join(known)}"
        )


def _axis_length(eqn: JaxprEqn) -> int:
    """The length of the axis that a cumulative operation, sort or FFT runs along."""
    if eqn.primitive.name == "fft":
        return math.prod(eqn.params["fft_lengths"])
    axis = eqn.params["axis"] if "axis" in eqn.params else eqn.params["dimension"]
    return _shape(eqn.invars[0])[axis]


def _log2_ceil(length: int) -> int:
    return max(length - 1, 0).bit_length()


def _shape(var) -> tuple[int, ...]:
    return getattr(var.aval, "shape", ())


def _size(var) -> int:
    return math.prod(_shape(var))
