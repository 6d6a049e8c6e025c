"""What a step does to a difference in a recurrent state: by how much all that was remembered can shrink or grow."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax import lax

from attn_jax.models.base import EncoderDecoder, Model
from attn_jax.ops.placement import vary_with
from attn_jax.training.inside import AskedFn
from attn_jax.training.objective import Objective
from attn_jax.training.probes.base import Probe, ProbeConfig
from attn_jax.training.probes.fit import check_places, fitted_slope, spaced
from attn_jax.types import Array, Batch, Key, Params, State

_ROUNDS = 8  # of power iteration, each the product and its transpose
_STEPS = 64  # over which the rate of one Jacobian is taken, after as many that let the other directions die

Floats: TypeAlias = list[Array]  # what is differentiable of a layer's state; of a direction in it, the same


@dataclass(frozen=True)
class Jacobians(ProbeConfig):
    """The Jacobians of each layer's recurrent state h, that layer's inputs held fixed.

    "<layer>/log10_growth"[k] = mean over sequences of log10 |d h_T / d h_(T-k)|, the largest singular value
    "<layer>/radius" = mean over sequences of the largest |eigenvalue| of d h_T / d h_(T-1)
    "<layer>/slope" = that of growth over k, fitted as `gradient_flow` fits its own

    T is the last place that counts in the loss. A growth below 0 says that every difference k steps back has shrunk,
    one above that some difference has grown. The slope is the rate of the product that training meets; log10 radius is
    that of one step over and over, which is another wherever steps differ.

    Singular values are of 8 rounds of power iteration from a random direction: bounds from below. The
    radius is the growth of a direction over the second 64 of 128 steps. Of 14 of this library's mixers at width 8, over
    8 places, growth was too small by .06 at most (an LSTM; most by under .02), and the radius by 2 %.

    A layer whose state grows with the sequence, as attention's cache does, has no such step and is left out; so are
    models of one string from another, whose `encode` reads all at once. -inf where nothing is left at all.

    Args:
      when, num_examples: as every probe's.
      num_places: the most values of k, evenly spaced from 0 to the longest.

    Reference: Pascanu, Mikolov & Bengio 2013, arXiv 1211.5063.
    """

    num_examples: int = 4
    num_places: int = 16

    def __post_init__(self):
        super().__post_init__()
        check_places(self.num_places)

    def make(self, model: Model | EncoderDecoder, objective: Objective) -> Probe | None:
        """Binds this configuration to the functions below; None where the model does not go on from a state."""
        if not isinstance(model, Model) or model.init_state is None or model.extend is None:
            return None
        return Probe(partial(measure, self, model, objective.inside.asked), self.when, self.num_examples)


def measure(
    config: Jacobians, model: Model, asked: AskedFn, params: Params, batch: Batch, key: Key
) -> dict[str, Array]:
    """{"k": [n], "<layer>/log10_growth": [n], NaN where no sequence is so long, "<layer>/slope", "<layer>/radius"}."""
    length = batch.inputs.shape[1]
    names = recurrent_layers(model, params, length)
    if not names:
        return {}
    k = spaced(length, config.num_places)
    keys = jax.random.split(key, len(batch.inputs))
    found = jax.vmap(partial(_of_sequence, model, names, k, params))(batch.inputs, asked(batch)[0], keys)
    values: dict[str, Array] = {"k": jnp.asarray(k)}
    for name, (growths, radii) in found.items():
        growth = jnp.nanmean(growths, 0)
        values[f"{name}/log10_growth"] = growth
        values[f"{name}/slope"] = fitted_slope(k, growth)
        values[f"{name}/radius"] = jnp.mean(radii)
    return values


def recurrent_layers(model: Model, params: Params, length: int) -> list[str]:
    """Those whose state has something to differentiate, and is as large for one place as for twice so many."""

    def shapes(places: int) -> dict[str, State]:
        assert model.init_state is not None  # `make` asked
        return model.states(model.init_state(params, 1, places))

    short, long = (jax.eval_shape(partial(shapes, places)) for places in (1, 2 * length))
    same = [name for name in short if jax.tree.leaves(short[name]) == jax.tree.leaves(long[name])]
    return [name for name in same if any(_is_float(leaf) for leaf in jax.tree.leaves(short[name]))]


def _of_sequence(
    model: Model, names: list[str], k: Any, params: Params, inputs: Array, last: Array, key: Key
) -> dict[str, tuple[Array, Array]]:
    """Of one sequence [S] or [S, C], (growth [n], radius) of each layer."""
    assert model.init_state is not None and model.extend is not None  # `make` asked

    def go_on(state: State, x: Array) -> tuple[State, State]:
        assert model.extend is not None
        return model.extend(params, x[None, None], state)[1], state

    fresh = model.init_state(params, 1, len(inputs))
    _, before = lax.scan(go_on, vary_with(fresh, params, inputs), inputs)
    places = jnp.arange(len(inputs))[:, None]
    counted = (places > last - k) & (places <= last)  # [S, n]: the steps from h_(T-k) to h_T
    found = {}
    for index, name in enumerate(names):
        step = partial(_step, lambda state, x: go_on(state, x)[0], lambda state, name=name: model.states(state)[name])
        start = _directions(
            jax.random.fold_in(key, index), jax.eval_shape(partial(step, fresh, inputs[0]), None), len(k)
        )
        growth = _growth(step, (before, inputs, counted), start)
        state, x = jax.tree.map(lambda leaf: leaf[last], (before, inputs))
        found[name] = jnp.where(k <= last, growth, jnp.nan), _radius(partial(step, state, x), start)
    return found


def _step(go_on: Callable, pick: Callable, state: State, x: Array, offset: Floats | None) -> Floats:
    """A layer's floats after the place x, its state before having been moved by an offset."""
    leaves, tree = jax.tree.flatten(state)
    floats = {i: leaf for i, leaf in enumerate(leaves) if _is_float(leaf)}

    def picked(floats: dict[int, Array], go_on: Callable = lambda state: state) -> Floats:
        state = tree.unflatten([floats.get(i, leaf) for i, leaf in enumerate(leaves)])
        return [leaf for leaf in jax.tree.leaves(pick(go_on(state))) if _is_float(leaf)]

    if offset is not None:
        moved = jax.vjp(picked, floats)[1](offset)[0]  # to pick is linear, and this puts back what was picked
        floats = jax.tree.map(jnp.add, floats, moved)
    return picked(floats, lambda state: go_on(state, x))


