"""Every registered mixer, and its options, keep the contract; broken ones are refused with a sentence that says why."""

from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiers import first

from attn_jax.mixers import GRU, LSTM, MIXERS, RNN, Attention, CutApply, Mixer, MixerConfig, cut
from attn_jax.testing import check_mixer

OPTIONS = {
    "attention grouped": Attention(
        num_heads=4, num_kv_heads=2, use_bias=True, window=3, head_positions="alibi", sinks=True, soft_cap=2.0
    ),
    "attention rotary": Attention(
        num_heads=2, num_kv_heads=1, head_positions="rotary", rotary_base=100.0, qk_norm=True
    ),
    "lstm inner": LSTM(d_inner=24, forget_bias=0.0),
    "gru inner": GRU(d_inner=8, recurrent_init="glorot"),
    "rnn glorot": RNN(recurrent_init="glorot"),
}


FIRST = ("attention", "lstm", "gated_delta_net")  # of softmax, gates and a matrix


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", first(MIXERS, *FIRST))
def test_registered(name):
    check_mixer(MIXERS[name])


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.exhaustive
def test_options(name):
    check_mixer(OPTIONS[name])


CACHED = Attention(d_model=16).make()


def apply_unlike_extend(params, x, valid=None, *, key=None):
    return GRU(d_model=16).make().apply(params, x, valid) * 1.001


def sees_the_future(params, x, valid=None, *, key=None):
    return GRU(d_model=16).make().apply(params, x, valid) + x.mean(1, keepdims=True)


def leaks_between_rows(params, x, valid=None, *, key=None):
    return GRU(d_model=16).make().apply(params, x, valid) + jnp.cumsum(x, 1).mean(0, keepdims=True)


def reads_padding(params, x, valid=None, *, key=None):
    return GRU(d_model=16).make().apply(params, x[:, ::-1], None)[:, ::-1]


def nan_in_gradients(params, x, valid=None, *, key=None):
    y = GRU(d_model=16).make().apply(params, x, None)
    return y if valid is None else jnp.where(valid[..., None], y, 0)


def wrong_dtype(params, x, valid=None, *, key=None):
    return GRU(d_model=16).make().apply(params, x, valid).astype(jnp.float32)


def advances_at_padding(params, x, state, valid=None):
    return GRU(d_model=16).make().extend(params, x, state, None)


def wrong_shape(params, x, valid=None, *, key=None):
    return GRU(d_model=16).make().apply(params, x, valid)[:, :, :8]


def wide_state(params, x, state, valid=None):
    y, state = GRU(d_model=16).make().extend(params, x, state, valid)
    return y, state.astype(x.dtype)


def without_key(params, x, valid=None):
    return GRU(d_model=16).make().apply(params, x, valid)


def divides_by_its_length(params, x, valid=None, *, key=None):
    y = GRU(d_model=16).make().apply(params, x, valid)
    return y if valid is None else y * (valid.sum(1) / valid.sum(1))[:, None, None]


def poisoned_pieces(params, x, state, valid=None):
    return jax.tree.map(lambda leaf: leaf + 0 * x.sum(), GRU(d_model=16).make().extend(params, x, state, valid))


def forgets_valid_later(params, x, state, valid=None):
    fresh = (state == 0).all()
    valid = None if valid is None else valid | ~fresh
    return GRU(d_model=16).make().extend(params, x, state, valid)


def weak_init(params, batch_size, max_length, *, dtype=jnp.float32):
    return GRU(d_model=16).make().init_state(params, batch_size, max_length, dtype=dtype), jnp.zeros(batch_size, dtype)


def weak_extend(params, x, state, valid=None):
    y, hidden = GRU(d_model=16).make().extend(params, x, state[0], valid)
    return y, (hidden, jnp.broadcast_to(1.0, x.shape[:1]))  # a weak type: jit takes the second call for another one


def clamped(params, x, state, valid=None):
    length = jnp.minimum(state.length, state.capacity - x.shape[1])  # as dynamic_update_slice does
    y, after = CACHED.extend(params, x, replace(state, length=length), valid)
    return y, replace(after, length=state.length + after.length - length)


def unflattened(params, x, valid=None, *, key=None):
    y = GRU(d_model=16).make().apply(params, x, valid)
    return y.reshape(*x.shape[:2], -1)  # of nothing, -1 is no size


def moved_by_nothing(params, x, state, valid=None):
    y, state = GRU(d_model=16).make().extend(params, x, state, valid)
    return y, state if x.shape[1] else 0.5 * state


def one_place_early(params, x, places, valid=None, *, key=None):
    y = GRU(d_model=16).make().apply(params, x, valid)
    return cut(jnp.pad(y, ((0, 0), (1, 0), (0, 0))), places)


def untrained_at(params, x, places, valid=None, *, key=None):
    return cut(GRU(d_model=16).make().apply(jax.lax.stop_gradient(params), x, valid), places)


