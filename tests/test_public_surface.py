"""Every public function takes NumPy, lists and scalars where it takes arrays and ints, and refuses the rest by name."""

import ast
import functools
import importlib
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import attn_jax
from attn_jax.mixers import GRU, MIXERS
from attn_jax.models import MODELS, ModelConfig, Transformer, decoder_only, greedy_decode
from attn_jax.ops import arguments
from attn_jax.types import IO

PACKAGE = Path(attn_jax.__file__).parent
KEY = np.array([0, 1], np.uint32)  # a raw one: NumPy's and a list stand for it as well
PLACES, ROW = np.arange(3), np.array([[True, True, False]])


def floats(*shape):
    return np.linspace(-1, 1, int(np.prod(shape))).reshape(shape).astype(np.float32)


HEADS, MEMORY = floats(1, 3, 2, 4), floats(1, 3, 2, 4, 4)
CACHE = attn_jax.init_cache(1, 9, 2, 4)
RING = attn_jax.init_cache(1, 9, 2, 4, window=2)
TAKEN = {"query": HEADS, "key": HEADS, "value": HEADS}
RULES = {"bias": floats(3, 3), "mask": np.ones((3, 3), bool)}
CALLED = {
    "scale": 0.5,
    "is_causal": True,
    "query_seq_lengths": np.array([2]),
    "key_value_seq_lengths": np.array([2]),
    "local_window_size": (2, 2),
    "q_offset": 1,
    "segment_ids": np.array([0, 0, 1]),
    "logits_soft_cap": 2.0,
    "dropout_rate": 0.5,
    "dropout_key": KEY,
    "broadcast_dropout": True,
}
RETURNED = {"sinks": floats(2), "return_lse": True}
QKV = {"q": HEADS, "k": HEADS, "v": HEADS}
BETA = floats(1, 3, 2)
CELL = {"w_x": floats(2, 3), "w_h": floats(3, 3), "b": floats(3)}
FOUR, THREE = (
    {"w_x": floats(2, n * 3), "w_h": floats(3, n * 3), "b": floats(n * 3), "b_h": floats(n * 3)} for n in (4, 3)
)
MULTI = {name: np.asarray(w) for name, w in attn_jax.init_multi_head_attention(KEY, d_model=8, num_heads=2).items()}
X = floats(1, 3, 8)
MLP = {"up": {"w": floats(8, 2), "b": floats(2)}, "down": {"w": floats(2, 8), "b": floats(8)}}

