"""A place of the user's own: a function, by its module, that returns an executor, of Ray or Parsl or MPI, say."""

from concurrent.futures import Executor
from numbers import Integral
from pathlib import Path
from typing import Any

from attn_jax.config.own_code import import_function
from attn_jax.errors import ConfigError
from attn_jax.lab.run.places.base import Place
from attn_jax.lab.run.places.there import marked, refuse_unfit, report
from attn_jax.platforms import cpu_cores


def own(name: str, platform: str, directory: Path) -> Place:
    """What `package.module:function` returns, a `Place` or a `concurrent.futures.Executor`, tried with a first job.

    Raises:
      ConfigError: there is no such function, it wants arguments, or it returns something else.
      MachineError: its worker would not do.
    """
    del platform  # the engine's
    place = _made(name)
    try:
        with marked(directory) as marker:
            refuse_unfit(name, [_answer(place.executor, marker)], directory)
    except BaseException:
        place.executor.shutdown(wait=False)
        raise
    return place


def _made(name: str) -> Place:
    try:
        make = import_function(name)
    except ConfigError as error:
        raise ConfigError(f"--place: {error}") from error
    made = _called(name, make)
    if isinstance(made, Executor):
        workers = getattr(made, "_max_workers", None)
        return Place(made, workers if isinstance(workers, int) else len(cpu_cores()), words=name)
    if not isinstance(made, Place):
        kind = type(made).__name__
        raise ConfigError(f"--place: {name}() gives a {kind}, wanted a concurrent.futures.Executor or a Place")
    if not isinstance(made.executor, Executor):
        kind = type(made.executor).__name__
        raise ConfigError(f"--place: {name}() gives a Place of a {kind}, wanted one of a concurrent.futures.Executor")
    for field in ("workers", "num_devices"):
        number = getattr(made, field)
        if not isinstance(number, Integral) or number < 1:
            raise ConfigError(f"--place: {name}() gives a Place with {field}={number!r}, wanted a whole number from 1")
    return made if made.words else made._replace(words=name)


def _called(name: str, make: Any) -> Any:
    """What the function gives; what goes wrong inside of it is its own to say."""
    if not callable(make):
        raise ConfigError(f"--place: {name} is a {type(make).__name__}, wanted a function that returns an executor")
    try:
        return make()
    except TypeError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
            raise
        raise ConfigError(f"--place: {name}() cannot be called: {error}; wanted no arguments") from error


def _answer(executor: Executor, marker: str) -> object:
    """A worker's report, or what came instead."""
    try:
        return executor.submit(report, marker).result()
    except Exception as error:
        return error
