"""What a task gives, held against the types and shapes of `attn_jax.tasks.base`: at once, before anything is trained.

`attn_jax.testing.check_task` proves the rest, on samples: what the floors score, what the splits share.
"""

import inspect
import math
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import jax
import jax.numpy as jnp

from attn_jax.errors import UserError
from attn_jax.tasks import Floor, Task, TaskSpec
from attn_jax.training.metrics import METRICS
from attn_jax.types import IO, Batch, StringBatch

_INTEGER, _FLOAT, _BOOL = jnp.int32, jnp.float32, jnp.bool_
_SAMPLE, _BY_NAME = ("key", "batch_size", "length", "max_length", "split"), ("split",)


def made(task: Any) -> Task:
    """What `make()` gave, once it is a task.

    Raises:
      UserError: it is none, or its spec is none, or a field of it is of another type.
    """
    _require(isinstance(task, Task), f"make() gives a {type(task).__name__}, wanted an attn_jax.tasks.Task")
    spec = task.spec
    _require(isinstance(spec, TaskSpec), f"spec is a {type(spec).__name__}, wanted an attn_jax.tasks.TaskSpec")
    for name, right, wanted in (
        ("io", isinstance(spec.io, IO), "an attn_jax.types.IO"),
        ("metric", spec.metric in METRICS, f"one of {', '.join(METRICS)}"),
        ("chance", isinstance(spec.chance, str), "the name of a floor"),
        ("best", _is_number(spec.best), "a number"),
        ("best_floor", isinstance(spec.best_floor, str | None), "the name of a floor or None"),
        ("threshold", spec.threshold is None or _is_number(spec.threshold), "a number or None"),
        ("train_lengths", _are_lengths(spec.train_lengths) and len(spec.train_lengths) == 2, "two integers"),
        ("test_lengths", _are_lengths(spec.test_lengths) and len(spec.test_lengths) > 0, "integers"),
        ("length_unit", isinstance(spec.length_unit, str), "a word"),
    ):
        _require(right, f"spec.{name} is {getattr(spec, name)!r}, wanted {wanted}")
    for name, function, arguments in (
        ("sample", task.sample, _SAMPLE),
        ("strings", task.strings, _SAMPLE),
        ("floors", task.floors, ("length",)),
        ("solve", task.solve, ("inputs", "valid")),
        ("spec.lengths", spec.lengths, ("low", "high")),
        ("spec.num_tokens", spec.num_tokens, ("length",)),
        ("spec.num_answered", spec.num_answered, ("num_tokens",)),
    ):
        if function is not None or name not in ("strings", "solve", "spec.num_answered"):
            _check_arguments(name, function, arguments)
    return task


def _check_arguments(name: str, function: Any, arguments: Sequence[str]) -> None:
    """A wrong number of them would be raised by the call, where no line of the user's is to blame."""
    _require(callable(function), f"{name} is {function!r:.60}, wanted a function")
    try:
        taken = inspect.signature(function)
    except (TypeError, ValueError):  # one of C's, which does not say
        return
    places = [argument for argument in arguments if argument not in _BY_NAME]
    try:
        taken.bind(*places, **{argument: None for argument in arguments if argument in _BY_NAME})
    except TypeError:
        wanted = ", ".join([*places, *(["*", *_BY_NAME] if len(places) < len(arguments) else [])])
        _require(False, f"{name} takes {taken}, wanted ({wanted})")


def check_lengths(lengths: Any, low: int, high: int) -> tuple[int, ...]:
    """What `spec.lengths(low, high)` gave, once it is ascending lengths between the two.

    Raises:
      UserError: it is something else.
    """
    right = isinstance(lengths, Sequence) and all(isinstance(length, Integral) for length in lengths)
    right = right and list(lengths) == sorted({length for length in lengths if low <= length <= high})
    _require(right, f"spec.lengths({low}, {high}) gives {lengths!s:.60}, wanted ascending integers between both")
    return tuple(map(int, lengths))


def num_places(spec: TaskSpec, length: int) -> int:
    """`spec.num_tokens(length)`, once it is a number of places.

    Raises:
      UserError: it is something else.
    """
    places = spec.num_tokens(length)
    right = isinstance(places, Integral) and places > 0
    _require(right, f"spec.num_tokens({length}) is {places!r}, wanted how many places")
    return int(places)