CALLS = {  # module.function: arguments by name; static ones that no table could vary stand in STATIC
    "ops.attention.dot_product.dot_product_attention": TAKEN | RULES | CALLED | RETURNED | {"block_sizes": (2, 2)},
    "ops.attention.cache.append_cache": {"cache": RING, "key": HEADS, "value": HEADS, "valid": ROW},
    "ops.attention.cache.init_cache": {
        "batch_size": 1,
        "max_length": 9,
        "num_kv_heads": 2,
        "head_dim": 4,
        "value_dim": 3,
    }
    | {"window": 2, "chunk": 2},
    "ops.attention.cache.update_cache": {"cache": CACHE, "key": HEADS, "value": HEADS, "valid": ROW},
    "ops.recurrence.cells.gru_gates": {"params": THREE, "h": floats(1, 3), "x": floats(1, 2)},
    "ops.recurrence.cells.lstm_gates": {"params": FOUR, "state": (floats(1, 3), floats(1, 3)), "x": floats(1, 2)},
    "ops.recurrence.cells.gru_step": {"params": THREE, "h": floats(1, 3), "x": floats(1, 2)},
    "ops.recurrence.cells.lstm_step": {"params": FOUR, "state": (floats(1, 3), floats(1, 3)), "x": floats(1, 2)},
    "ops.recurrence.cells.rnn_step": {"params": CELL, "h": floats(1, 3), "x": floats(1, 2)},
    "ops.recurrence.cells.scan_cell": {"step": attn_jax.rnn_step, "params": CELL, "x": floats(1, 3, 2)}
    | {"state": jnp.zeros((1, 3)), "valid": ROW},
    "ops.attention.decode.cached_attention": TAKEN | {"cache": CACHE, "valid": ROW},
    "ops.attention.decode.decode_attention": {"query": HEADS, "cache": CACHE, "valid": ROW} | RULES,
    "ops.recurrence.delta_rule.delta_product": {
        "q": HEADS,
        "k": HEADS[:, :, None],
        "v": HEADS[:, :, None],
        "beta": BETA[:, :, None],
    }
    | {"log_decay": -abs(BETA), "initial": floats(1, 2, 4, 4), "chunk_size": 2},
    "ops.recurrence.delta_rule.delta_rule": QKV
    | {"beta": BETA, "log_decay": -abs(BETA), "initial": floats(1, 2, 4, 4), "chunk_size": 2},
    "ops.attention.dense.attention_reference": TAKEN | RULES | CALLED | RETURNED,
    "ops.attention.dense.attention_weights": {"query": HEADS, "key": HEADS} | RULES | CALLED,
    "ops.recurrence.feature_maps.elu_plus_one": {"x": X},
    "ops.recurrence.feature_maps.orthogonal_projection": {"key": KEY, "num_features": 3, "head_dim": 2},
    "ops.recurrence.feature_maps.positive_random_features": {"x": X, "projection": floats(3, 8)},
    "ops.recurrence.feature_maps.relu": {"x": X},
    "ops.recurrence.gated_linear_attention.gated_linear_attention": QKV
    | {"log_decay": -abs(HEADS), "initial": floats(1, 2, 4, 4), "chunk_size": 2},
    "ops.recurrence.linear_attention.linear_attention": QKV
    | {"initial": floats(1, 2, 4, 5), "normalise": True, "chunk_size": 2},
    "ops.recurrence.linear_scan.linear_scan": {"a": floats(1, 3), "b": floats(1, 3), "initial": floats(1), "axis": 1},
    "ops.attention.merge.merge_attention": {"outs": floats(2, 3, 1, 4), "lses": floats(2, 3, 1), "axis": 0},
    "ops.recurrence.mlstm.mlstm": QKV | {"log_input": BETA, "log_forget": BETA, "chunk_size": 2},
    "ops.recurrence.newton_scan.newton_scan": {"f": lambda p, h, x: 0.5 * h + x, "params": (), "initial": floats(2)}
    | {"xs": floats(3, 2), "max_iterations": 2},
    "ops.norms.layer_norm": {"x": X, "gain": floats(8), "bias": floats(8), "eps": 1e-6},
    "ops.norms.rms_norm": {"x": X, "gain": floats(8), "eps": 1e-6},
    "ops.positions.alibi_slopes": {"num_heads": 8},
    "ops.positions.learned": {"positions": PLACES, "table": floats(4, 2)},
    "ops.positions.randomised_positions": {"key": KEY, "length": 3, "max_position": 9, "used": 2},
    "ops.positions.relative_buckets": {"relative_position": PLACES, "num_buckets": 8, "max_distance": 9}
    | {"bidirectional": True},
    "ops.positions.rotary": {"x": HEADS, "positions": PLACES, "base": 10.0, "dim": 2, "interleaved": True},
    "ops.positions.sinusoidal": {"positions": PLACES, "d_model": 8, "base": 10.0},
    "ops.attention.retrieval.attend": {
        "query": floats(2),
        "keys": floats(3, 2),
        "values": floats(3, 2),
        "mask": ROW[0],
    },
    "ops.attention.retrieval.single_head_attention": {"query": X, "key": X, "value": X, "mask": ROW},
    "ops.attention.similarities.additive": {
        "query": floats(2),
        "keys": floats(3, 2),
        "w_q": floats(2, 4),
        "w_k": floats(2, 4),
    }
    | {"v": floats(4)},
    "ops.attention.similarities.bilinear": {"query": floats(2), "keys": floats(3, 2), "weights": floats(2, 2)},
    "ops.attention.similarities.cosine": {"query": floats(2), "keys": floats(3, 2), "strength": 2.0},
    "ops.attention.similarities.dot_product": {"query": floats(2), "keys": floats(3, 2)},
    "ops.attention.similarities.init_additive": {"key": KEY, "query_size": 2, "key_size": 3, "hidden_size": 4},
    "ops.attention.similarities.init_bilinear": {"key": KEY, "query_size": 2, "key_size": 3},
    "ops.attention.similarities.scaled_dot_product": {"query": floats(2), "keys": floats(3, 2)},
    "ops.attention.sinks.add_sinks": {"out": HEADS, "lse": BETA, "sinks": floats(2)},
    "layers.conv.causal_conv": {"params": {"w": floats(2, 8), "b": floats(8)}, "x": X, "state": floats(1, 1, 8)}
    | {"valid": ROW},
    "layers.conv.init_causal_conv": {"key": KEY, "channels": 2, "kernel_size": 3, "use_bias": True},
    "layers.conv.init_conv_state": {"batch_size": 1, "channels": 2, "kernel_size": 3},
    "layers.conv.long_conv": {"x": X, "filters": floats(3, 8)},
    "layers.dropout.dropout": {"rate": 0.5, "x": X, "key": KEY},
    "layers.dropout.fold_in": {"key": KEY, "index": 2},
    "layers.embedding.embedding": {"params": {"table": floats(5, 2)}, "tokens": PLACES},
    "layers.embedding.init_embedding": {"key": KEY, "num_rows": 3, "d_model": 2, "scale": 1.0},
    "layers.embedding.unembedding": {"params": {"table": floats(5, 8)}, "x": X, "bias": floats(5)},
    "layers.initializers.glorot_uniform": {"key": KEY, "d_in": 2, "d_out": 3, "parts": 2},
    "layers.initializers.orthogonal": {"key": KEY, "d": 3, "parts": 2},
    "layers.linear.init_linear": {"key": KEY, "d_in": 2, "d_out": 3, "use_bias": True},
    "layers.linear.linear": {"params": {"w": floats(8, 2), "b": floats(2)}, "x": X},
    "layers.mlp.init_mlp": {"key": KEY, "d_model": 2, "d_ff": 3},
    "layers.mlp.mlp": {"params": MLP, "x": X},
    "layers.multi_head.init_multi_head_attention": {"key": KEY, "d_model": 8, "num_heads": 2, "num_kv_heads": 1}
    | {"head_dim": 4, "value_dim": 3, "use_bias": True, "qk_norm": True},
    "layers.multi_head.merge_heads": {"params": MULTI, "heads": HEADS},
    "layers.multi_head.multi_head_attention": {"params": MULTI, "x_q": X, "x_kv": X, "q_offset": 1, "is_causal": True}
    | {"position": attn_jax.rotary},
    "layers.multi_head.project_heads": {"params": MULTI, "x_q": X, "x_kv": X},
    "layers.multi_head.project_memory": {"params": MULTI, "x_kv": X},
    "layers.multi_head.project_query": {"params": MULTI, "x_q": X},
    "layers.multi_head_by_vmap.multi_head_by_vmap": {"params": MULTI, "x_q": X, "x_kv": X, "is_causal": True},
    "layers.norm.init_norm": {"kind": "layer", "d_model": 8},
    "layers.norm.norm": {"kind": "layer", "params": {"g": floats(8), "b": floats(8)}, "x": X},
    "layers.positions.add_positions": {"kind": "sinusoidal", "params": {}, "x": X, "places": PLACES},
    "layers.positions.init_positions": {"kind": "learned", "key": KEY, "max_tokens": 3, "d_model": 2},
    "nn.attention_fn.attention_fn": TAKEN
    | RULES
    | {"dropout_rng": KEY, "dropout_rate": 0.5, "broadcast_dropout": True, "deterministic": False, "is_causal": True},
}
# Public, and not of arrays: (a class, a table, a function of functions); or tried by calls of its own below.
NO_ARRAYS = {
    *("ops.arguments." + name for name in ("takes", "array", "floats", "integers", "whole", "flag", "random_key")),
    *(
        "ops.attention.intervals." + name
        for name in ("block_map", "span", "unknown", "intersect", "unite", "complement")
    ),
    *(
        "ops.attention.intervals.static_integer",
        "ops.recurrence.linear_scan.fastest_form",
        "ops.norms.accumulator",
        "ops.padding.prefix",
    ),
    *("ops.arguments." + name for name in ("share", "number", "scalar", "one_of")),
    *("ops.attention.scores.compose", "layers.rows.over_rows", "layers.decay.spared"),
    *("models.base.vocabulary", "models.decoder_only.decoder_only", "models.greedy.greedy_decode"),
    *("models.sequence_model.classic", "models.stack.make_groups", "models.stack.without_last"),
    "ops.attention.explain.explain_attention",
    *(
        "ops.recurrence.chunks.decays_between",
        "ops.recurrence.mlstm.stabilise",
        "models.decoder_only.pack",
    ),  # inner forms
}


