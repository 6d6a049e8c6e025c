"""No class of masks, modifications or caches is taken for another: structures differ, and results, however called."""

import dataclasses
import itertools
import pickle
from functools import cached_property, partial

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiers import diagonal, first

from attn_jax.nn import attention_fn
from attn_jax.ops.attention.cache import KVCache, init_cache
from attn_jax.ops.attention.decode import Stored, StoredScores, cached_attention
from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.mask_algebra import Mask
from attn_jax.ops.attention.masks import (
    And,
    Causal,
    Dense,
    Lengths,
    MaskFn,
    Not,
    Or,
    PrefixLM,
    Segments,
    Shifted,
    SlidingWindow,
)
from attn_jax.ops.attention.scores import ALiBi, Composed, RelativeBias, ScoreMod, ScoreModification, SoftCap
from attn_jax.ops.closures import Lifted
from attn_jax.pytrees import register_pytree
from attn_jax.training.state import RunState

T, H = 6, 4
RNG = np.random.default_rng(0)
QUERY, KEY, VALUE = (RNG.normal(size=(1, T, 1, H)).astype(np.float32) for _ in range(3))
ROWS, KEYS = np.arange(T)[:, None], np.arange(T)[None]


@dataclasses.dataclass(frozen=True)
class Stride(Mask):
    """A user's own, with a number."""

    n: int

    def __call__(self, b, h, q, k):
        return (q - k) % self.n == 0


@dataclasses.dataclass(frozen=True)
class After(Mask):
    """Another."""

    n: int

    def __call__(self, b, h, q, k):
        return k >= self.n


@dataclasses.dataclass(frozen=True, eq=False)
class Gain(ScoreModification):
    """A user's own modification."""

    by: float

    def __call__(self, score, b, h, q, k):
        return score * self.by


@dataclasses.dataclass(frozen=True, eq=False)
class Slope(ScoreModification):
    """Another."""

    by: float

    def __call__(self, score, b, h, q, k):
        return score + self.by * k


def test_no_two_structures_are_equal():
    """Every class with as many leaves, and the same static values: nothing but the class is left to differ."""
    own = [Stride, After, Gain, Slope]
    masks = [And, Causal, Dense, Lengths, MaskFn, Not, Or, PrefixLM, Segments, Shifted, SlidingWindow, Stored]
    mods = [ALiBi, Composed, RelativeBias, ScoreMod, SoftCap, StoredScores]
    made = {x for x in (*subclasses(Mask), *subclasses(ScoreModification)) if x.__module__.startswith("attn_jax.")}
    assert made == {*masks, *mods}
    for a, b in itertools.combinations([*own, *masks, *mods, KVCache, Lifted, RunState], 2):
        assert jax.tree.structure(alike(a, b)) != jax.tree.structure(alike(b, a)), (a, b)
        assert jax.tree.structure(alike(a, b)) == jax.tree.structure(alike(a, b)), a


def subclasses(cls):
    return {y for x in cls.__subclasses__() for y in (x, *subclasses(x))}


def alike(cls, other):
    """An object whose fields are 0, or a tuple of them where the other class has more."""
    x = object.__new__(cls)
    data = [f.name for f in dataclasses.fields(cls) if not f.metadata.get("static")]
    more = sum(not f.metadata.get("static") for f in dataclasses.fields(other)) - len(data)
    for field in dataclasses.fields(cls):
        object.__setattr__(x, field.name, 0)
    if data and more > 0:
        object.__setattr__(x, data[-1], (0,) * (more + 1))
    return x


def test_jax_s_own_registration_is_refused():
    """It would make classes equal again."""
    plain = dataclasses.dataclass(frozen=True)
    for register in (lambda cls: jax.tree_util.register_dataclass(plain(cls)), flax.struct.dataclass):
        with pytest.raises(ValueError, match=r"[Dd]uplicate .* registration for <class"):

            @register
            class Own(Mask):
                n: int

                def __call__(self, b, h, q, k):
                    return k < self.n

    made = [jax.tree_util.register_dataclass(dataclasses.make_dataclass(name, ["x"])) for name in "AB"]
    assert jax.tree.structure(made[0](0)) == jax.tree.structure(made[1](0)), "JAX has mended it: drop our registration"


