"""The paths of fused kernels: what they lower to, what they compute where that can be run here, what they refuse.

Splash is run by Pallas' interpreter. cuDNN cannot be run without a GPU: what we hand to jax.nn is handed to its XLA
form instead, whose arguments mean the same, and the call of the kernel is looked at in programs lowered for CUDA.
"""

import functools
import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from tiers import diagonal, first

from attn_jax.ops.attention import cudnn, fused, splash
from attn_jax.ops.attention.inputs import check_inputs
from attn_jax.ops.attention.masks import Causal, Dense, Lengths, MaskFn, PrefixLM, Segments, SlidingWindow
from attn_jax.testing.oracles import attention_oracle, gradient_oracle

PATHS = {
    "cudnn": (cudnn.cudnn_attention, cudnn.why_not),
    "splash": (splash.splash_attention, splash.why_not),
}
PLATFORMS = {"cudnn": "cuda", "splash": "tpu"}
B, T, S, N, K, H = 2, 384, 256, 4, 2, 8
t, s = np.arange(T)[:, None], np.arange(S)


def draw(seed, lead=(B,), T=T, S=S, N=N, K=K, H=H, Hv=None, dtype=np.float32):
    """Query, key and value from a seed."""
    random = np.random.default_rng(seed)
    shapes = ((*lead, T, N, H), (*lead, S, K, H), (*lead, S, K, H if Hv is None else Hv))
    return tuple(jnp.asarray(random.standard_normal(shape), dtype) for shape in shapes)


def interpreted(query, key, value, *options, **named):
    """Splash on a CPU, by Pallas' interpreter."""
    x = check_inputs(query, key, value, *options, **named)
    return splash._attention(x, splash._hidden(x), interpret=True)


@pytest.fixture
def nn_for_cudnn(monkeypatch):
    """cudnn_attention with jax.nn's own XLA form in the kernel's place."""
    attention = jax.nn.dot_product_attention

    def stand_in(*arrays, implementation, local_window_size, is_causal, **options):
        assert implementation == "cudnn"
        assert local_window_size is None or (is_causal and local_window_size[1] == 0 <= local_window_size[0])
        arrays = [a if a is None else a.astype(np.float32) for a in arrays]
        return attention(*arrays, is_causal=is_causal, local_window_size=local_window_size, **options)

    monkeypatch.setattr(jax.nn, "dot_product_attention", stand_in)
    monkeypatch.setattr(cudnn, "on_platform", lambda x, *_: x)
    return lambda *arguments, **options: cudnn.cudnn_attention(check_inputs(*arguments, **options))


@pytest.fixture
def cudnn_found(monkeypatch):
    """A machine that seems to have cuDNN, for lowering alone."""
    monkeypatch.setattr("jax._src.cudnn.fused_attention_stablehlo.check_cudnn_version", lambda: 91300)