def documented():
    """Every function with an example, as module.function."""
    for package in ("ops", "layers", "nn", "models"):
        for path in sorted((PACKAGE / package).rglob("*.py")):
            module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
            for node in ast.parse(path.read_text()).body:
                public = isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
                if public and ">>>" in (ast.get_docstring(node) or ""):
                    yield f"{module}.{node.name}"


def function_of(name):
    module, _, function = name.rpartition(".")
    return getattr(importlib.import_module(f"attn_jax.{module}"), function)


def missing(calls):
    """Public functions without a row."""
    exported = {
        f"{x.__module__.removeprefix('attn_jax.')}.{name}"
        for name, x in vars(attn_jax).items()
        if name in attn_jax.__all__ and callable(x) and not isinstance(x, type) and hasattr(x, "__module__")
    }
    return (exported | set(documented())) - set(calls) - NO_ARRAYS - {"ops.masks.Mask", "typing.State"}


def test_every_public_function_has_a_row():
    assert not missing(CALLS)
    assert missing({name: row for name, row in CALLS.items() if "sinusoidal" not in name}) == {
        "ops.positions.sinusoidal"
    }
    assert set(CALLS) <= set(documented())


def vary(change, arguments):
    """Arguments with their arrays and numbers in another form; what stands in params stays NumPy's."""
    return {name: x if name == "params" else change(name, x) for name, x in arguments.items()}


