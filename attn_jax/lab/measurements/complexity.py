"""How the work of a layer grows with length n and width d, counted: degrees of polynomials, and how far a layer sees.

Counts are polynomials in n and in d, so a degree is no slope fitted on a grid, whose value is the grid's, but the order
at which finite differences vanish: exact, in whole numbers.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.lab.cost.program import count_flops, depth_growth
from attn_jax.mixers.base import MixerConfig
from attn_jax.types import Array

_STEPS = range(1, 5)  # multiples of the smallest size: enough for degrees up to 2
_N, _D = 64, 16  # the smallest sizes; above, nothing is cut or padded

Work: TypeAlias = Callable[[int, int], float]  # operations at (n, d)


class Grown(NamedTuple):
    """A polynomial in one variable, by its leading term."""

    degree: int
    leading: float


def growth_of(counts: Sequence[float], step: float) -> Grown:
    """The degree and leading coefficient of a polynomial by its values at step, 2 step, 3 step ...

    >>> growth_of([3 * x**2 + x for x in (2, 4, 6, 8)], 2)
    Grown(degree=2, leading=3.0)

    Raises:
      ValueError: no difference vanishes: these are the values of no polynomial of so small a degree.
    """
    differences = np.asarray(counts, np.float64)
    for degree in range(len(counts) - 1):
        later = np.diff(differences)
        if not later.any():
            return Grown(degree, float(differences[0] / (math.factorial(degree) * step**degree)))
        differences = later
    raise ValueError(f"counts: got {list(counts)}, wanted those of a polynomial of degree {len(counts) - 2} at most")


def degrees(work: Work) -> dict[str, float]:
    """How the work of one sequence grows.

    Returns:
      "n", "d": the degrees in length and width, the other standing still. "long": the coefficient of the highest power
      of n, and of the highest power of d in that; "wide": the other way round. Where the two are not of one term, as
      of attention with its projections, the work is neither n^2 d nor n d^2.

    >>> degrees(lambda n, d: 4.0 * n * n * d + 8.0 * n * d * d)
    {'n': 2, 'd': 2, 'long': 4.0, 'wide': 8.0}
    """
    counts = np.array([[work(_N * i, _D * j) for j in _STEPS] for i in _STEPS])
    by_length, by_width = [growth_of(column, _N) for column in counts.T], [growth_of(row, _D) for row in counts]
    return {
        "n": by_length[0].degree,
        "d": by_width[0].degree,
        "long": growth_of([grown.leading for grown in by_length], _D).leading,
        "wide": growth_of([grown.leading for grown in by_width], _N).leading,
    }


def layer_work(config: MixerConfig) -> Work:
    """Operations of a mixer as it is built, one sequence, forward, in the form that is counted."""

    def work(n: int, d: int) -> float:
        mixer = replace(config, d_model=d).countable.make()
        params = jax.eval_shape(mixer.init, jax.random.key(0))
        return count_flops(partial(mixer.apply, valid=None), params, jax.ShapeDtypeStruct((1, n, d), jnp.float32))

    return work


def self_attention(n: int, d: int) -> float:
    """Operations of attention without its projections: scores, softmax and weighted sum, of one head."""

    def core(q: Array, k: Array, v: Array) -> Array:
        return jax.nn.softmax(q @ k.T / jnp.sqrt(d), -1) @ v

    return count_flops(core, *[jax.ShapeDtypeStruct((n, d), jnp.float32)] * 3)


def restricted_attention(n: int, d: int, *, r: int = 16) -> float:
    """The same of a window of r places, computed as such: every query meets r keys."""

    def core(q: Array, k: Array, v: Array) -> Array:
        near = jnp.arange(n)[:, None] - jnp.arange(r)
        scores = jnp.einsum("nd,nrd->nr", q, k[near]) / jnp.sqrt(d)
        return jnp.einsum("nr,nrd->nd", jax.nn.softmax(scores, -1), v[near])

    return count_flops(core, *[jax.ShapeDtypeStruct((n, d), jnp.float32)] * 3)


def convolution(n: int, d: int, *, k: int = 4) -> float:
    """Operations of a convolution of width k that mixes its d channels."""

    def core(x: Array, w: Array) -> Array:
        return jax.lax.conv_general_dilated(x, w, (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC"))

    return count_flops(core, *(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((1, n, d), (k, d, d))))


def recurrence(n: int, d: int) -> float:
    """Operations of n steps h <- tanh(x W + h U), each a map of what is read and one of the state."""

    def core(x: Array, w: Array, u: Array) -> Array:
        def step(h: Array, x: Array) -> tuple[Array, Array]:
            h = jnp.tanh(x @ w + h @ u)
            return h, h

        return jax.lax.scan(step, jnp.zeros(d), x)[1]

    return count_flops(core, *(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((n, d), (d, d), (d, d))))


def cheaper_below(work: Work, other: Work, d: int) -> float:
    """The length n / d up to which work is less than another's, 0 where it never is.

    The first's cost a token is a line in n, the other's the same at every n, as of attention and recurrences.

    >>> cheaper_below(lambda n, d: 4.0 * n * n * d, lambda n, d: 4.0 * n * d * d, 64)
    1.0
    """
    (near, far), level = (work(n, d) / n for n in (_N, 2 * _N)), other(_N, d) / _N
    slope = (far - near) / _N
    return max(0.0, (level - (near - slope * _N)) / slope / d)


def layers_to_reach(config: MixerConfig, places: int, *, d: int = 16, most: int = 64) -> int:
    """How many layers x + mixer(x) until the last of so many places has a derivative in the first.

    Raises:
      ValueError: not within `most` layers.
    """
    mixer = replace(config, d_model=d).make()
    keys = jax.random.split(jax.random.key(0), 2)

    @jax.jit
    def back(params: Any, x: Array, cotangent: Array) -> Array:
        return cotangent + jax.vjp(lambda x: mixer.apply(params, x, None), x)[1](cotangent)[0]

    params = jax.jit(mixer.init)(keys[0])
    x = np.asarray(jax.random.normal(keys[1], (1, places, d)))
    felt = np.zeros_like(x)
    felt[:, -1] = 1
    for layer in range(1, most + 1):
        felt = np.asarray(back(params, x, felt))
        if felt[:, 0].any():
            return layer
        felt = felt / max(np.abs(felt).max(), 1e-30)  # sizes do not matter, and must not run out
    raise ValueError(f"config: the last of {places} places does not feel the first within {most} layers")


def depth_of(config: MixerConfig) -> str:
    """How the chain of dependent steps of a layer grows with n: "constant", "log T" or "linear"."""

    def program(length: int) -> tuple[Callable[..., Any], Sequence[Any]]:
        mixer = replace(config, d_model=64).countable.make()
        params = jax.eval_shape(mixer.init, jax.random.key(0))
        return partial(mixer.apply, valid=None), [params, jax.ShapeDtypeStruct((1, length, 64), jnp.float32)]

    return depth_growth(program)


def counted_rows(works: Mapping[str, Work]) -> list[dict[str, Any]]:
    """A row each: its name and `degrees`."""
    return [{"what": name} | degrees(work) for name, work in works.items()]
