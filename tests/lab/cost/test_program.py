"""Operations and depth against hand counts, against XLA on programs without loops, and on every kind of call."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.ad_checkpoint import checkpoint_name

from attn_jax.lab.cost.program import count_flops, depth_growth, sequential_depth


def shape(*sizes: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(sizes, "float32")


def xla_flops(program, args, *kinds: str) -> float:
    """What XLA counts in the compiled program."""
    analysis = jax.jit(program).lower(*args).compile().cost_analysis()
    assert analysis is not None
    return sum(analysis.get(kind, 0.0) for kind in kinds)


def mlp(x, w1, b1, w2, b2):
    return jnp.tanh(x @ w1 + b1) @ w2 + b2


def rnn_step(w, u, h, x):
    h = jnp.tanh(x @ w + h @ u)
    return h, h


def rnn(w, u, x):
    """x [T, B, D] -> [T, B, D]."""
    return jax.lax.scan(functools.partial(rnn_step, w, u), jnp.zeros(x.shape[1:]), x)[1]


def attention(q, k, v):
    logits = q @ k.T / math.sqrt(q.shape[-1])
    logits = jnp.where(jnp.tril(jnp.ones(logits.shape, bool)), logits, -jnp.inf)
    return jax.nn.softmax(logits) @ v


def linear_recurrence(a, b):
    """h_t = a_t h_{t-1} + b_t in parallel."""
    return jax.lax.associative_scan(lambda f, g: (f[0] * g[0], f[1] * g[0] + g[1]), (a, b))[1]


MLP = [shape(32, 8), shape(8, 64), shape(64), shape(64, 4), shape(4)]


def test_mlp_by_hand():
    first, tanh, second = 2 * 32 * 8 * 64 + 32 * 64, 32 * 64, 2 * 32 * 64 * 4 + 32 * 4
    assert count_flops(mlp, *MLP) == first + tanh + second
    assert sequential_depth(mlp, *MLP) == 5


@pytest.mark.parametrize("T", [1, 4, 512])
def test_a_scan_counts_every_step(T):
    """XLA's own analysis says the same for T = 4 and T = 512."""
    B, D = 3, 16
    args = [shape(D, D), shape(D, D), shape(T, B, D)]
    assert count_flops(rnn, *args) == T * (2 * 2 * B * D * D + B * D + B * D)
    # the product with x starts beforehand; from state to state: dot, add, tanh
    assert sequential_depth(rnn, *args) == 3 * T


def test_xla_counts_the_body_of_a_scan_once():
    """Why this walker exists; when XLA learns to multiply, it may go."""
    once, often = (xla_flops(rnn, [shape(16, 16), shape(16, 16), shape(T, 3, 16)], "flops") for T in (16, 512))
    assert often < 2 * once


def test_attention_by_hand():
    T, S, H = 32, 48, 8
    products = 2 * T * S * H + 2 * T * S * H
    counted = count_flops(attention, shape(T, H), shape(S, H), shape(S, H))
    # scale, mask (4 at most to build and apply it), max, subtract, exp, sum, divide; and a value a row
    assert products + 6 * T * S <= counted <= products + 11 * T * S + 2 * T


def batched(x, w):
    return jax.nn.relu(jnp.einsum("bij,bjk->bik", x, w)).sum(axis=-1)


def loss(w1, b1, w2, b2, x):
    return jnp.mean(jnp.square(mlp(x, w1, b1, w2, b2)))


LOOP_FREE = {
    "mlp": (mlp, MLP),
    "gradient of an mlp": (jax.grad(loss, argnums=(0, 1, 2, 3)), [*MLP[1:], MLP[0]]),
    "attention": (attention, [shape(64, 32), shape(64, 32), shape(64, 32)]),
    "batched products": (batched, [shape(4, 16, 32), shape(4, 32, 24)]),
    "vmapped mlp": (jax.vmap(mlp, in_axes=(0, None, None, None, None)), [shape(5, 32, 8), *MLP[1:]]),
}