def never_empty(params, x, valid=None, *, key=None):
    y = GRU(d_model=16).make().apply(params, x, valid)
    return y if x.shape[1] else jnp.zeros((x.shape[0], 1, 16), x.dtype)


def lazy(params, x, valid=None, *, key=None):
    return jnp.zeros_like(x)


BROKEN = {
    "apply_unlike_extend": ({"apply": apply_unlike_extend}, "differs from apply"),
    "sees_the_future": ({"apply": sees_the_future}, "not causal"),
    "leaks_between_rows": ({"apply": leaks_between_rows}, "leaks into another"),
    "nan_in_gradients": ({"apply": nan_in_gradients}, "NaN in padding makes gradients NaN"),
    "wrong_dtype": ({"apply": wrong_dtype}, "bfloat16 in gives float32 out"),
    "advances_at_padding": ({"extend": advances_at_padding}, "at the padding of a later piece"),
    "wrong_shape": ({"apply": wrong_shape}, "apply gives shape"),
    "wide_state": ({"extend": wide_state}, "changes the state's shapes or dtypes"),
    "lazy": ({"apply": lazy}, "y does not depend on x"),
    "reads_padding": (
        {"apply": reads_padding, "causal": False, "init_state": None, "extend": None},
        "NaN in padding reaches",
    ),
    "without_key": ({"apply": without_key}, "apply with a key, as in training, fails"),
    "divides_by_its_length": ({"apply": divides_by_its_length}, "a row of nothing but padding"),
    "poisoned_pieces": ({"extend": poisoned_pieces}, "makes the gradients of extend NaN|padding of a later piece"),
    "forgets_valid_later": ({"extend": forgets_valid_later}, "the gradients of extend NaN|padding of a later piece"),
    "weak_state": ({"init_state": weak_init, "extend": weak_extend}, "is traced again"),
    "no_inspect": ({"inspect": lambda params, x, valid=None: None}, "inspect gives no dict"),
    "spares_by_another_tree": (
        {"spared": lambda params: {"w": True}},
        "spared gives {'w': True}, wanted a tree of bools",
    ),
    "clamping_cache": (CACHED._asdict() | {"extend": clamped}, "a step past max_length is neither right nor NaN"),
    "blind": ({"causal": False, "init_state": None, "extend": None}, "never depends on a later x"),
    "unflattened": ({"apply": unflattened}, r"a batch of no rows \(\[0, 9, 16\]\) fails: ZeroDivisionError"),
    "moved_by_nothing": ({"extend": moved_by_nothing}, "extend by no places moves the state"),
    "one_place_early": (
        {"apply": CutApply(GRU(d_model=16).make().apply, one_place_early)},
        "apply at some places differs from apply there in its outputs",
    ),
    "untrained_at": (
        {"apply": CutApply(GRU(d_model=16).make().apply, untrained_at)},
        "differs from apply there in its parameter gradients",
    ),
    "never_empty": ({"apply": never_empty}, r"apply of sequences of no places gives shape \(2, 1, 16\)"),
    "half_causal": ({"apply": sees_the_future, "causal": False}, "init_state or extend is there"),
}


@dataclass(frozen=True)
class Broken(MixerConfig):
    flaw: str = ""

    def make(self) -> Mixer:
        return GRU(d_model=self.width).make()._replace(**BROKEN[self.flaw][0])


@pytest.mark.sampled(5)
@pytest.mark.parametrize("flaw", first(BROKEN, *list(BROKEN)[::2]))
def test_a_broken_mixer_is_refused(flaw):
    with pytest.raises(AssertionError, match=BROKEN[flaw][1]):
        check_mixer(Broken(flaw=flaw))


def test_the_cache_drops_what_is_past_its_end_and_says_nan():
    mixer = Attention(d_model=8, num_heads=2).make()
    params = jax.jit(mixer.init)(jax.random.key(0))
    x = np.random.default_rng(1).normal(size=(1, 4, 8)).astype(np.float32)
    y, state = jax.jit(lambda x: mixer.extend(params, x, mixer.init_state(params, 1, 3)))(x)
    y, whole = np.asarray(y), np.asarray(jax.jit(mixer.apply)(params, x))
    np.testing.assert_allclose(y[:, :3], whole[:, :3], atol=1e-6)
    assert np.isnan(y[:, 3]).all()
    assert state.length.tolist() == [4]


def test_a_window_bounds_the_state_and_goes_on_past_max_length():
    mixer = Attention(d_model=8, num_heads=2, window=2, head_positions="rotary", rotary_base=100.0).make()
    params = jax.jit(mixer.init)(jax.random.key(0))
    x = np.random.default_rng(1).normal(size=(1, 30, 8)).astype(np.float32)
    extend, state, pieces = jax.jit(mixer.extend), jax.jit(lambda: mixer.init_state(params, 1, 3))(), []
    for piece in np.split(x, 10, 1):
        y, state = extend(params, piece, state)
        pieces.append(y)
    assert state.keys.shape == (1, 3, 2, 4)
    whole = jax.jit(mixer.apply)(params, x)
    np.testing.assert_allclose(np.concatenate(pieces, 1), whole, atol=1e-5)
    weights = jax.jit(mixer.inspect)(params, x)["weights"]
    assert (np.count_nonzero(weights, -1) == np.minimum(np.arange(30) + 1, 3)).all()