def as_lists(name, x):
    """As Python's own, but for what is a pair, and a key, whose words no list can tell from integers."""
    if x is KEY or name == "xs":
        return x
    if isinstance(x, tuple):
        return tuple(as_lists(name, part) for part in x) if name == "state" else list(x)
    return x.tolist() if isinstance(x, (np.ndarray, np.generic)) else x


def as_scalars(name, x):
    """Numbers as NumPy's scalars."""
    kinds = {bool: np.bool_, int: np.int64, float: np.float32}
    return kinds[type(x)](x) if type(x) in kinds else x


def as_jax(name, x):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf, x)


FORMS = {
    "NumPy": lambda name, x: x,
    "lists": as_lists,
    "scalars": as_scalars,
    "both": lambda name, x: as_scalars(name, as_lists(name, x)),
}


def shapes(name, arguments):
    """What a call gives, without computing it: only concrete arguments tell NumPy's from others."""
    return jax.eval_shape(lambda: function_of(name)(**arguments))


@pytest.fixture(params=["plain", pytest.param("strict ranks", marks=pytest.mark.exhaustive), "x64"])
def setting(request):
    """How a user may have set JAX."""
    if request.param == "strict ranks":
        with jax.numpy_rank_promotion("raise"):
            yield request.param
    else:
        with jax.enable_x64(request.param == "x64"):
            yield request.param


@pytest.mark.parametrize("name", CALLS)
def test_public_functions_take_numpy_lists_and_scalars(name, setting):
    with jax.debug_key_reuse(False):
        want = shapes(name, vary(as_jax, CALLS[name]))
        for form, change in FORMS.items():
            got = shapes(name, vary(change, CALLS[name]))
            same = jax.tree.map(lambda a, b: a.shape == b.shape, got, want)
            assert all(jax.tree.leaves(same)), form
            if setting != "x64":  # where Python's floats are float64
                assert jax.tree.map(lambda a: a.dtype, got) == jax.tree.map(lambda a: a.dtype, want), form


DEAR = {"attention", "cache", "decode", "delta_rule", "dense", "gated_linear_attention", "linear_attention", "mlstm"}
DEAR |= {"attention_fn", "cells", "linear_scan", "multi_head", "multi_head_by_vmap", "newton_scan"}
CHEAP = [name for name in CALLS if name.split(".")[1] not in DEAR and "key" not in CALLS[name]]  # to compile


def differing(names):
    """Of these functions, those that give another value for lists and NumPy's scalars than for JAX's arrays."""
    changes = (as_jax, FORMS["both"])

    @functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def program():
        return {name: [function_of(name)(**vary(change, CALLS[name])) for change in changes] for name in names}

    def same(want, got):
        pairs = zip(jax.tree.leaves(want), jax.tree.leaves(got), strict=True)
        return all(np.allclose(a, b, atol=1e-6, equal_nan=True) for a, b in pairs)

    with jax.debug_key_reuse(False):
        values = jax.device_get(program())
    return {name for name, (want, *others) in values.items() if not all(same(want, got) for got in others)}