@pytest.mark.parametrize("name", LOOP_FREE)
def test_agrees_with_xla_without_loops(name):
    """Within 5 %: XLA simplifies (x / c to x * 1/c, a known mask) and spends several operations on one reduction."""
    program, args = LOOP_FREE[name]
    counted = xla_flops(program, args, "flops", "transcendentals")
    assert count_flops(program, *args) == pytest.approx(counted, rel=0.05)


def test_convolution_by_hand():
    x, w = shape(2, 3, 50), shape(6, 3, 5)
    program = functools.partial(jax.lax.conv_general_dilated, window_strides=(1,), padding="VALID")
    assert count_flops(program, x, w) == 2 * (2 * 6 * 46) * (3 * 5)
    depthwise = functools.partial(program, feature_group_count=3)
    assert count_flops(depthwise, x, shape(3, 1, 5)) == 2 * (2 * 3 * 46) * 5


x8 = shape(8)
# program, arguments, operations, depth
PRIMITIVES = {
    "moves": (lambda x: jnp.concatenate([x[::-1].reshape(2, 4).T.ravel(), x[2:4]])[None], [x8], 0, 0),
    "reduction": (lambda x: jnp.max(x), [x8], 8, 1),
    "cumulative sum": (lambda x: jax.lax.cumsum(x), [x8], 8, 3),
    "of length 9": (lambda x: jax.lax.cumsum(x), [shape(9)], 9, 4),
    "sort": (lambda x: jax.lax.sort(x), [x8], 24, 3),
    "triangular solve": (
        lambda a, b: jax.lax.linalg.triangular_solve(a, b, left_side=True, lower=True),
        [shape(8, 8), shape(8, 3)],
        8 * 8 * 3,
        8,
    ),
    "two branches side by side": (lambda x: jnp.sin(jnp.sin(x)) + jnp.cos(x), [x8], 32, 3),
    "a name": (lambda x: checkpoint_name(jnp.sin(x), "gates"), [x8], 8, 1),
    "nothing": (lambda x: x, [x8], 0, 0),
    "a constant": (lambda x: jnp.zeros(3), [x8], 0, 0),
}


@pytest.mark.parametrize("name", PRIMITIVES)
def test_primitives_by_hand(name):
    program, args, flops, depth = PRIMITIVES[name]
    assert count_flops(program, *args) == flops
    assert sequential_depth(program, *args) == depth


def test_scatter_counts_its_updates():
    def add(x, places):
        return jax.lax.scatter_add(
            x,
            places,
            jnp.ones(3),
            jax.lax.ScatterDimensionNumbers((), (0,), (0,)),
        )

    assert count_flops(add, x8, jax.ShapeDtypeStruct((3, 1), "int32")) == 3


@jax.custom_jvp
def with_jvp(x):
    return jnp.sin(x) * x


with_jvp.defjvps(lambda t, ans, x: t)


@jax.custom_vjp
def with_vjp(x):
    return jnp.sin(x) * x


with_vjp.defvjp(lambda x: (x, None), lambda res, g: (g,))


@jax.custom_batching.custom_vmap
def with_vmap(x):
    return jnp.sin(x) * x


@with_vmap.def_vmap
def _(axis_size, in_batched, x):
    return with_vmap(x), in_batched[0]