IDS = np.random.default_rng(0).integers(-1, 3, (B, T)), np.random.default_rng(1).integers(-1, 3, (B, S))
LENGTHS, ROWS = np.array([200, 0]), np.array([384, 100])
BY_HEAD = np.random.default_rng(2).random((N, 1, S)) < 0.5
SAME_ID = IDS[0][:, None, :, None] == IDS[1][:, None, None, :]
SHARED = {  # name: (options, the same as an array); rows that see nothing among them
    "none": ({}, None),
    "causal": ({"is_causal": True}, s <= t),
    "window": ({"mask": Causal(), "local_window_size": (20, 3)}, (s <= t) & (s >= t - 20)),
    "array by head": ({"mask": Dense(BY_HEAD)}, BY_HEAD),
    "Dense": ({"mask": Dense(t % 3 != 1) & Causal(), "q_offset": 0}, (t % 3 != 1) & (s <= t)),
    "lengths": (
        {"key_value_seq_lengths": jnp.asarray(LENGTHS), "query_seq_lengths": jnp.asarray(ROWS), "is_causal": True},
        ((s <= t) & (s < LENGTHS[:, None, None]) & (t < ROWS[:, None, None]))[:, None],
    ),
    "a length": ({"mask": Lengths(q=100, k=37)}, (s < 37) & (t < 100)),
    "scale": ({"scale": 0.25}, None),
}
SPLASH = SHARED | {
    "offset": ({"is_causal": True, "q_offset": 100}, s <= t + 100),
    "negative offset": ({"mask": Causal(-130)}, s <= t - 130),
    "both sides": ({"local_window_size": (100, 30), "q_offset": -40}, (s <= t - 10) & (s >= t - 140)),
    "prefix": ({"mask": PrefixLM(40)}, (s <= t) | (s < 40)),
    "algebra": ({"mask": ~Causal() | SlidingWindow(5)}, (s > t) | ((s <= t) & (s >= t - 5))),
    "function": ({"mask": lambda b, h, q, k: (q + h) % 3 == k % 3}, (t + np.arange(N)[:, None, None]) % 3 == s % 3),
    "segments": ({"segment_ids": tuple(map(jnp.asarray, IDS))}, SAME_ID),
    "segments and lengths": (
        {"segment_ids": tuple(map(jnp.asarray, IDS)), "key_value_seq_lengths": jnp.asarray(LENGTHS), "q_offset": 3},
        SAME_ID & (s < LENGTHS[:, None, None, None]),
    ),
    "segments of positions": (
        {"mask": Segments(np.pad(IDS[0], ((0, 0), (5, 2))), IDS[1].astype(np.int8)), "q_offset": 5},
        SAME_ID,
    ),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", first(SPLASH, *list(SPLASH)[::3]))
def test_splash_equals_the_oracle(name):
    options, mask = SPLASH[name]
    arrays = draw(0, Hv=5)
    out, lse = jax.jit(functools.partial(interpreted, **options))(*arrays)
    want, want_lse = attention_oracle(*arrays, mask=mask, scale=options.get("scale"))
    np.testing.assert_allclose(out, want, atol=2e-6)
    np.testing.assert_allclose(lse, want_lse, atol=4e-6)
    assert out.dtype == lse.dtype == np.float32


def test_splash_with_a_traced_offset_that_only_rows_depend_on():
    arrays = draw(0)
    attention = jax.jit(functools.partial(interpreted, query_seq_lengths=100, key_value_seq_lengths=30))
    want, want_lse = attention_oracle(*arrays, mask=(t < 100) & (s < 30))
    for got, expected in zip(attention(*arrays, q_offset=jnp.asarray(3)), (want, want_lse), strict=True):
        np.testing.assert_allclose(got, expected, atol=4e-6)


def test_splash_without_leading_dimensions_capped_in_bfloat16():
    arrays = draw(1, (), T=128, S=128, N=3, K=1, dtype=jnp.bfloat16)
    out, lse = jax.jit(functools.partial(interpreted, logits_soft_cap=2.0, scale=0.5))(*arrays)
    want, want_lse = attention_oracle(*arrays, logits_soft_cap=2.0, scale=0.5)
    assert out.shape == (128, 3, H)
    np.testing.assert_allclose(out, want, atol=2e-3)  # rounded to bfloat16 by the kernel
    np.testing.assert_allclose(lse, want_lse, atol=1e-6)


@pytest.mark.parametrize(
    "name",
    first(["none", "window", "array by head", "segments and lengths", "negative offset"], "segments and lengths"),
)
def test_gradients_of_splash_with_nan_in_padding(name):
    options, mask = SPLASH[name]
    arrays, cotangent = draw(2), draw(4)[0]
    directions = tuple(np.asarray(d, np.float64) for d in draw(3))
    dirty = arrays
    if "key_value_seq_lengths" in options:
        dirty = arrays[0], *(a.at[0, 200:].set(np.nan) for a in arrays[1:])
    pull = jax.jit(lambda *a: jax.vjp(lambda *b: interpreted(*b, **options)[0], *a)[1](cotangent))
    grads = pull(*dirty)
    got = sum((np.asarray(g, np.float64) * d).sum() for g, d in zip(grads, directions, strict=True))
    want = gradient_oracle(*arrays, cotangent, directions=directions, mask=mask)
    np.testing.assert_allclose(got, want, rtol=1e-5)
    if mask is not None:
        seen = np.broadcast_to(np.broadcast_to(mask, (B, N, T, S)).any(-1).swapaxes(1, 2), (B, T, N))
        assert not np.asarray(grads[0])[~seen].any()


@pytest.mark.exhaustive
@pytest.mark.programs(120)
def test_what_sees_nan_is_nan(nn_for_cudnn):
    for attention, dtype in ((interpreted, np.float32), (nn_for_cudnn, np.float16)):
        query, key, value = draw(17, dtype=dtype)
        for arrays in ((query, key.at[:, 5].set(np.nan), value), (query, key, value.at[:, 5].set(np.nan))):
            out, lse = jax.jit(functools.partial(attention, is_causal=True))(*arrays)
            assert np.isnan(out[:, 5:]).all()
            assert np.isfinite(lse[:, :5]).all()
    out, lse = nn_for_cudnn(*draw(18, dtype=np.float16), jnp.full((T, 1), np.nan, np.float16))
    assert np.isnan(out).all()
    assert np.isnan(lse).all()


def test_vmap_of_splash_over_any_argument():
    stacked, lengths = draw(19, (B, 3)), jnp.array([9, 200])
    attention = jax.jit(jax.vmap(lambda *a: interpreted(*a[:3], key_value_seq_lengths=a[3])[0], (1, None, 1, 0), 1))
    got = attention(stacked[0][:, :2], stacked[1][0, :2], stacked[2][:, :2], lengths)
    for i in range(2):
        arrays = stacked[0][:, i], stacked[1][0, :2], stacked[2][:, i]
        want = attention_oracle(*arrays, mask=s < np.asarray(lengths)[i])[0]
        np.testing.assert_allclose(got[:, i], want, atol=2e-6)


def test_rows_that_see_nothing_need_the_repair(monkeypatch):
    monkeypatch.setattr(splash, "where_seen", lambda seen, out, lse: (out, lse))
    arrays = draw(5)
    out, lse = jax.jit(functools.partial(interpreted, mask=Causal(-130)))(*arrays)
    assert not np.isfinite(out[:, :128]).any(), "the kernel divides by 0 where a whole block sees nothing"
    assert np.asarray(out[:, 128:130]).any()
    assert np.isfinite(lse[:, 128:130]).all()


@pytest.mark.sampled(8)
@pytest.mark.parametrize(("options", "mask"), SHARED.values(), ids=SHARED)
@pytest.mark.parametrize("lead", [(B,), (1, B)])
def test_arguments_of_cudnn_mean_the_same(nn_for_cudnn, options, mask, lead):
    arrays = draw(6, lead, dtype=jnp.float16)
    out, lse = jax.jit(functools.partial(nn_for_cudnn, **options))(*arrays)
    want, want_lse = attention_oracle(*arrays, mask=mask, scale=options.get("scale"))
    np.testing.assert_allclose(out, want, atol=2e-6)
    np.testing.assert_allclose(lse, want_lse, atol=4e-6)
    assert out.dtype == lse.dtype == np.float32


def test_bias_of_cudnn_with_hidden_pairs(nn_for_cudnn):
    random = np.random.default_rng(7)
    bias = np.where(random.random((N, T, S)) < 0.3, -np.inf, random.standard_normal((N, T, S))).astype(np.float16)
    bias[:, 9] = -np.inf
    for mask in (None, t % 5 > 0):
        arrays = draw(8, dtype=jnp.float16)
        out, lse = jax.jit(functools.partial(nn_for_cudnn, mask=mask, is_causal=True))(*arrays, bias)
        want, want_lse = attention_oracle(*arrays, bias, (s <= t) & (True if mask is None else mask))
        np.testing.assert_allclose(out, want, atol=2e-6)
        np.testing.assert_allclose(lse, want_lse, atol=4e-6)


def test_nan_in_padding_stays_out_of_cudnn(nn_for_cudnn):
    arrays = draw(9, dtype=jnp.float16)
    lengths = {"key_value_seq_lengths": jnp.array([200, 10]), "query_seq_lengths": jnp.array([384, 100])}
    dirty = arrays[0].at[1, 100:].set(np.nan), *(a.at[:, 200:].set(np.nan) for a in arrays[1:])
    pull = jax.jit(jax.grad(lambda *a: nn_for_cudnn(*a, **lengths)[0].sum(), (0, 1, 2)))
    for got, want in zip(pull(*dirty), pull(*arrays), strict=True):
        np.testing.assert_array_equal(got, want)


def kernel_calls(text):
    """The kernels called in a lowered program, with cuDNN's settings."""
    calls = re.findall(r'stablehlo\.custom_call @(tpu_custom_call|__cudnn\S+?)\(.*?(backend_config = ".*?[^\\]")', text)
    return [(name, json.loads(config[18:-1].replace("\\22", '"')) if "cudnn" in name else {}) for name, config in calls]


def lowered(path, arrays, platform, *, gradient=False, **options):
    """A program for a platform, as text."""

    def value(*a):
        return path(check_inputs(*a, **options))[0]

    def loss(*a):
        return value(*a).astype(jnp.float32).sum()

    function = jax.jit(jax.grad(loss, (0, 1, 2)) if gradient else value)
    return function.trace(*arrays).lower(lowering_platforms=(platform,)).as_text()


@pytest.mark.parametrize(("gradient", "dtype"), diagonal([False, True], [np.float32, jnp.bfloat16]))
def test_splash_lowers_and_exports_for_tpu(gradient, dtype):
    arrays, options = draw(10, dtype=dtype), {"is_causal": True, "key_value_seq_lengths": jnp.array([200, 0])}
    text = lowered(splash.splash_attention, arrays, "tpu", gradient=gradient, **options)
    assert len(kernel_calls(text)) == (3 if gradient else 1), "forward once, and once for each of dq and dk with dv"
    assert f"{T}x{S}" not in text
    artifact = export.export(
        jax.jit(lambda *a: splash.splash_attention(check_inputs(*a, **options))), platforms=["tpu"]
    )(*arrays)
    assert export.deserialize(artifact.serialize()).platforms == ("tpu",)


CUDNN = {  # options -> settings of the kernel
    "none": ({}, ("__cudnn$fmhaSoftmax", "NO_MASK", 0)),
    "causal": ({"is_causal": True}, ("__cudnn$fmhaSoftmax", "CAUSAL", 0)),
    "window": ({"is_causal": True, "local_window_size": (20, 0)}, ("__cudnn$fmhaSoftmax", "CAUSAL", 21)),
    "last query": ({"is_causal": True, "q_offset": S - 1}, ("__cudnn$fmhaSoftmax", "NO_MASK", 0)),
    "lengths": ({"key_value_seq_lengths": jnp.array([3, 0])}, ("__cudnn$fmhaSoftmax", "PADDING", 0)),
    "causal lengths": (
        {"query_seq_lengths": jnp.array([3, 0]), "mask": Causal()},
        ("__cudnn$fmhaSoftmax", "PADDING_CAUSAL", 0),
    ),
    "array": ({"mask": np.ones((T, 1), bool)}, ("__cudnn$fmhaScaleBiasSoftmax", "NO_MASK", 0)),
    "bias": (
        {"bias": jnp.zeros((N, T, S), jnp.bfloat16), "is_causal": True},
        ("__cudnn$fmhaScaleBiasSoftmax", "CAUSAL", 0),
    ),
}


@pytest.mark.parametrize(("options", "settings"), CUDNN.values(), ids=CUDNN)
def test_cudnn_lowers_for_cuda(cudnn_found, options, settings):
    arrays = draw(11, dtype=jnp.bfloat16)
    ((name, config),) = kernel_calls(lowered(cudnn.cudnn_attention, arrays, "cuda", **options))
    config = config["cudnn_fmha_backend_config"]
    assert (name, config["mask_type"], config["sliding_window_length"]) == settings
    backward = kernel_calls(lowered(cudnn.cudnn_attention, arrays, "cuda", gradient=True, **options))
    assert [call[0] for call in backward] == [settings[0], settings[0] + "Backward"]


def test_kernel_calls_twin():
    text = lowered(lambda x: (jax.nn.dot_product_attention(x.query, x.key, x.value), 0), draw(12), "tpu")
    assert kernel_calls(text) == []


@pytest.mark.parametrize("name", ["cudnn", "splash"])
def test_other_platforms_are_refused_when_lowered(cudnn_found, name):
    path, _ = PATHS[name]
    arrays = draw(13, dtype=jnp.bfloat16)
    run = jax.vmap(lambda *a: path(check_inputs(*a))[0])
    message = rf"^implementation: got '{name}' in a program for cpu, wanted one for (cuda|tpu) alone"
    for function in (run, jax.jit(run), jax.grad(lambda *a: run(*a).astype(jnp.float32).sum())):
        with pytest.raises(ValueError, match=message):
            function(*arrays)
    with pytest.raises(ValueError, match=f"^implementation: got '{name}' in a program for (cpu, )?(cuda|tpu), "):
        export.export(jax.jit(run), platforms=["cuda", "tpu"])(*arrays)


def test_no_cudnn_is_said():
    reason = cudnn.why_not(check_inputs(*draw(14, dtype=jnp.bfloat16)))
    assert re.match(r"implementation: got 'cudnn', which JAX .* refuses here: cuDNN is not detected", reason)
    with pytest.raises(ValueError, match=r"^implementation: got 'cudnn', which JAX"):
        cudnn.cudnn_attention(check_inputs(*draw(14, dtype=jnp.bfloat16)))


def test_what_jax_says_of_head_sizes_is_passed_on(cudnn_found):
    reason = cudnn.why_not(check_inputs(*draw(15, H=200, dtype=jnp.bfloat16)))
    assert re.search("head dim must be <= 128 .* got 200", reason)
    assert cudnn.why_not(check_inputs(*draw(15, H=128, dtype=jnp.bfloat16))) is None


@pytest.mark.parametrize("name", ["cudnn", "splash"])
def test_a_gradient_through_lse_is_refused(cudnn_found, name):
    path, _ = PATHS[name]
    arrays = draw(16, dtype=jnp.bfloat16)

    def loss(*a):
        out, lse = path(check_inputs(*a))
        return out.sum() + lse.sum()

    with pytest.raises(ValueError, match=f"^implementation: got '{name}' and a gradient through lse"):
        jax.jit(jax.grad(loss)).trace(*arrays)
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jit(lambda *a: jax.jvp(loss, a, a)).trace(*arrays).lower(lowering_platforms=(PLATFORMS[name],))
    value = jax.grad(lambda *a: path(check_inputs(*a))[0].sum())
    with pytest.raises((NotImplementedError, ValueError, AssertionError)):
        jax.jit(jax.grad(lambda *a: value(*a).astype(jnp.float32).sum())).trace(*arrays)


def test_an_lse_without_gradient_passes():
    double = jax.grad(lambda x: x * 2 + jax.lax.stop_gradient(fused.without_gradient(x, "splash")))
    assert double(1.0) == jax.jit(double)(1.0) == 2


QUERY, KEY, VALUE = (np.zeros(shape, jnp.bfloat16) for shape in ((B, T, N, H), (B, S, K, H), (B, S, K, H)))
BOTH = {  # changed arguments: what both refuse
    "mixed": ({"key": KEY.astype(np.float32)}, "key: got float32"),
    "no rows": ({"query": QUERY[:, :0]}, r"query, key: got shapes \(2, 0, 4, 8\)"),
    "score_mod": ({"score_mod": lambda score, b, h, q, k: score * 2}, "score_mod: got function"),
    "scales": ({"scale": np.ones(S, np.float32)}, r"scale: got shape .*: a scalar"),
    "dropout": ({"dropout_rate": 0.5, "dropout_key": np.zeros(2, np.uint32)}, "dropout_rate: got 0.5"),
    "precision": ({"precision": "highest"}, "precision: got 'highest'"),
    "offset": ({"is_causal": True, "q_offset": np.array([0, 1])}, r"q_offset: got one that is traced or \[B\]"),
    "two rows of lengths": (
        {"mask": Lengths(q=np.array([3, 4])), "q_offset": np.array([0, 1])},
        r"q_offset: got .* where Lengths\(q\)",
    ),
}
REFUSED = {f"{kernel}: {name}": case for kernel in ("cudnn", "splash") for name, case in BOTH.items()}
REFUSED |= {
    "cudnn: float32": (
        {"query": QUERY.astype(np.float32), "key": KEY.astype(np.float32), "value": VALUE.astype(np.float32)},
        "query: got float32, wanted what the cudnn kernel computes: one of bfloat16, float16",
    ),
    "cudnn: head size": ({"query": QUERY[..., :7], "key": KEY[..., :7]}, "query: got head size H = 7"),
    "cudnn: value size": ({"value": VALUE[..., :4]}, "value: got head size Hv = 4"),
    "cudnn: scale": ({"scale": "traced"}, "scale: got a traced number"),
    "cudnn: cap": ({"logits_soft_cap": 2.0}, "logits_soft_cap: got 2.0"),
    "cudnn: bias": ({"bias": np.zeros((T, S), np.float32)}, "bias: got float32"),
    "cudnn: right": ({"local_window_size": (4, 1)}, r"mask: got keys s - t in \[-4, 1\] .*Dense\(mask"),
    "cudnn: left alone": ({"local_window_size": (4, None)}, r"mask: got keys s - t in \[-4, inf\]"),
    "cudnn: shifted": ({"is_causal": True, "q_offset": 3}, r"mask: got keys s - t in \[-inf, 3\]"),
    "cudnn: segments": ({"segment_ids": IDS}, "mask: got Segments, wanted Causal"),
    "cudnn: function": ({"mask": lambda b, h, q, k: q >= k}, "mask: got MaskFn"),
    "cudnn: or": ({"mask": Causal() | Lengths(k=3)}, "mask: got Or"),
    "cudnn: causal by row": ({"mask": Causal(np.array([0, 1]))}, "mask: got Causal with an offset"),
    "splash: float16": ({"query": QUERY.astype(np.float16)}, "query: got float16"),
    "splash: T": ({"query": QUERY[:, :100]}, "query: got T = 100, wanted .* multiple of 128"),
    "splash: S": ({"key": KEY[:, :100], "value": VALUE[:, :100]}, "key: got S = 100"),
    "splash: bias": ({"bias": np.zeros((T, S), np.float32)}, r"bias: got float32\[1, 1, 384, 256\]"),
    "splash: cap": ({"logits_soft_cap": "traced"}, "logits_soft_cap: got a traced number"),
    "splash: by row": (
        {"mask": Dense(np.arange(B)[:, None, None, None] + s > 3)},
        "mask: got Dense that differs between",
    ),
    "splash: function by row": ({"mask": MaskFn(lambda b, h, q, k: k > b)}, "mask: got MaskFn that differs"),
    "splash: traced array": ({"mask": "traced"}, "mask: got Dense of values that are traced"),
    "splash: two segments": ({"segment_ids": IDS, "mask": Segments(*IDS)}, "segment_ids, mask: got two Segments"),
    "splash: positions": ({"mask": Segments(*IDS), "q_offset": 3}, "mask: got Segments with ids of 384 positions for"),
    "splash: ids": (
        {"segment_ids": IDS[0][:, :256].astype(np.uint32), "query": QUERY[:, :256]},
        ".*: got ids of uint32",
    ),
    "splash: nothing": ({"mask": Causal(-T)}, "mask: got one that hides every pair"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_kernel_cannot_do_is_named(cudnn_found, case):
    changed, message = REFUSED[case]
    path, why_not = PATHS[case.split(":")[0]]
    arguments = {"query": QUERY, "key": KEY, "value": VALUE} | changed
    traced = [name for name, got in arguments.items() if isinstance(got, str) and got == "traced"]

    def ask(values):
        x = check_inputs(**(arguments | values))
        with pytest.raises(ValueError, match=f"^{message}"):
            path(x)
        assert re.match(message, why_not(x))
        return 0

    jax.eval_shape(ask, {name: np.ones((T, S), bool) if name == "mask" else np.float32(1) for name in traced})


def test_what_a_kernel_can_do_has_no_reason_against_it(cudnn_found):
    for options, _ in SHARED.values():
        assert cudnn.why_not(check_inputs(QUERY, KEY, VALUE, **options)) is None
    for options, _ in SPLASH.values():
        assert splash.why_not(check_inputs(QUERY, KEY, VALUE, **options)) is None