def check_answered(spec: TaskSpec, places: int) -> None:
    """Holds `spec.num_answered` against a batch of so many places.

    Raises:
      UserError: it gives no number of them.
    """
    if spec.num_answered is None:
        return
    number = spec.num_answered(places)
    right = isinstance(number, Integral) and 0 < number <= places
    _require(right, f"spec.num_answered({places}) is {number!r:.60}, wanted 1 to {places} of so many places")


def check_sample(task: Task, batch_size: int, length: int) -> None:
    """Traces `sample` and holds what it gives against the spec.

    Raises:
      UserError: another structure, shape or dtype; it is named.
    """
    io, places = task.spec.io, num_places(task.spec, length)
    check_answered(task.spec, places)
    batch = _traced(task.sample, batch_size, length)
    _require(isinstance(batch, Batch), f"sample gives a {type(batch).__name__}, wanted an attn_jax.types.Batch")
    shape = (batch_size, places)
    inputs = (shape, _INTEGER) if io.channels is None else ((*shape, io.channels), _FLOAT)
    targets = (shape, _INTEGER) if io.out_channels is None else ((*shape, io.out_channels), _FLOAT)
    wanted = (inputs, targets, (shape, _FLOAT), (shape, _BOOL), (shape, _BOOL))
    _check_arrays(f"length {length}: sample", batch, wanted)


def check_strings(task: Task, batch_size: int, length: int) -> None:
    """Traces `strings` and holds what it gives against what strings look like.

    Raises:
      UserError: another structure, shape or dtype; it is named.
    """
    assert task.strings is not None  # the yardstick asked
    batch = _traced(task.strings, batch_size, length)
    _require(
        isinstance(batch, StringBatch),
        f"strings gives a {type(batch).__name__}, wanted an attn_jax.types.StringBatch",
    )
    source, target = ((batch_size, *jnp.shape(leaf)[1:2]) for leaf in (batch.source, batch.target))
    wanted = ((source, _INTEGER), (source, _BOOL), (target, _INTEGER), (target, _INTEGER), (target, _BOOL))
    _check_arrays(f"length {length}: strings", batch, wanted)


def check_floors(spec: TaskSpec, floors: Any, length: int) -> None:
    """Holds what `floors(length)` gave against the spec.

    Raises:
      UserError: no floors by name, one that is asked for is not there, or one that is no number.
    """
    where = f"length {length}: floors"
    _require(isinstance(floors, dict), f"{where} gives a {type(floors).__name__}, wanted floors by name")
    for name in (spec.chance, *([] if spec.best_floor is None else [spec.best_floor])):
        _require(name in floors, f"{where} gives {', '.join(map(str, floors)) or 'none'}, wanted {name!r} among them")
    for name, floor in floors.items():
        right = isinstance(floor, Floor) and _is_number(floor.value) and (floor.loss is None or _is_number(floor.loss))
        _require(right, f"{where}: {name} is {floor!s:.60}, wanted a Floor of finite numbers")


def _traced(sample: Callable[..., Any], batch_size: int, length: int) -> Any:
    draw = lambda key: sample(key, batch_size, length, length, split="train")  # as training does  # noqa: E731
    return jax.eval_shape(draw, jax.random.key(0))


def _check_arrays(where: str, arrays: Any, wanted: Any) -> None:
    for name, leaf, (shape, dtype) in zip(arrays._fields, arrays, wanted, strict=True):
        _require(hasattr(leaf, "dtype"), f"{where} gives {name} as a {type(leaf).__name__}, wanted an array")
        right = (leaf.shape, leaf.dtype) == (shape, dtype)
        got = f"{leaf.dtype}{list(leaf.shape)}"
        _require(right, f"{where} gives {name} as {got}, wanted {jnp.dtype(dtype)}{list(shape)}")


def _are_lengths(value: Any) -> bool:
    return isinstance(value, tuple | list) and all(isinstance(length, Integral) for length in value)


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except TypeError:
        return False


def _require(right: bool, sentence: str) -> None:
    if not right:
        raise UserError(f"the task breaks its contract: {sentence}; attn-jax check task says more")
