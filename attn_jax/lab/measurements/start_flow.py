"""Networks that have just begun: how much of a gradient is left k steps back, and how soon Newton's method solves them.

Both are asked of one layer alone, over inputs that are given, so that nothing but the layer decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.mixers.base import Mixer, MixerConfig
from attn_jax.training.compiling import compiled
from attn_jax.training.probes.fit import fitted_slope
from attn_jax.types import Array, Key, Params

WIDTH, LENGTH, BATCH = 32, 256, 8
_SOUND = 1e-30  # below it float32 has no digits left
_FURTHEST = 160  # steps back; what is left is rounding where a gradient vanishes slowly


def flow_rows(
    cells: Mapping[str, MixerConfig], seeds: Sequence[int], *, scale: float = 1.0, length: int = LENGTH
) -> list[dict[str, Any]]:
    """A row a cell and seed: the "slope", log10 a step, of the gradient k steps back, and "left", log10 of it 100 back.

    Of a recurrence it is the gradient with respect to the state, all of it (an LSTM's h and c together); of what has no
    state of one size, attention, that with respect to its inputs. The loss is v . y_T for a random unit v, the inputs
    are independent normal numbers of a standard deviation `scale`. The slope is fitted from 8 steps back to 160, where
    the gradient is above 1e-30. Cells that compute alike, and differ in how they begin, share a program.
    """
    rows = []
    for program, names in _alike(cells).items():
        mixer = replace(cells[names[0]], d_model=WIDTH).make()
        params = _began([cells[name] for name in names], seeds)
        keys = _keys(1, seeds)
        flow = jax.vmap(jax.vmap(partial(program, mixer, scale, length)), in_axes=(0, None))
        slopes, left = (np.asarray(x, float) for x in compiled(flow, params, keys)(params, keys))
        rows += [
            {"cell": name, "seed": seed, "slope": float(slopes[i, s]), "left": float(left[i, s])}
            for i, name in enumerate(names)
            for s, seed in enumerate(seeds)
        ]
    return rows


def newton_rows(
    cells: Mapping[str, MixerConfig], seeds: Sequence[int], *, scale: float = 1.0, length: int = LENGTH
) -> list[dict[str, Any]]:
    """A row a cell and seed: the "iterations" of Newton's method to all states, and whether it "converged".

    The cells are recurrences, in whatever form; the iterations are those of the slowest of 8 sequences.
    """

    def solved(mixer: Mixer, params: Params, key: Key) -> tuple[Array, Array]:
        shown = mixer.inspect(params, _inputs(key, scale, length), None)
        return shown["iterations"].max(), shown["converged"].all()

    rows = []
    for names in _alike(cells).values():
        configs: list[Any] = [cells[name] for name in names]
        mixer = replace(configs[0], d_model=WIDTH, form="newton").make()
        params = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), _began(configs, seeds))
        pairs = params, jnp.tile(_keys(1, seeds), len(names))
        # one run at a time: side by side all would go on until the slowest has converged
        each = lambda pairs, mixer=mixer: jax.lax.map(lambda pair: solved(mixer, *pair), pairs)  # noqa: E731
        iterations, converged = (np.asarray(x) for x in compiled(each, pairs)(pairs))
        rows += [
            {"cell": name, "seed": seed, "iterations": int(iterations[place]), "converged": bool(converged[place])}
            for place, (name, seed) in enumerate((name, seed) for name in names for seed in seeds)
        ]
    return rows


def state_flow(mixer: Mixer, scale: float, length: int, params: Params, key: Key) -> tuple[Array, Array]:
    """(slope, left) of the gradient with respect to the state k steps back."""
    x = _inputs(key, scale, length)
    assert mixer.init_state is not None  # `_alike` asked
    fresh = mixer.init_state(params, BATCH, length)
    offsets = jax.tree.map(lambda leaf: jnp.zeros((length, *leaf.shape), leaf.dtype), fresh)

    def lost(offsets: Any) -> Array:
        def step(state: Any, place: tuple[Array, Any]) -> tuple[Any, Array]:
            x, offset = place
            assert mixer.extend is not None
            y, state = mixer.extend(params, x[:, None], state, None)
            return jax.tree.map(jnp.add, state, offset), y[:, 0]

        return jnp.sum(_direction(key) * jax.lax.scan(step, fresh, (x.swapaxes(0, 1), offsets))[1][-1])

    leaves = [leaf.reshape(*leaf.shape[:2], -1) for leaf in jax.tree.leaves(jax.grad(lost)(offsets))]
    # the offset after the last step moves no output: k = 0 is the state that the last step is given
    return _read_off(jnp.concatenate(leaves, -1)[:-1][::-1])


def input_flow(mixer: Mixer, scale: float, length: int, params: Params, key: Key) -> tuple[Array, Array]:
    """(slope, left) of the gradient with respect to the input k places back."""
    lost = lambda x: jnp.sum(_direction(key) * mixer.apply(params, x, None)[:, -1])  # noqa: E731
    gradient = jax.grad(lost)(_inputs(key, scale, length))
    return _read_off(gradient.swapaxes(0, 1)[::-1])


def _alike(cells: Mapping[str, MixerConfig]) -> dict[Any, list[str]]:
    """Cells by what computes their flow: those whose operations are the same, whatever their parameters are."""
    programs: dict[str, tuple[Any, list[str]]] = {}
    for name, config in cells.items():
        mixer = replace(config, d_model=WIDTH).make()
        params = jax.eval_shape(mixer.init, jax.random.key(0))
        flow = state_flow if _has_state(mixer, params) else input_flow
        text = str(jax.make_jaxpr(partial(mixer.apply, valid=None))(params, jnp.zeros((1, 8, WIDTH))))
        programs.setdefault(f"{type(config).__name__} {text}", (partial(flow), []))[1].append(name)
    return dict(programs.values())


def _has_state(mixer: Mixer, params: Params) -> bool:
    """Whether it goes on from a state of one size, made of floats."""
    if mixer.init_state is None:
        return False
    short, long = (jax.tree.leaves(jax.eval_shape(partial(mixer.init_state, params, 1, n))) for n in (1, 2))
    return short == long and all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in short)


def _began(configs: Sequence[MixerConfig], seeds: Sequence[int]) -> Params:
    """The parameters of each configuration and seed, leaves [C, S, ...]."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *(_began_so(config, tuple(seeds)) for config in configs))


@lru_cache(maxsize=64)
def _began_so(config: MixerConfig, seeds: tuple[int, ...]) -> Params:
    """The parameters of one configuration: asked for again at other inputs, and compiling is what they cost."""
    keys, init = _keys(0, seeds), jax.vmap(replace(config, d_model=WIDTH).make().init)
    return jax.tree.map(np.asarray, compiled(init, keys, quickly=True)(keys))


def _keys(stream: int, seeds: Sequence[int]) -> Key:
    return jax.vmap(partial(jax.random.fold_in, jax.random.key(stream)))(jnp.asarray(seeds))


def _inputs(key: Key, scale: float, length: int) -> Array:
    return scale * jax.random.normal(jax.random.fold_in(key, 0), (BATCH, length, WIDTH))


def _direction(key: Key) -> Array:
    """A random unit vector for each sequence."""
    v = jax.random.normal(jax.random.fold_in(key, 1), (BATCH, WIDTH))
    return v / jnp.linalg.norm(v, axis=-1, keepdims=True)


def _read_off(gradient: Array) -> tuple[Array, Array]:
    """(slope, left) of a gradient [K, B, P], by steps back; what is gone is at the last that float32 can tell."""
    largest = jnp.max(jnp.abs(gradient), (1, 2))
    scaled = gradient / jnp.where(largest > 0, largest, 1)[:, None, None]  # squares of 1e-23 are 0 in float32
    norms = largest * jnp.sqrt(jnp.sum(scaled**2, -1).mean(1))
    k = np.arange(len(norms))
    height = jnp.log10(jnp.maximum(norms, _SOUND))
    seen = jnp.where((norms > _SOUND) & (k <= _FURTHEST), height, jnp.nan)
    return fitted_slope(k, seen), height[min(100, len(k) - 1)] - height[0]