def test_inspect_shows_what_the_mixer_does():
    x = np.random.default_rng(1).normal(size=(2, 5, 8)).astype(np.float32)

    def inspected(mixer):
        return jax.jit(lambda: mixer.inspect(mixer.init(jax.random.key(0)), x))()

    weights = np.asarray(inspected(Attention(d_model=8, num_heads=2).make())["weights"])
    assert weights.shape == (2, 2, 5, 5)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)
    assert inspected(LSTM(d_model=8, d_inner=6).make())["hidden"].shape == (2, 5, 6)


def test_the_forget_bias_is_on_the_forget_gate():
    params = jax.jit(LSTM(d_model=3, forget_bias=2.5).make().init)(jax.random.key(0))
    np.testing.assert_array_equal(np.reshape(params["cell"]["b"], (4, 3)), [[0] * 3, [2.5] * 3, [0] * 3, [0] * 3])


D, H, PLACES = 16, 4, 7  # of a mixer of width 16 with 4 heads, and a cache of 7 places
STATE = {  # floats a sequence
    "attention": 2 * PLACES * D,
    "attention grouped": 2 * 4 * D // 2,  # a window of 4 places, half the heads
    "attention rotary": 2 * PLACES * D // 2,
    "rnn": D,
    "rnn glorot": D,
    "lstm": 2 * D,
    "lstm inner": 2 * 24,
    "gru": D,
    "gru inner": 8,
    "min_gru": D,
    "min_lstm": D,
    "lru": 2 * D,  # complex
    "s4d": 2 * 32 * D,
    "mamba": 2 * D * 16 + 3 * 2 * D,  # the state, and three places of the convolution
    "mamba_signed": 2 * D * 16 + 3 * 2 * D,
    "linear_attention": D * (H + 1),  # H x (P + 1) a head: values and normaliser
    "retention": D * H,
    "gated_linear_attention": D * H,
    "delta_net": D * H,
    "gated_delta_net": D * H,
    "delta_product": D * H,
    "mlstm": D * (H + 1) + 4,  # and the stabiliser of 4 heads
    "slstm": 4 * D,
    "stack_rnn": D + 40 * 8,  # 40 cells of 8
    "tape_rnn": D + 40 * 8 + 40,  # and where the first cell is
    "short_conv": 3 * D,
    "hyena": 2 * 3 * D + 2 * PLACES * D,  # two places of the convolution, two long ones
}


@pytest.mark.parametrize("name", [*MIXERS, *OPTIONS])
def test_state_size_is_what_the_mixer_says(name):
    mixer = replace((MIXERS | OPTIONS)[name], d_model=D).make()
    params = jax.eval_shape(mixer.init, jax.random.key(0))
    state = jax.eval_shape(partial(mixer.init_state, batch_size=3, max_length=PLACES), params)
    floating = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    assert sum(leaf.size for leaf in floating) == 3 * STATE[name]


def test_a_width_is_asked_for():
    with pytest.raises(ValueError, match="d_model is None"):
        GRU().make().init(jax.random.key(0))
    with pytest.raises(ValueError, match="num_heads: got 3, wanted a divisor of d_model=16"):
        Attention(d_model=16, num_heads=3).make()
    with pytest.raises(ValueError, match="num_heads: got 2, head_positions='rotary' wants even D // N"):
        Attention(d_model=6, num_heads=2, head_positions="rotary").make()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Attention(num_heads=0), "num_heads: got 0"),
        (lambda: Attention(num_heads=4, num_kv_heads=3), "num_kv_heads: got 3, wanted a divisor of num_heads=4"),
        (lambda: Attention(window=-1), "window: got -1, wanted at least 0"),
        (lambda: Attention(head_positions="rotary", rotary_base=0.0), "rotary_base: got 0.0, wanted a number > 0"),
        (lambda: LSTM(recurrent_init="xavier"), "recurrent_init: got 'xavier'"),
        (lambda: GRU(d_inner=0), "d_inner: got 0"),
    ],
)
def test_a_wrong_option_is_refused_at_once(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


@pytest.mark.exhaustive
def test_a_mean_centred_output_is_no_missing_output():
    """Its channels sum to nothing, whatever x is; the check must see that it depends on x all the same."""

    @dataclass(frozen=True)
    class Centred(MixerConfig):
        def make(self):
            gru = GRU(d_model=self.width).make()
            centre = lambda y: y - y.mean(-1, keepdims=True)  # noqa: E731

            def extend(params, x, state, valid=None):
                y, state = gru.extend(params, x, state, valid)
                return centre(y), state

            def apply(params, x, valid=None, *, key=None):
                return centre(gru.apply(params, x, valid))

            return gru._replace(apply=apply, extend=extend)

    check_mixer(Centred())