def _growth(step: Callable, sequence: Any, v: Floats) -> Array:
    """log10 of the largest singular value of each of n products of Jacobians, [n]."""

    def once(v: Floats, _: None) -> tuple[Floats, Array]:
        u = _through(step, sequence, v, back=False)[0]
        return _through(step, sequence, u, back=True)  # its size of a unit vector bounds the product's from below

    return lax.scan(once, vary_with(v, sequence), None, length=_ROUNDS)[1][-1]


def _through(step: Callable, sequence: Any, v: Floats, *, back: bool) -> tuple[Floats, Array]:
    """n unit directions through their products or the transposes: unit directions again, and log10 of their growth.

    A direction is made a unit at each step, so that no product underflows.
    """

    def through_one(carry: tuple[Floats, Array], place: Any) -> tuple[tuple[Floats, Array], None]:
        (v, log), (state, x, counted) = carry, place
        read, none = partial(step, state, x), [jnp.zeros_like(leaf[0]) for leaf in v]
        push = (lambda v: jax.vjp(read, none)[1](v)[0]) if back else (lambda v: jax.jvp(read, (none,), (v,))[1])
        after, size = _unit(jax.vmap(push)(v))
        kept = [jnp.where(_beside(counted, new), new, old) for new, old in zip(after, v, strict=True)]
        return (kept, log + jnp.where(counted, jnp.log10(size), 0)), None

    start = vary_with((v, jnp.zeros(len(v[0]))), sequence)
    return lax.scan(through_one, start, sequence, reverse=back)[0]


def _radius(read: Callable, v: Floats) -> Array:
    """The largest |eigenvalue| of the Jacobian of `read`, a pair of complex ones included: by the growth of a power."""
    none = [jnp.zeros_like(leaf[0]) for leaf in v]

    def once(v: Floats, _: None) -> tuple[Floats, Array]:
        v, size = _unit([leaf[None] for leaf in jax.jvp(read, (none,), ([leaf[0] for leaf in v],))[1]])
        return v, jnp.log10(size[0])

    logs = lax.scan(once, vary_with([leaf[:1] for leaf in v], read(none)), None, length=2 * _STEPS)[1]
    return 10 ** jnp.mean(logs[_STEPS:])


def _directions(key: Key, like: Floats, number: int) -> Floats:
    """So many random unit directions [n, ...]."""
    keys = jax.random.split(key, len(like))
    drawn = [jax.random.normal(k, (number, *leaf.shape), leaf.dtype) for k, leaf in zip(keys, like, strict=True)]
    return _unit(drawn)[0]


def _unit(v: Floats) -> tuple[Floats, Array]:
    """Directions [n, ...] as units, and their sizes [n]; what is 0 stays so."""
    size = jnp.sqrt(sum(jnp.sum(leaf**2, tuple(range(1, leaf.ndim))) for leaf in v))
    safe = jnp.where(size > 0, size, 1)
    return [leaf / _beside(safe, leaf) for leaf in v], size


def _beside(x: Array, leaf: Array) -> Array:
    """x [n] as an array that goes with leaf [n, ...]."""
    return x.reshape(len(x), *(1,) * (leaf.ndim - 1))


def _is_float(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jnp.floating)
