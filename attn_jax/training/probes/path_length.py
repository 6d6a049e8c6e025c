"""How many steps lie between what was read k places back and the last place: the path a signal has to go, and back."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.lab.cost.program import sequential_depth
from attn_jax.mixers.base import ApplyFn
from attn_jax.models.base import EncoderDecoder, Model
from attn_jax.training.objective import Objective
from attn_jax.training.probes.base import Probe, ProbeConfig, When
from attn_jax.training.probes.fit import check_places, spaced
from attn_jax.types import Array, Batch, Key, Params

_SEED = 1e20  # what is sent back from the last place: products of so many small factors more are no zero of float32


@dataclass(frozen=True)
class PathLength(ProbeConfig):
    """The fewest steps in which what is read k places back comes to the last place, by whichever layers are fastest.

    steps[k] = min over k_1 + ... + k_L = k of s_1(k_1) + ... + s_L(k_L)

    Layer l takes s_l(k) steps over k places: none over 0, else at least one, and as many as its program over k + 1
    places is deeper than over one, in units of the first place that makes it deeper. So attention takes 1, a recurrence
    k, an associative scan about log2 k. Where its output at the last place does not depend on its input k places back,
    by a Jacobian of nothing but zeros, s_l(k) is infinite: attention w places wide needs k / w layers, so that L of
    them reach w L places; a convolution of c taps needs k / (c - 1).

    "furthest" is the largest k from which anything arrives, steps[k] of those further back is NaN; "longest" is the
    largest of the steps, Vaswani's maximum path length. In float32 nothing arrives from where a recurrence's gradient
    falls below 1e-58. Programs are counted as they run, at k of 1, 2, 4, 8 ... and the longest; in between s_l is a
    straight line. What is done otherwise from some length on, as the delta rule in chunks, has steps of several sizes:
    there it is how they grow that counts. A loop without a fixed number of trips is one; steps are NaN where a program
    does not let itself be counted.

    Args:
      when, num_examples: as every probe's; all sequences count, each as long as the longest.
      num_places: the most values of k, evenly spaced from 0 to the longest.

    Reference: Vaswani et al. 2017, arXiv 1706.03762, section 4 and table 1.
    """

    when: tuple[When, ...] = ("start",)
    num_examples: int = 1
    num_places: int = 32

    def __post_init__(self):
        super().__post_init__()
        check_places(self.num_places)

    def make(self, model: Model | EncoderDecoder, objective: Objective) -> Probe | None:
        """Binds this configuration to the functions below; None where the model does not tell its layers apart."""
        del objective
        if not isinstance(model, Model) or not model.through:
            return None
        return Probe(partial(measure, self, model), self.when, self.num_examples)


def measure(config: PathLength, model: Model, params: Params, batch: Batch, key: Key) -> dict[str, Array]:
    """{"k": [n], "steps": [n], "longest", "furthest"}."""
    assert model.through is not None  # `make` asked
    x = model.embed(params, batch.inputs)
    places = np.arange(x.shape[1])
    so_far = jnp.where(places == 0, 0.0, jnp.inf)  # [T] steps from the last place back
    for index, layer in enumerate(model.through.values()):
        x, seen = _seen(partial(layer, params), x, jax.random.fold_in(key, index))
        own = jnp.where(seen, layer_steps(layer, params, x.shape[1], x.shape[2]), jnp.inf)
        ways = jnp.where(places[:, None] >= places, so_far[places[:, None] - places] + own, jnp.inf)
        so_far = jnp.min(ways, 1)  # over how many of the k places this layer takes
    k, arrives = spaced(len(places), config.num_places), ~jnp.isinf(so_far)
    return {
        "k": jnp.asarray(k),
        "steps": jnp.where(arrives, so_far, jnp.nan)[k],
        "longest": jnp.max(jnp.where(arrives, so_far, 0)),
        "furthest": jnp.max(jnp.where(arrives, places, 0)),
    }


def layer_steps(layer: ApplyFn, params: Params, length: int, width: int) -> np.ndarray:
    """s(k) [T] of a layer over T places, wherever it may look; NaN where its program does not let itself be counted."""
    powers = 2 ** np.arange(max(length - 1, 1).bit_length())
    counted = np.unique([0, *powers[powers < length], length - 1])
    like = partial(jax.tree.map, lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype))
    try:
        depths = [
            sequential_depth(layer, like(params), jax.ShapeDtypeStruct((1, k + 1, width), jnp.float32), trips=1)
            for k in counted.tolist()
        ]
    except (ValueError, NotImplementedError):
        return np.where(np.arange(length) == 0, 0.0, np.nan)
    deeper = np.maximum.accumulate(np.array(depths, float) - depths[0])
    unit = min(deeper[deeper > 0], default=1.0)
    return np.interp(np.arange(length), counted, np.where(counted == 0, 0.0, np.maximum(deeper / unit, 1.0)))


def _seen(layer: Callable[[Array], Array], x: Array, key: Key) -> tuple[Array, Array]:
    """What a layer makes of x [B, T, D], and whether its last place depends on what stands k places back, [T]."""
    after, back = jax.vjp(layer, x)
    sent = jnp.zeros_like(after).at[:, -1].set(_SEED * jax.random.normal(key, after[:, -1].shape, after.dtype))
    return after, jnp.any(back(sent)[0] != 0, (0, 2))[::-1]