def test_public_functions_give_the_same_values_for_lists_and_scalars():
    assert len(CHEAP) > 20 and not differing(CHEAP)


def test_a_list_that_is_read_wrongly_is_seen(monkeypatch):
    read = arguments.array
    monkeypatch.setattr(arguments, "array", lambda name, x, *a: read(name, x[::-1] if type(x) is list else x, *a))
    assert differing(["ops.norms.rms_norm"])


FREE = {"params", "cache", "step", "f", "xs", "position"}  # pytrees and functions
SKIPPED = {
    ("layers.dropout.fold_in", "index"),  # JAX itself refuses it
    ("ops.recurrence.cells.lstm_gates", "state"),
    ("ops.recurrence.cells.lstm_step", "state"),
    ("ops.recurrence.cells.scan_cell", "state"),
}


@pytest.mark.parametrize("name", CALLS)
def test_public_functions_name_what_they_refuse(name):
    with jax.debug_key_reuse(False):
        for argument, x in CALLS[name].items():
            if argument in FREE or (name, argument) in SKIPPED:
                continue
            for wrong in ("words", object(), [[1.0], [1.0, 2.0]], 1.5 if isinstance(x, int) else {"a": 1}):
                with pytest.raises(ValueError, match=rf"^{argument}\b") as caught:
                    shapes(name, CALLS[name] | {argument: wrong})
                assert len(str(caught.value)) <= 300


CLASSES = {  # class: (its arrays and numbers as NumPy's, where it goes)
    "Causal": ({"offset": np.array([1])}, "mask"),
    "Dense": ({"array": np.ones((3, 3), bool)}, "mask"),
    "Lengths": ({"q": np.array([2]), "k": np.array([3])}, "mask"),
    "PrefixLM": ({"n": np.array([2])}, "mask"),
    "Segments": ({"q": np.array([0, 0, 1])}, "mask"),
    "SlidingWindow": ({"left": 2, "right": 1}, "mask"),
    "ALiBi": ({"slopes": floats(2)}, "score_mod"),
    "RelativeBias": ({"table": floats(8, 2)}, "score_mod"),
    "SoftCap": ({"cap": 2.0}, "score_mod"),
}
# What holds no array of a user's: tables, contracts, results, and functions with their parameters as they are.
NO_FIELDS = {"MIXERS", "TASKS", "IO", "Batch", "BlockMap", "Explanation", "Floor", "KVCache", "Mask", "MaskFn", "Mixer"}
NO_FIELDS |= {"MixerConfig", "Model", "ModelConfig", "Retrieval", "ScoreMod", "ScoreModification", "Task", "TaskConfig"}
NO_FIELDS |= {"TaskSpec", "__version__"}


def test_every_public_class_has_a_row():
    functions = {name.rpartition(".")[2] for name in set(CALLS) | NO_ARRAYS}
    assert set(attn_jax.__all__) == functions & set(attn_jax.__all__) | set(CLASSES) | NO_FIELDS


@pytest.mark.parametrize("name", CLASSES)
def test_masks_and_modifications_take_numpy_lists_and_scalars(name):
    fields, place = CLASSES[name]

    def call(change=lambda name, x: x, **wrong):
        made = getattr(attn_jax, name)(**vary(change, fields) | wrong)
        return attn_jax.dot_product_attention(**TAKEN, **{place: made})

    for change in FORMS.values():
        assert jax.eval_shape(functools.partial(call, change)).shape == HEADS.shape
    for field in fields:
        for wrong in ("words", object(), [[1.0], [1.0, 2.0]]):
            with pytest.raises(ValueError, match=rf"^{name}\.{field}\b") as caught:
                jax.eval_shape(functools.partial(call, **{field: wrong}))
            assert len(str(caught.value)) <= 300


TOKENS, CHANNELS = IO(num_classes=5, vocab_size=5), IO(num_classes=5, channels=2)


def sizes(tree):
    return [leaf.shape for leaf in jax.tree.leaves(tree)]