def test_a_registered_class_is_what_a_dataclass_was():
    mask = Causal(1) & SlidingWindow(3) | Lengths(k=3)
    leaves, structure = jax.tree_util.tree_flatten_with_path(mask)
    assert [jax.tree_util.keystr(path) for path, _ in leaves] == [".first.first.offset", ".second.k"]
    assert structure == jax.tree.structure(mask)
    assert pickle.loads(pickle.dumps(mask)) == mask == jax.tree.unflatten(structure, [leaf for _, leaf in leaves])
    assert hash(mask) == hash(Causal(1) & SlidingWindow(3) | Lengths(k=3))
    assert dataclasses.replace(Causal(1), offset=2) == Causal(2)
    assert jax.tree.structure(SlidingWindow(3)) != jax.tree.structure(SlidingWindow(2))
    rows = jax.vmap(lambda mask: mask.materialize(2, 3), in_axes=(PrefixLM(0),))(PrefixLM(jnp.array([0, 3])))
    np.testing.assert_array_equal(rows, [[[1, 0, 0], [1, 1, 0]], [[1, 1, 1], [1, 1, 1]]])


def test_attributes_that_jax_would_lose_are_refused():
    class Forgotten(Mask):
        n = 3

        def __init__(self, n):
            self.n = n

        def __call__(self, b, h, q, k):
            return k < self.n

    with pytest.raises(TypeError, match=r"Forgotten.n: got an attribute that is no field, wanted .*dataclass\(frozen"):
        jax.tree.leaves(Forgotten(5))

    @register_pytree
    @dataclasses.dataclass(frozen=True)
    class Computed:
        n: int

        @cached_property
        def twice(self):
            return 2 * self.n

    x = Computed(2)
    assert (x.twice, jax.tree.leaves(x), jax.tree.map(lambda n: n + 1, x).twice) == (4, [2], 6)


class Past(Mask):
    def __call__(self, b, h, q, k):
        return k <= q

    def intervals(self, queries, S):
        return Causal().intervals(queries, S)


def test_a_subclass_s_own_rule_is_not_skipped_by_its_base_s_intervals():
    class Even(Past):
        def __call__(self, b, h, q, k):
            return jnp.equal(k % 2, 0) & super().__call__(b, h, q, k)

    mask = Even()
    np.testing.assert_array_equal(mask.block_map(4, 4, 1, 1).full, np.zeros((4, 4), bool))
    np.testing.assert_array_equal(mask.materialize(4, 4), np.tri(4, dtype=bool) & (np.arange(4) % 2 == 0))


@pytest.mark.parametrize("base", [Causal, Dense, MaskFn, SlidingWindow, ALiBi, ScoreMod])
def test_a_class_that_paths_know_by_its_type_has_no_subclasses(base):
    """cuDNN's path would compute `Causal` for a subclass of it, whatever that one says."""
    general = "Mask" if issubclass(base, Mask) else "ScoreModification"
    with pytest.raises(
        TypeError, match=f"^Mine: got {base.__name__} as its base, wanted {general}; hold a {base.__name__}"
    ):
        type("Mine", (base,), {"__call__": lambda self, *places: places[-1] >= 0})


def attended(option, rows=ROWS):
    """The textbook formula in float64: `option` is a bool array [T, S], or what is done to scores."""
    scores = np.einsum("btnh,bsnh->bts", QUERY, KEY, dtype=float) / H**0.5
    scores = np.where(option, scores, -np.inf) if isinstance(option, np.ndarray) else option(scores)
    scores = scores[:, rows[:, 0]]
    highest = scores.max(-1, keepdims=True)
    powers = np.exp(scores - np.where(np.isinf(highest), 0, highest))
    total = powers.sum(-1, keepdims=True)
    return (powers / np.where(total, total, 1) @ VALUE[:, :, 0])[:, :, None]


TABLE = RNG.random((T, T)) < 0.6
IDS = np.array([0, 0, 1, 1, 1, 2])
OTHER_IDS = np.array([2, 2, 2, 0, 1, 1])
SLOPES = np.array([0.7], np.float32)
CAUSAL, PREFIX = KEYS <= ROWS + 2, (KEYS < 2) | (KEYS <= ROWS)
WINDOW = (KEYS <= ROWS) & (ROWS - KEYS <= 1)

