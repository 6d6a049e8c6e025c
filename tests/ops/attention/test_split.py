"""Inside a caller's own `jax.shard_map`, its checks on: what a loop carries differs between devices as its inputs do.

Types decide, so that nothing is compiled, and a mesh of one device does.
"""

from functools import partial

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from attn_jax.mixers import GRU, LSTM, Attention
from attn_jax.models import ModelConfig, RecurrentEncoderDecoder, Transformer, greedy_decode
from attn_jax.ops.placement import vary_with
from attn_jax.ops.positions import randomised_positions
from attn_jax.ops.recurrence.cells import rnn_step, scan_cell
from attn_jax.ops.recurrence.delta_rule import delta_product, delta_rule
from attn_jax.ops.recurrence.gated_linear_attention import gated_linear_attention
from attn_jax.ops.recurrence.linear_attention import linear_attention
from attn_jax.ops.recurrence.linear_scan import linear_scan
from attn_jax.ops.recurrence.mlstm import mlstm
from attn_jax.ops.recurrence.newton_scan import newton_scan
from attn_jax.tasks import TASKS
from attn_jax.types import IO

B, T, D = 2, 9, 4
X = jax.ShapeDtypeStruct((B, T, D), jnp.float32)
WEIGHT = jax.ShapeDtypeStruct((D,), jnp.float32)  # the same on all devices
SPLIT = P("x")


def split(function, *specs, out=SPLIT):
    mesh = jax.make_mesh((1,), ("x",), axis_types=(AxisType.Auto,))
    return jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=out)


def differentiated(function):
    """Gradients of the sum of all that it gives: those of the weight, its first argument, are summed over devices."""

    def total(*arrays):
        leaves = jax.tree.leaves(function(*arrays))
        return sum(leaf.astype(jnp.float32).sum() for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.floating))

    return lambda *arrays: jax.grad(total, range(len(arrays)))(*arrays)


def scan(form, w, x):
    return (
        linear_scan(w, x, form=form),
        linear_scan(x, x, form=form),
        linear_scan(w, x, w + jnp.zeros((B, D)), form=form),
    )


def newton(jacobian, unconverged, w, x):
    run = partial(newton_scan, lambda w, h, x: jnp.tanh(w * h + x), w, jnp.zeros(D), jacobian=jacobian)
    return jax.vmap(lambda x: run(x, unconverged=unconverged, max_iterations=2).states)(x)


def heads(form, w, x):
    q, gate = w * x[:, :, None], -jnp.abs(x[..., :1])
    return (
        linear_attention(q, q, q, form=form),
        linear_attention(q, q, q, form=form, normalise=True),
        gated_linear_attention(q, q, q, -jnp.abs(q), form=form),
        gated_linear_attention(q, q, q, gate, form=form),
        delta_rule(q, q, q, gate, form=form),
        delta_product(q, q[:, :, None], q[:, :, None], gate[:, :, None], log_decay=gate, form=form),
        mlstm(q, q, q, gate, gate, form=form),
    )


def cell(w, x):
    params = {"w_x": jnp.eye(D) * w, "w_h": jnp.eye(D), "b": w}
    return scan_cell(rnn_step, params, x, jnp.zeros((B, D))), scan_cell(rnn_step, params, x, w + jnp.zeros((B, D)))


OPS = (
    {f"scan {form}": partial(scan, form) for form in ("sequential", "associative", "chunked")}
    | {f"heads {form}": partial(heads, form) for form in ("recurrent", "chunked", "parallel")}
    | {
        f"newton {j}": partial(newton, j, u)
        for j, u in (("dense", "finish"), ("diagonal", "nan"), ("elementwise", "nan"))
    }
    | {"cell": cell}
)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", OPS)
def test_recurrences(name):
    """The weight is the same on all devices and so is its gradient; the inputs and theirs differ."""
    run = split(differentiated(OPS[name]), P(), P("x"), out=(P(), P("x")))
    of_weight, of_x = jax.eval_shape(run, WEIGHT, X)
    assert (of_weight.shape, of_x.shape) == (WEIGHT.shape, X.shape)


def test_states_differ_between_devices_where_weights_alone_do():
    run = split(differentiated(cell), P("x"), P())
    jax.eval_shape(run, WEIGHT, X)
    jax.eval_shape(split(differentiated(partial(scan, "chunked")), P("x"), P()), WEIGHT, X)


MODELS = {
    "recurrent": RecurrentEncoderDecoder(8),
    "recurrent fed": RecurrentEncoderDecoder(8, attention="dot", cell="gru"),
    "transformer": Transformer(8, 1, num_heads=2),
    "decoder only": ModelConfig(8, 3, (LSTM(), GRU(form="newton"), Attention(num_heads=2))),
    "stacked": ModelConfig(8, 6, (LSTM(),)),
}


@pytest.mark.parametrize("name", MODELS)
def test_greedy_decoding(name):
    model = MODELS[name].over_strings(IO(num_classes=6, vocab_size=6), 5, 4)
    params = jax.eval_shape(model.init, jax.random.key(0))
    source, valid = jax.ShapeDtypeStruct((2, 5), jnp.int32), jax.ShapeDtypeStruct((2, 5), bool)

    def say(params, source, valid):
        logits = model.apply(params, source, valid, source)
        return logits, greedy_decode(model, params, source, valid, 4, bos=4, eos=5)

    logits, said = jax.eval_shape(split(say, P(), P("x"), P("x")), params, source, valid)
    assert (logits.shape, said.shape) == ((2, 5, 6), (2, 4))


LOOPS = [TASKS[name] for name in ("dyck", "solve_equation", "square_root", "markov", "binary_multiplication")]


def test_draws():
    """A key a device: every task's batches, and positions."""
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), 1))

    def draw(keys):
        key = keys[0]
        drawn = [task.make().sample(jax.random.clone(key), 2, 8, 8) for task in LOOPS]
        return [leaf for batch in drawn for leaf in batch[:2]], randomised_positions(key, 3, 9)

    jax.eval_shape(split(draw, P("x")), keys)


def test_a_carry_that_is_not_made_to_vary_is_refused():
    """What the tests above would see without `vary_with`."""
    run = lambda start, x: jax.lax.scan(lambda h, x: (h + x, h), start, x)[0]  # noqa: E731
    with pytest.raises(TypeError, match="varying"):
        jax.eval_shape(split(lambda x: run(jnp.zeros(D), x[0]), P("x")), X)
    jax.eval_shape(split(lambda x: run(vary_with(jnp.zeros(D), x), x[0]), P("x")), X)