@pytest.mark.sampled(22)
@pytest.mark.parametrize("name", MIXERS)
def test_mixers_take_numpy_and_lists(name, setting):
    mixer = replace(MIXERS[name], d_model=8).make()

    def run(change):
        params = jax.tree.map(np.asarray, drawn) if change is not as_jax else drawn
        x, valid = change("x", X), change("valid", ROW)
        first = mixer.apply(params, x, valid), mixer.inspect(params, x, valid)
        if mixer.extend is None:
            return first
        return first, mixer.extend(params, x, mixer.init_state(params, np.int64(1), np.int64(4)), valid)

    with jax.debug_key_reuse(False):
        drawn = jax.tree.map(lambda w: jnp.zeros(w.shape, w.dtype), jax.eval_shape(lambda: mixer.init(KEY)))
        assert {w.dtype for w in jax.tree.leaves(drawn)} == {jnp.dtype(jnp.float32)}
        want = jax.eval_shape(lambda: run(as_jax))
        for change in (as_lists, FORMS["NumPy"]):
            assert sizes(jax.eval_shape(functools.partial(run, change))) == sizes(want)


def model_calls(name, change):
    """(parameters as drawn, a function of parameters that calls every function of a model)."""
    config = replace(MODELS.get(name, MODELS["sequence_model"]), d_model=8)
    io = CHANNELS if name == "channels" else TOKENS
    model = decoder_only(config.make(io, 9)) if name == "decoder_only" else config.make(io, 9)
    inputs, valid = change("inputs", floats(1, 3, 2) if name == "channels" else PLACES[None]), change("valid", ROW)

    def one(params):
        state = model.init_state(params, np.int64(1), np.int64(4))
        outputs = model.apply(params, inputs, valid), model.inspect(params, inputs, valid)
        return outputs, model.embed(params, inputs), model.extend(params, inputs, state, valid)

    def pair(params):
        outputs = model.apply(params, inputs, valid, inputs), model.inspect(params, inputs, valid, inputs)
        said = greedy_decode(model, params, inputs, valid, np.int64(2), bos=np.int64(3), eos=np.int64(4))
        return outputs, said, model.extend(params, inputs, model.encode(params, inputs, valid, np.int64(4)))

    return model, pair if hasattr(model, "encode") else one


@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", [*MODELS, "channels", "decoder_only"])
def test_models_take_numpy_and_lists(name, setting):
    with jax.debug_key_reuse(False):
        model, run = model_calls(name, as_jax)
        drawn = jax.tree.map(lambda w: jnp.zeros(w.shape, w.dtype), jax.eval_shape(lambda: model.init(KEY)))
        assert {w.dtype for w in jax.tree.leaves(drawn)} == {jnp.dtype(jnp.float32)}
        want = jax.eval_shape(lambda: run(drawn))
        for change in (as_lists, FORMS["NumPy"]):
            run = functools.partial(model_calls(name, change)[1], jax.tree.map(np.asarray, drawn))
            got = jax.eval_shape(run)
            assert sizes(got) == sizes(want)


HOLES = np.array([[False, True, True]])  # padding on the left, as other libraries write it


def refused(function, *arguments, says="valid: got padding before a valid place in row 0, wanted a prefix"):
    with pytest.raises(ValueError, match=says) as caught:
        function(*arguments)
    assert len(str(caught.value)) <= 300


@pytest.mark.parametrize("holes", [HOLES, HOLES.tolist(), jnp.asarray(HOLES)], ids=["NumPy", "list", "JAX"])
def test_padding_on_the_left_is_refused_where_it_is_known(holes):
    for function in (attn_jax.update_cache, attn_jax.append_cache):
        refused(function, RING, HEADS, HEADS, holes)
    refused(functools.partial(attn_jax.cached_attention, HEADS, HEADS, HEADS, CACHE, valid=holes))
    refused(functools.partial(attn_jax.decode_attention, HEADS, CACHE, valid=holes))
    for config in (*MIXERS.values(), GRU(form="newton")):
        mixer = replace(config, d_model=8).make()
        for function in (mixer.apply, mixer.inspect):
            refused(function, {}, X, holes)
        if mixer.extend is not None:
            refused(mixer.extend, {}, X, None, holes)
    for name in ("sequence_model", "channels"):
        model = replace(MODELS["sequence_model"], d_model=8).make(CHANNELS if name == "channels" else TOKENS, 9)
        inputs = floats(1, 3, 2) if name == "channels" else PLACES[None]
        refused(model.apply, {}, inputs, holes)
        refused(model.inspect, {}, inputs, holes)
        refused(model.extend, {}, inputs, None, holes)
    for model in (Transformer(8).make(TOKENS, 9), decoder_only(ModelConfig(8).make(TOKENS, 9))):
        says = "source_valid: got padding before a valid place in row 0"
        refused(model.apply, {}, PLACES[None], holes, PLACES[None], says=says)
        refused(model.inspect, {}, PLACES[None], holes, PLACES[None], says=says)
        refused(model.encode, {}, PLACES[None], holes, 3, says=says)


