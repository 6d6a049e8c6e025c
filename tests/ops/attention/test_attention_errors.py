"""Every wrong argument is a ValueError that begins with its name, on every path."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attention_cases import PATHS, each_path, jit

from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.masks import Causal, Dense, Lengths, MaskFn, Segments
from attn_jax.ops.attention.scores import ALiBi, RelativeBias, SoftCap

QUERY, KEY, VALUE = (np.zeros(shape, np.float32) for shape in ((2, 5, 4, 3), (2, 7, 2, 3), (2, 7, 2, 6)))


WRONG = {  # name: (arguments changed, what the message says)
    "query rank": ({"query": QUERY[0, 0, 0, 0]}, r"query: got rank 0"),
    "key rank beside one query": ({"query": QUERY[0, 0], "key": KEY[0, 0]}, r"key: got rank 2"),
    "key rank": ({"key": KEY[0]}, r"key: got rank 3 .*did you pass \[B, N, T, H\]\?"),
    "query dtype": (
        {"query": QUERY.astype(int)},
        r"query: got dtype int.*: query.astype\(jnp.float32\)",
    ),
    "key dtype": ({"key": KEY.astype(bool)}, r"key: got dtype bool"),
    "value dtype": ({"value": VALUE.astype(int)}, r"value: got dtype int"),
    "leading": ({"key": KEY[:1]}, r"key: got leading dimensions \(1,\), wanted query's \(2,\)"),
    "head size": ({"key": KEY[..., :2]}, r"key: got head size H = 2, query 3"),
    "no head size": ({"query": QUERY[..., :0], "key": KEY[..., :0]}, r"key: got head size H = 0"),
    "groups": ({"query": QUERY[:, :, :3]}, r"key: got K = 2 heads, wanted a divisor of N = 3"),
    "no heads": ({"key": KEY[:, :, :0], "value": VALUE[:, :, :0]}, r"key: got K = 0 heads"),
    "mismatched S": ({"value": VALUE[:, :6]}, r"value: got \[S, K\] = \(6, 2\), wanted key's \(7, 2\)"),
    "swapped layout": ({"value": VALUE.swapaxes(1, 2)}, r"value: got \[S, K\] = \(2, 7\).*did you pass"),
    "bias shape": ({"bias": np.zeros((5, 4, 7), np.float32)}, r"bias: got shape \(5, 4, 7\).*\(2, 4, 5, 7\)"),
    "bias rank": ({"bias": np.zeros((3, 2, 4, 5, 7), np.float32)}, r"bias: got shape"),
    "bias dtype": ({"bias": np.zeros((5, 7), complex)}, r"bias: got dtype complex"),
    "bias of words": ({"bias": [["a"] * 7] * 5}, r"bias: got .*, wanted an array of floats"),
    "causal": ({"is_causal": "yes"}, r"is_causal: got 'yes', wanted True or False"),
    "many causal": ({"is_causal": np.ones(2, bool)}, r"is_causal: got bool\[2\], wanted True or False"),
    "causal number": ({"is_causal": 2}, r"is_causal: got 2, wanted True or False"),
    "scale of words": ({"scale": "small"}, r"scale: got 'small', wanted a scalar"),
    "key of rbg": (
        {"dropout_rate": 0.1, "dropout_key": np.zeros(4, np.uint32)},
        r"dropout_key: got uint32\[4\], wanted one key",
    ),
    "wrapped length": (
        {"key_value_seq_lengths": np.array([1, 2**40])},
        r"key_value_seq_lengths: got 1 to 1099511627776",
    ),
    "broadcast": ({"broadcast_dropout": None}, r"broadcast_dropout: got None, wanted True or False"),
    "mask shape": ({"mask": np.ones((7, 5), bool)}, r"mask: got shape \(7, 5\)"),
    "mask dtype": ({"mask": np.ones((5, 7), np.float32)}, r"mask: got dtype float32, wanted bool"),
    "mask of ints": ({"mask": np.ones((5, 7), int)}, r"mask: got dtype int64, wanted bool .*goes into bias"),
    "mask batch": ({"mask": Causal(np.zeros(3, int))}, r"Causal.offset: got"),
    "mask array": ({"mask": Dense(np.ones((7, 5), bool))}, r"Dense.array: got"),
    "mask ids": ({"mask": Segments(np.zeros(4, int))}, r"Segments.q.*: got"),
    "cap": ({"logits_soft_cap": 0.0}, r"logits_soft_cap: got 0.0, wanted a number > 0"),
    "negative cap": ({"logits_soft_cap": -1}, r"logits_soft_cap: got -1, wanted a number > 0"),
    "cap shape": ({"logits_soft_cap": np.ones(2)}, r"logits_soft_cap: got shape \(2,\)"),
    "scale shape": ({"scale": np.ones(2)}, r"scale: got shape \(2,\), wanted .*\(2, 4, 5, 7\)"),
    "scale heads": ({"scale": np.ones((3, 1, 1))}, r"scale: got shape \(3, 1, 1\)"),
    "scale dtype": ({"scale": np.ones(7, complex)}, r"scale: got dtype complex"),
    "query lengths": ({"query_seq_lengths": np.ones(3, int)}, r"query_seq_lengths: got"),
    "key lengths": ({"key_value_seq_lengths": np.ones(2)}, r"key_value_seq_lengths: got dtype float"),
    "offset": ({"q_offset": np.zeros(3, int)}, r"q_offset: got"),
    "offset dtype": ({"q_offset": 1.5}, r"q_offset: got dtype float.*, wanted integers"),
    "window": ({"local_window_size": "wide"}, r"local_window_size: got 'wide', wanted a number, or a pair"),
    "window side": ({"local_window_size": (2, np.nan)}, r"local_window_size: got \(2, nan\)"),
    "window of keys": (
        {"local_window_size": (np.arange(6), 1)},
        r"local_window_size: got .*\[T, S\] = \[5, 7\]",
    ),
    "window of NaN": ({"local_window_size": (np.full(7, np.nan), 1)}, r"local_window_size: got \(array"),
    "window sides": ({"local_window_size": (2, 3, 4)}, r"local_window_size: got \(2, 3, 4\), wanted .*a pair"),
    "window dtype": ({"local_window_size": 2j}, r"local_window_size: got 2j"),
    "ids shape": ({"segment_ids": np.zeros((2, 5), int)}, r"segment_ids: got .*for the key, wanted .*a pair"),
    "ids dtype": (
        {"segment_ids": (np.zeros((2, 5)), np.zeros((2, 7), int))},
        r"segment_ids: got float.* for the query",
    ),
    "sinks shape": ({"sinks": np.zeros(3, np.float32)}, r"sinks: got float32\[3\], wanted floats.*\[4\]"),
    "sinks dtype": ({"sinks": np.zeros(4, int)}, r"sinks: got int"),
    "no dropout key": ({"dropout_rate": 0.1}, r"dropout_key: got None, wanted a key, since dropout_rate = 0.1"),
    "many dropout keys": (
        {"dropout_rate": 0.1, "dropout_key": np.zeros((3, 2), np.uint32)},
        r"dropout_key: got uint32",
    ),
    "no key": ({"dropout_rate": 0.1, "dropout_key": 0}, r"dropout_key: got int"),
    "rate of 1": ({"dropout_rate": 1.0}, r"dropout_rate: got 1.0, wanted .*0 <= rate < 1"),
    "negative rate": ({"dropout_rate": -0.1}, r"dropout_rate: got -0.1"),
    "rate of NaN": ({"dropout_rate": np.nan}, r"dropout_rate: got nan"),
    "mod": ({"score_mod": 3}, r"score_mod: got int, wanted a function \(score, b, h, q, k\)"),
    "slopes": ({"score_mod": ALiBi(np.ones(3))}, r"ALiBi.slopes: got float.*\[3\].*\[4\]"),
    "table": ({"score_mod": RelativeBias(np.ones((32, 3)))}, r"RelativeBias.table: got"),
    "cap mod": ({"score_mod": SoftCap(-1.0)}, r"SoftCap.cap: got -1.0"),
}


@each_path
@pytest.mark.parametrize(("changed", "message"), WRONG.values(), ids=WRONG)
@pytest.mark.programs(110)
def test_wrong_arguments_are_named(attention, changed, message):
    with pytest.raises(ValueError, match="^" + message):
        attention(**{"query": QUERY, "key": KEY, "value": VALUE} | changed)


@pytest.mark.parametrize("sizes", [(0, 4), (4,), (4, 4, 4), (4.0, 4), (-1, 4)])
def test_block_sizes_are_a_pair_of_ints(sizes):
    with pytest.raises(ValueError, match=r"^block_sizes: got .*wanted a pair \(block_q, block_k\) of ints > 0"):
        dot_product_attention(QUERY, KEY, VALUE, block_sizes=sizes)


@pytest.mark.parametrize("path", ["dense", "blockwise"])
def test_a_traced_rate_is_named(path):
    def run(rate):
        return PATHS[path](QUERY, KEY, VALUE, dropout_rate=rate, dropout_key=jax.random.key(0))

    with pytest.raises(ValueError, match=r"^dropout_rate: got .*not traced"):
        jit(run)(0.1)


ASKS = "the function asks for the value of an index or a score while it is traced"
FUNCTIONS = {  # name: (mask function, what the message says)
    "if": (lambda b, h, q, k: q >= k if b > 0 else q < k, ASKS),
    "if of many": (lambda b, h, q, k: k if h > 0 else q < k, ASKS),
    "and": (lambda b, h, q, k: q >= k and b > 0, ASKS),
    "or": (lambda b, h, q, k: q >= k or h > 0, ASKS),
    "chain": (lambda b, h, q, k: 0 <= k <= q, ASKS),
    "not": (lambda b, h, q, k: not k, ASKS),
    "in": (lambda b, h, q, k: q in (1, 2), ASKS),
    "int": (lambda b, h, q, k: int(q) >= k, ASKS),
    "numpy": (lambda b, h, q, k: np.asarray(q) >= k, ASKS),
    "list": (lambda b, h, q, k: k < [1, 2, 3, 4, 5][q], ASKS),
    "integer": (lambda b, h, q, k: q - k, "the function returns int.*wanted one array of bool"),
    "floating": (lambda b, h, q, k: (q - k) * 1.0, "the function returns float"),
    "nothing": (lambda b, h, q, k: None, "the function returns NoneType"),
    "two": (lambda b, h, q, k: (q >= k, q < k), "the function returns tuple"),
    "shape": (lambda b, h, q, k: (q >= k).any(-1), r"the function turns places .* wanted a shape that broadcasts"),
    "rank": (lambda b, h, q, k: (q >= k)[None], r"the function turns places"),
}


@each_path
@pytest.mark.parametrize(("function", "message"), FUNCTIONS.values(), ids=FUNCTIONS)
def test_mask_functions_that_are_not_elementwise_are_named(attention, function, message):
    with pytest.raises(ValueError, match=f"^mask: {message}"):
        attention(QUERY, KEY, VALUE, mask=function)


@pytest.mark.parametrize("path", ["dense", "blockwise"])
@pytest.mark.parametrize(
    "wrap", [MaskFn, lambda f: Causal() & f, lambda f: ~(f | Lengths(k=3))], ids=["fn", "and", "not"]
)
def test_functions_inside_of_masks_are_named_too(path, wrap):
    with pytest.raises(ValueError, match=f"^mask: {ASKS}"):
        PATHS[path](QUERY, KEY, VALUE, mask=wrap(FUNCTIONS["or"][0]))


MODS = {
    "if": (lambda s, b, h, q, k: s if b > 0 else -s, ASKS),
    "and": (lambda s, b, h, q, k: (q >= k and h > 0) * s, ASKS),
    "score": (lambda s, b, h, q, k: max(s, 0.0), ASKS),
    "float": (lambda s, b, h, q, k: float(s), ASKS),
    "bool": (lambda s, b, h, q, k: s > 0, "the function returns bool, wanted one array of a floating dtype"),
    "integer": (lambda s, b, h, q, k: q - k, "the function returns int"),
    "two": (lambda s, b, h, q, k: [s, s], "the function returns list"),
    "sum": (lambda s, b, h, q, k: s.sum(-1), "the function turns places"),
}


@each_path
@pytest.mark.parametrize(("function", "message"), MODS.values(), ids=MODS)
def test_score_functions_that_are_not_elementwise_are_named(attention, function, message):
    with pytest.raises(ValueError, match=f"^score_mod: {message}"):
        attention(QUERY, KEY, VALUE, score_mod=function)


def test_a_function_s_own_error_is_its_own():
    def refuses(b, h, q, k):
        raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine"):
        dot_product_attention(QUERY, KEY, VALUE, mask=refuses)


@pytest.mark.parametrize("path", ["dense", "blockwise"])
def test_functions_of_other_arguments_are_named(path):
    with pytest.raises(ValueError, match=r"^mask: .*\(b, h, q, k\): too many positional"):
        PATHS[path](QUERY, KEY, VALUE, mask=lambda q, k: q >= k)
    with pytest.raises(ValueError, match=r"^score_mod: .*\(score, b, h, q, k\): missing a required"):
        PATHS[path](QUERY, KEY, VALUE, score_mod=lambda p, s, b, h, q, k: s)


@pytest.mark.exhaustive
def test_functions_of_another_dtype_than_the_score_are_taken():
    """A float16 table, and a mask that is smaller than the scores, are no error."""
    table = jnp.ones(7, jnp.float16)
    for path in ("dense", "blockwise"):
        attention = functools.partial(PATHS[path], mask=lambda b, h, q, k: k < 5, score_mod=lambda s, *p: table[p[3]])
        out = jax.jit(attention)(QUERY, KEY, VALUE, np.zeros((5, 7), np.float16))
        assert out.dtype == jnp.float32
