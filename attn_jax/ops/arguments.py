"""Arguments as users give them: NumPy, lists and scalars become arrays and ints; what is neither is refused by name."""

import inspect
import operator
import sys
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from attn_jax.types import Array, Key

_Args = ParamSpec("_Args")
_Result = TypeVar("_Result")


def takes(
    **kinds: Callable[[str, Any], Any],
) -> Callable[[Callable[_Args, _Result]], Callable[_Args, _Result]]:
    """A decorator: each argument named is read by a function of this file, (name, argument); None stays None.

    >>> @takes(x=floats)
    ... def double(x): return 2 * x
    >>> double([1.0, 2.0]).tolist()
    [2.0, 4.0]
    """

    def decorate(function: Callable[_Args, _Result]) -> Callable[_Args, _Result]:
        run: Callable[..., _Result] = function
        parameters = inspect.signature(function).parameters.values()
        order = [x.name for x in parameters if x.kind in (x.POSITIONAL_ONLY, x.POSITIONAL_OR_KEYWORD)]
        places = [(name, order.index(name) if name in order else sys.maxsize) for name in kinds]

        @wraps(function)
        def call(*args: _Args.args, **kwargs: _Args.kwargs) -> _Result:
            given: list[Any] = list(args)
            for name, place in places:  # not by Signature.bind, which takes longer than a small call
                if place < len(given):
                    given[place] = None if given[place] is None else kinds[name](name, given[place])
                elif kwargs.get(name) is not None:
                    kwargs[name] = kinds[name](name, kwargs[name])
            return run(*given, **kwargs)

        return call

    return decorate


def array(name: str, x: Any, wanted: str = "an array of numbers") -> Array:
    """`x` as an array, or a ValueError.

    >>> array("x", [[1, 2]]).shape
    (1, 2)
    """
    if isinstance(x, jax.Array):  # tracers too
        return x
    if callable(x) and not hasattr(x, "__jax_array__"):  # such as a mask in the place of bias
        raise ValueError(f"{name}: got {x!r}, wanted {wanted}; masks and functions go into mask or score_mod")
    try:
        if any(isinstance(part, (str, bytes)) for part in jax.tree.leaves(x)):  # JAX asks whether they name a dtype
            raise TypeError
        return jnp.asarray(x)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name}: got {_shortly(x)}, wanted {wanted}") from None


def floats(name: str, x: ArrayLike, rank: int | None = None, letters: str = "") -> Array:
    """`x` as an array of floats, of a rank if one is given, or a ValueError.

    >>> floats("x", np.ones(2)).dtype
    dtype('float32')
    """
    x = array(name, x, "an array of floats")
    if not jnp.issubdtype(x.dtype, jnp.floating) or x.dtype.itemsize < 2:  # 8-bit floats promote with nothing
        raise ValueError(f"{name}: got dtype {x.dtype}, wanted a floating dtype such as float32 or bfloat16")
    return x if rank is None else _of_rank(name, x, rank, letters)


def integers(name: str, x: ArrayLike, rank: int | None = None, letters: str = "") -> Array:
    """`x` as an array of integers, none of which has wrapped, or a ValueError.

    >>> integers("x", [0, 1]).tolist()
    [0, 1]
    """
    known = x if isinstance(x, (np.ndarray, np.generic)) else None
    x = array(name, x, "integers")
    if not jnp.issubdtype(x.dtype, jnp.integer):
        raise ValueError(f"{name}: got dtype {x.dtype}, wanted integers")
    if known is not None and known.dtype != x.dtype and known.size:
        limits = np.iinfo(x.dtype)
        if known.min() < limits.min or known.max() > limits.max:
            raise ValueError(f"{name}: got {known.min()} to {known.max()}, wanted integers that {x.dtype} holds")
    return x if rank is None else _of_rank(name, x, rank, letters)


def whole(name: str, x: Any, least: int | None = None) -> int:
    """`x` as an int known while tracing, at least `least`, or a ValueError.

    >>> whole("num_heads", np.int64(8), 1)
    8
    """
    wanted = "an integer" if least is None else f"an integer >= {least}"
    try:
        number = None if isinstance(x, (bool, np.bool_)) else operator.index(x)
    except TypeError:  # of a tracer, too
        number = None
    if number is None or (least is not None and number < least):
        raise ValueError(f"{name}: got {_shortly(x)}, wanted {wanted}{', not traced' * isinstance(x, Tracer)}")
    return number