def test_padding_that_is_traced_is_trusted():
    update = jax.jit(lambda valid: attn_jax.update_cache(CACHE, HEADS, HEADS, valid).length)
    assert jax.eval_shape(update, HOLES).shape == (1,)
    assert jax.eval_shape(lambda: attn_jax.update_cache(CACHE, HEADS, HEADS, ROW).length).shape == (1,)


WRONG_INPUTS = {  # what a careless user hands a model or a mixer: (call, the beginning of the message)
    "floats for tokens": (
        lambda m: m["tokens"].apply({}, [[1.0, 2.0]], None),
        r"inputs: got dtype float32, wanted integers",
    ),
    "one row of tokens": (lambda m: m["tokens"].apply({}, [1, 2], None), r"inputs: got shape \(2,\), wanted \[B, T\]"),
    "words for tokens": (
        lambda m: m["tokens"].apply({}, [["a", "b"]], None),
        r"inputs: got \[\['a', 'b'\]\], wanted integers",
    ),
    "tokens for channels": (
        lambda m: m["channels"].apply({}, [[1, 2]], None),
        r"inputs: got dtype int32, wanted a floating",
    ),
    "other channels": (lambda m: m["channels"].apply({}, X, None), r"inputs: got shape \(1, 3, 8\), wanted .* C = 2"),
    "valid of ints": (lambda m: m["tokens"].apply({}, [[1, 2]], [[1, 0]]), r"valid: got int32\[1, 2\], wanted bool"),
    "valid of another length": (
        lambda m: m["tokens"].apply({}, [[1, 2]], [[True]]),
        r"valid: got bool\[1, 1\], wanted bool",
    ),
    "no key": (lambda m: m["tokens"].init(0), r"key: got int32\[\], wanted one key"),
    "a seed": (lambda m: m["mixer"].apply({}, X, None, key=3), r"key: got int32\[\], wanted one key"),
    "another width": (
        lambda m: m["mixer"].apply({}, floats(1, 3, 4), None),
        r"x: got shape \(1, 3, 4\), wanted .* D = 8",
    ),
    "integers": (
        lambda m: m["mixer"].apply({}, np.ones((1, 3, 8), int), None),
        r"x: got dtype int32, wanted a floating",
    ),
    "half a row": (lambda m: m["mixer"].init_state({}, 2.5, 4), r"batch_size: got 2.5, wanted an integer >= 0"),
    "less than no place": (lambda m: m["tokens"].init_state({}, 1, -4), r"max_length: got -4, wanted an integer >= 0"),
    "a state of other rows": (
        lambda m: m["mixer"].extend({}, X, np.ones((7, 8), np.float32)),
        r"state: got an array of shape \(7, 8\), wanted one of B = 1",
    ),
    "a model's state of other rows": (
        lambda m: m["tokens"].extend({}, [[1, 2]], {"position": np.zeros(7, int), "layers": ()}),
        r"state: got an array of shape \(7,\), wanted one of B = 1",
    ),
    "a decoder's state of other rows": (
        lambda m: m["pair"].extend({}, [[1, 2]], {"memory": np.zeros((7, 3, 8))}),
        r"state: got an array of shape \(7, 3, 8\), wanted one of B = 1",
    ),
    "no target": (lambda m: m["pair"].apply({}, [[1]], None, None), r"target_in: got None, wanted integers"),
    "a float of places": (lambda m: m["pair"].encode({}, [[1]], None, 2.5), r"max_length: got 2.5, wanted an integer"),
}


@pytest.mark.parametrize(("call", "says"), WRONG_INPUTS.values(), ids=WRONG_INPUTS)
def test_wrong_inputs_of_models_are_named(call, says):
    config = replace(MODELS["sequence_model"], d_model=8)
    models = {
        "tokens": config.make(TOKENS, 9),
        "channels": config.make(CHANNELS, 9),
        "mixer": GRU(8).make(),
        "pair": Transformer(8).make(TOKENS, 9),
    }
    with jax.debug_key_reuse(False):
        refused(call, models, says=f"^{says}")