# (an option of attention, what it means), two of which have as many leaves
NUMBERS = {
    "causal, prefix": ((Causal(2), CAUSAL), (PrefixLM(2), PREFIX)),
    "not, causal": ((~Causal(1), KEYS > ROWS + 1), (~PrefixLM(1), (KEYS >= 1) & (KEYS > ROWS))),
    "causal, own": ((Causal(2), CAUSAL), (Stride(2), (ROWS - KEYS) % 2 == 0)),
}
ARRAYS = {
    "and, or": ((SlidingWindow(1) & PrefixLM(3), WINDOW & ((KEYS < 3) | (KEYS <= ROWS))), (
        SlidingWindow(1) | PrefixLM(3), WINDOW | ((KEYS < 3) | (KEYS <= ROWS)))),
    "prefix, dense": ((PrefixLM(jnp.array([3])), (KEYS < 3) | (KEYS <= ROWS)), (Dense(jnp.asarray(TABLE)), TABLE)),
    "lengths, segments": (
        (Lengths(jnp.array([4]), jnp.array([3])), (ROWS < 4) & (KEYS < 3)),
        (Segments(jnp.asarray(IDS), jnp.asarray(OTHER_IDS)), IDS[:, None] == OTHER_IDS),
    ),
}  # fmt: skip
SCORES = {
    "alibi, cap": (
        (ALiBi(jnp.asarray(SLOPES)), lambda s: s - SLOPES[0] * np.abs(ROWS - KEYS)),
        (SoftCap(0.7), lambda s: 0.7 * np.tanh(s / 0.7)),
    ),
}
OWN = {
    "own, own": ((Stride(2), (ROWS - KEYS) % 2 == 0), (After(2), np.broadcast_to(KEYS >= 2, (T, T)))),
    "own mod, own mod": ((Gain(2.0), lambda s: s * 2), (Slope(2.0), lambda s: s + 2 * KEYS)),
}
PAIRS = {"numbers": NUMBERS, "arrays": ARRAYS, "scores": SCORES, "own": OWN}


FEW = ("causal, prefix", "and, or", "own, own", "alibi, cap")  # for what compiles more


def named(option):
    """As an argument of attention."""
    return {"score_mod" if isinstance(option, ScoreModification) else "mask": option}


def cached(option, implementation):
    """Piece by piece from a cache: causal too. A program of its own, in which the option is no argument."""

    @jax.jit
    def pieces():
        cache, outs = init_cache(1, T, 1, H), []
        for piece in (slice(0, 3), slice(3, 6)):
            arrays = [jnp.asarray(x[:, piece]) for x in (QUERY, KEY, VALUE)]
            out, cache = cached_attention(*arrays, cache, implementation=implementation, **named(option))
            outs.append(out)
        return jnp.concatenate(outs, 1)

    return pieces()


def attend(option, implementation, value=VALUE):
    return dot_product_attention(QUERY, KEY, value, implementation=implementation, **named(option))


def by_gradient(option, implementation):
    """The output from its own derivative by the values, in which it is linear: the weights."""
    _, pull = jax.vjp(lambda value: attend(option, implementation, value), VALUE)
    (by_value,) = jax.vmap(pull)(np.eye(T * H, dtype=np.float32)[::H].reshape(T, 1, T, 1, H))  # of each row's channel 0
    return np.einsum("ts,bsnh->btnh", np.asarray(by_value)[:, 0, :, 0, 0], VALUE)


def in_flax(option, implementation):
    """A layer whose attention has the option bound."""
    bound = partial(dot_product_attention, implementation=implementation, **named(option))
    return attention_fn(QUERY, KEY, VALUE, attention=bound)


traced = jax.jit(attend, static_argnums=1)
static = jax.jit(attend, static_argnums=(0, 1))
WAYS = {
    "eager": attend,
    "argument": traced,
    "static": lambda option, name: static(option, name) if all(map(hashable, jax.tree.leaves(option))) else None,
    "two programs": lambda option, name: jax.jit(lambda: attend(option, name))(),
    "gradient": by_gradient,
    "flax": in_flax,
    "cache": cached,
}


def hashable(x):
    return isinstance(x, (int, float))


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("way", "implementation"), diagonal(WAYS, ["blockwise", "dense"]))
@pytest.mark.parametrize("pairs", first(PAIRS, *list(PAIRS)[:1]))
def test_one_class_never_computes_another_s_answer(pairs, way, implementation):
    costly = way in ("gradient", "two programs", "cache")
    for name, pair in PAIRS[pairs].items():
        if costly and name not in FEW:
            continue
        for option, meaning in (*pair, pair[0]):
            got = WAYS[way](option, implementation)
            if got is not None:
                want = attended(causal(meaning) if way == "cache" else meaning)
                np.testing.assert_allclose(got, want, atol=2e-5, err_msg=name)


def causal(meaning):
    """The same and causal."""
    if isinstance(meaning, np.ndarray):
        return meaning & (KEYS <= ROWS)
    return lambda scores: np.where(KEYS <= ROWS, meaning(scores), -np.inf)