def flag(name: str, x: Any) -> bool:
    """`x` as a bool known while tracing, 0 and 1 included, or a ValueError.

    >>> flag("is_causal", np.bool_(True))
    True
    """
    known = isinstance(x, (bool, int, np.generic, np.ndarray, jax.Array)) and not isinstance(x, Tracer)
    if not known or np.ndim(x) or np.asarray(x).dtype.kind not in "biu" or x not in (0, 1):
        raise ValueError(f"{name}: got {_shortly(x)}, wanted True or False{', not traced' * isinstance(x, Tracer)}")
    return bool(x)


def share(name: str, x: float) -> float:
    """`x` as a Python number in [0, 1), or a ValueError.

    >>> share("dropout_rate", np.float32(0.5))
    0.5
    """
    rate = number(name, x)
    if not 0 <= rate < 1:
        raise ValueError(f"{name}: got {_shortly(x)}, wanted a number with 0 <= rate < 1")
    return rate


def number(name: str, x: Any) -> float:
    """`x` as a Python number known while tracing, or a ValueError.

    >>> number("eps", jnp.float32(0.5))
    0.5
    """
    known = None if isinstance(x, Tracer) else _known_scalar(x)
    if known is None:
        raise ValueError(f"{name}: got {_shortly(x)}, wanted a number{', not traced' * isinstance(x, Tracer)}")
    return known


def scalar(name: str, x: Any) -> Any:
    """`number` where it is known, and a traced floating scalar as it is.

    >>> scalar("eps", np.float32(0.5))
    0.5
    """
    return floats(name, x, 0, "a number") if isinstance(x, Tracer) else number(name, x)


def one_of(*words: str) -> Callable[[str, Any], str]:
    """The check that an argument is one of these words, or a ValueError.

    >>> one_of("layer", "rms")("kind", "rms")
    'rms'
    """

    def check(name: str, x: Any) -> str:
        if not isinstance(x, str) or x not in words:
            raise ValueError(f"{name}: got {_shortly(x)}, wanted one of {', '.join(map(repr, words))}")
        return x

    return check


def lists_as_arrays(node: Any) -> None:
    """Of a frozen dataclass, the fields that were given as lists of numbers as NumPy's arrays, known while tracing."""
    for name, x in vars(node).items():
        if isinstance(x, list):
            told = f"{type(node).__name__}.{name}"
            traced = any(isinstance(part, Tracer) for part in jax.tree.leaves(x))
            object.__setattr__(node, name, array(told, x) if traced else _known(told, x))


def random_key(name: str, key: Key) -> Key:
    """A key, typed or raw, or a ValueError.

    >>> random_key("key", jax.random.key(0)).shape
    ()
    """
    key = array(name, key, _KEY)
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    wanted = () if typed else _raw_shape(_CONFIG.jax_default_prng_impl)
    if key.shape != wanted or not (typed or key.dtype == jnp.uint32):
        raise ValueError(f"{name}: got {key.dtype}{list(key.shape)}, wanted {_KEY}")
    return key


_CONFIG: Any = jax.config  # whose type does not tell what it holds
_KEY = "one key, such as jax.random.key(0)"


@cache
def _raw_shape(impl: str) -> tuple[int, ...]:
    """The shape of `jax.random.PRNGKey(0)` by one implementation: 2 words of threefry, 4 of rbg."""
    return jax.eval_shape(lambda: jax.random.key_data(jax.random.key(0, impl=impl))).shape


def _known_scalar(x: Any) -> float | None:
    """One real number, as a float; None for anything else."""
    if isinstance(x, (int, float)):
        return float(x)
    if not isinstance(x, (np.generic, np.ndarray, jax.Array)) or np.ndim(x):
        return None
    return float(x) if x.dtype.kind in "biu" or jnp.issubdtype(x.dtype, jnp.floating) else None


def _known(name: str, x: list) -> np.ndarray:
    """A list of numbers as NumPy's array, or a ValueError."""
    try:
        known = np.asarray(x)
    except ValueError:
        known = np.asarray(None)
    if known.dtype.kind not in "biuf":
        raise ValueError(f"{name}: got {_shortly(x)}, wanted an array of numbers")
    return known


def _of_rank(name: str, x: Array, rank: int, letters: str) -> Array:
    """`x`, or a ValueError where it has another rank."""
    if x.ndim != rank:
        raise ValueError(f"{name}: got shape {x.shape}, wanted {letters}")
    return x


def _shortly(x: Any) -> str:
    """`x` in at most a line."""
    if isinstance(x, (jax.Array, np.ndarray)):
        return f"{x.dtype}{list(x.shape)}"
    said = repr(x)
    return said if len(said) <= 60 else f"{said[:50]}... ({type(x).__name__})"