CALLS = {
    "jit": jax.jit(lambda x: jnp.sin(x) * x),
    "jit in jit": jax.jit(lambda x: jax.jit(lambda y: jnp.sin(y) * y)(x)),
    "checkpoint": jax.checkpoint(lambda x: jnp.sin(x) * x),
    "custom_jvp": with_jvp,
    "custom_vjp": with_vjp,
    "custom_vmap": with_vmap,
    "cond": lambda x: jax.lax.cond(True, lambda y: jnp.sin(y) * y, lambda y: y, x),
    "switch": lambda x: jax.lax.switch(1, [lambda y: y, lambda y: y * y, lambda y: jnp.sin(y) * y], x),
    "map": lambda x: jax.lax.map(lambda y: jnp.sin(y) * y, x),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_are_followed(name):
    extra = {"cond": 0, "switch": 2}.get(name, 0)  # switch clamps its index
    assert 16 <= count_flops(CALLS[name], x8) <= 16 + extra
    assert 2 <= sequential_depth(CALLS[name], x8) <= 2 + extra


def test_a_cond_takes_the_dearest_branch_after_its_predicate():
    def program(x):
        return jax.lax.cond(jnp.sum(x) > 0, lambda y: jnp.sin(jnp.sin(y)), lambda y: y, x)

    assert count_flops(program, x8) == 8 + 1 + 16
    assert sequential_depth(program, x8) == 2 + 2


def test_shard_map_counts_all_devices():
    mesh = jax.make_mesh((1,), ("runs",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec("runs")
    program = jax.shard_map(lambda x: jnp.sin(x) * x, mesh=mesh, in_specs=spec, out_specs=spec)
    assert count_flops(program, x8) == 16
    abstract = jax.sharding.AbstractMesh((4,), ("runs",), axis_types=(jax.sharding.AxisType.Auto,))
    program = jax.shard_map(lambda x: jnp.sin(x) * x, mesh=abstract, in_specs=spec, out_specs=spec)
    assert count_flops(program, x8) == 16
    assert sequential_depth(program, x8) == 2


def halve_until_small(x):
    return jax.lax.while_loop(lambda c: jnp.sum(c) > 1, lambda c: c / 2, x)


def test_a_while_wants_its_trips():
    for count in (count_flops, sequential_depth):
        with pytest.raises(ValueError, match="trips: got None, wanted how often the body"):
            count(halve_until_small, x8)
    assert count_flops(halve_until_small, x8, trips=10) == 10 * (8 + 8 + 1)
    # each halving waits for the sum and the comparison before it
    assert sequential_depth(halve_until_small, x8, trips=10) == 10 * 3


def test_a_program_that_cannot_be_followed_is_refused():
    def program(b):
        return jax.lax.custom_linear_solve(lambda v: 2 * v, b, lambda matvec, b: b / 2)

    for count in (count_flops, sequential_depth):
        with pytest.raises(ValueError, match=r"the primitive 'custom_linear_solve' holds a program .* cannot follow"):
            count(program, x8)


def test_a_jaxpr_serves_as_well_as_a_function():
    jaxpr = jax.make_jaxpr(mlp)(*MLP)
    assert count_flops(jaxpr) == count_flops(mlp, *MLP)
    assert sequential_depth(jaxpr.jaxpr) == 5
    with pytest.raises(ValueError, match="args: got 1 beside a jaxpr, wanted none"):
        count_flops(jaxpr, x8)


def chain(x):
    """Two carries, of which the second waits for the first of the trip before."""

    def step(carry, a):
        first, second = carry
        return (first * a, jnp.sin(first)), second

    return jax.lax.scan(step, (1.0, 1.0), x)


def test_depth_of_a_scan_is_exact():
    assert sequential_depth(lambda x: chain(x)[0][0], shape(10)) == 10
    assert sequential_depth(lambda x: chain(x)[0][1], shape(10)) == 10  # nine products and a sine
    assert sequential_depth(lambda x: chain(x)[1], shape(10)) == 9  # eight products and a sine
    swapped = lambda x: jax.lax.scan(lambda c, a: ((c[1], jnp.sin(c[0])), None), (x[0], x[1]), None, length=10)[0]  # noqa: E731
    assert sequential_depth(swapped, x8) == 5


def test_a_counter_is_no_dependence():
    def parallel(x):
        return jax.lax.fori_loop(0, 100, lambda i, y: y.at[i].set(jnp.sin(x[i])), x)

    assert sequential_depth(parallel, shape(100)) <= 6  # arithmetic on the index, and the sine
    sequential = lambda x: jax.lax.fori_loop(0, 100, lambda i, y: jnp.sin(y), x)  # noqa: E731
    assert sequential_depth(sequential, shape(100)) == 100


def gradient_depth(T: int) -> int:
    grad = jax.grad(lambda w, u, x: jnp.sum(rnn(w, u, x)[-1]))
    return sequential_depth(grad, shape(4, 4), shape(4, 4), shape(T, 2, 4))


def test_the_gradient_of_a_scan_is_one_chain_forward_and_one_back():
    rise = gradient_depth(64) - gradient_depth(32)
    assert gradient_depth(128) - gradient_depth(64) == 2 * rise
    # a step: forward dot, add, tanh; backward at least the derivative's product and the dot
    assert 32 * (3 + 2) <= rise <= 32 * (3 + 6)


GROWTH = {
    "tanh RNN": (lambda T: (rnn, [shape(4, 4), shape(4, 4), shape(T, 2, 4)]), "linear"),
    "attention": (lambda T: (attention, [shape(T, 4)] * 3), "constant"),
    "associative scan": (lambda T: (linear_recurrence, [shape(T), shape(T)]), "log T"),
    "cumulative sum": (lambda T: (jnp.cumsum, [shape(T)]), "log T"),
    "token by token, in parallel": (lambda T: (lambda x: jax.lax.map(jnp.sin, x), [shape(T)]), "constant"),
    "chunks of 16": (
        lambda T: (lambda x: jax.lax.scan(lambda c, a: (c + a.sum(), c), 0.0, x), [shape(T // 16, 16)]),
        "linear",
    ),
    "RNN under many layers of fixed depth": (
        lambda T: (
            lambda w, u, x: functools.reduce(lambda y, _: jnp.sin(y), range(500), rnn(w, u, x)),
            [shape(4, 4), shape(4, 4), shape(T, 2, 4)],
        ),
        "linear",
    ),
}


@pytest.mark.parametrize("name", GROWTH)
@pytest.mark.parametrize("lengths", [(64, 256, 1024), (40, 96, 250)])
def test_growth_of_the_depth(name, lengths):
    make_program, growth = GROWTH[name]
    assert depth_growth(make_program, lengths) == growth


def test_the_gradients_grow_alike():
    def make(T):
        return jax.grad(lambda a, b: linear_recurrence(a, b).sum()), [shape(T), shape(T)]

    assert depth_growth(make) == "log T"


def test_growth_of_a_while_follows_its_trips():
    assert depth_growth(lambda T: (halve_until_small, [shape(T)]), trips=lambda T: 5) == "constant"
    assert depth_growth(lambda T: (halve_until_small, [shape(T)]), trips=lambda T: T) == "linear"
    with pytest.raises(ValueError, match="grows faster than linearly"):
        depth_growth(lambda T: (halve_until_small, [shape(T)]), trips=lambda T: T * T)
    with pytest.raises(ValueError, match="the depth falls"):
        depth_growth(lambda T: (halve_until_small, [shape(T)]), trips=lambda T: 2000 - T)


def test_a_chunk_longer_than_the_lengths_is_no_law():
    def make(T):
        return lambda x: jax.lax.scan(lambda c, a: (c + a.sum(), c), 0.0, x), [shape(-(-T // 128), 128)]

    with pytest.raises(ValueError, match="follow no law, wanted longer lengths"):
        depth_growth(make, (32, 64, 256))


@pytest.mark.parametrize("lengths", [(4, 4, 8), (4, 7, 14), (4, 8, 15), (1, 2), (0, 1, 2)])
def test_growth_wants_three_lengths_well_apart(lengths):
    with pytest.raises(ValueError, match=r"lengths: got .*wanted three, each at least twice"):
        depth_growth(lambda T: (jnp.sin, [shape(T)]), lengths)


def test_nothing_is_computed():
    """Shapes alone suffice, at sizes that no machine could hold."""
    assert count_flops(jnp.matmul, shape(10**7, 10**7), shape(10**7, 10**7)) == 2e21
    assert np.isfinite(count_flops(rnn, shape(8, 8), shape(8, 8), shape(10**9, 1, 8)))
    assert sequential_depth(rnn, shape(8, 8), shape(8, 8), shape(10**9, 1, 8)) == 3 * 10**9
