"""Probes against what is known: recurrences of a given matrix, finite differences in float64, uniform attention."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made_up import made_up

from attn_jax.mixers import RNN, Attention
from attn_jax.models import ModelConfig, RecurrentEncoderDecoder, classic
from attn_jax.models.base import EncoderDecoder, Model
from attn_jax.tasks import TASKS
from attn_jax.training.inside import inside_answers, inside_strings
from attn_jax.training.objective import answers, strings
from attn_jax.training.probes import AttentionMaps, GradientFlow, GradientNorms
from attn_jax.training.tally import Tally
from attn_jax.types import IO, Batch, StringBatch

B, T = 3, 40


def recurrence(*, detached: bool = False) -> Model:
    """h_t = a h_(t-1) + x_t, read out as it is; the parameter is a."""

    def apply_embedded(a, x, valid=None, *, key=None):
        def step(h, x):
            h = (jax.lax.stop_gradient(h) if detached else h) * a + x
            return h, h

        return jnp.swapaxes(jax.lax.scan(step, jnp.zeros_like(x[:, 0]), jnp.swapaxes(x, 0, 1))[1], 0, 1)

    return Model(lambda key: jnp.float32(0.5), lambda a, x: x, apply_embedded, None, None, None, lambda *args: {})


def channels(places=T) -> Batch:
    """Real inputs and answers, all places trained but the last five."""
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(B, T, 2)).astype(np.float32) for _ in range(2))
    trained = np.arange(T) < np.full((B, 1), places - 5)
    return Batch(x, y, trained.astype(np.float32), trained, np.ones((B, T), bool))


def flow_of(model, params, batch, config=GradientFlow(), inside=inside_answers):  # noqa: B008 -- frozen
    """What gradient flow says, as NumPy."""
    from attn_jax.training.probes.gradient_flow import measure

    return jax.tree.map(np.asarray, jax.jit(partial(measure, config, inside(model)))(params, batch, jax.random.key(1)))


def require_powers(model, a):
    """The gradient of a linear recurrence k steps back is a^k of the last one's, and its slope log10 a."""
    flow = flow_of(model, jnp.float32(a), channels(), GradientFlow(num_places=T))
    known = np.isfinite(flow["gradient"])
    np.testing.assert_array_equal(known, flow["k"] < T - 5)  # the last trained place has so many before it
    np.testing.assert_allclose((flow["gradient"] / flow["gradient"][0])[known], a ** flow["k"][known], rtol=1e-5)
    np.testing.assert_allclose(flow["slope"], np.log10(a), rtol=1e-4)


@pytest.mark.parametrize("a", [0.5, 1.1, 1e-2])
def test_gradient_flow_of_a_linear_recurrence_is_a_power(a):
    if a == 1e-2:  # where float32 ends the fit does too, and squares must not have underflowed before
        flow = flow_of(recurrence(), jnp.float32(a), channels(), GradientFlow(num_places=T))
        np.testing.assert_allclose(flow["gradient"][:16] / flow["gradient"][0], a ** np.arange(16), rtol=1e-5)
        np.testing.assert_allclose(flow["slope"], -2, rtol=1e-3)
    else:
        require_powers(recurrence(), a)


def test_a_state_that_is_detached_is_refused():
    with pytest.raises(AssertionError):
        require_powers(recurrence(detached=True), 0.5)


def test_gradient_flow_of_a_network_is_that_of_finite_differences():
    model = classic(RNN(), d_model=4, num_layers=1).make(IO(num_classes=3, vocab_size=5), 12)
    params = jax.jit(model.init)(jax.random.key(0))
    rng = np.random.default_rng(1)
    tokens, labels = rng.integers(5, size=(2, 12)), rng.integers(3, size=(2, 12))
    weights, yes = np.ones((2, 12), np.float32), np.ones((2, 12), bool)
    got = flow_of(model, params, Batch(tokens, labels, weights, yes, yes))
    p = jax.tree.map(partial(np.asarray, dtype=np.float64), params)
    x = p["embedding"]["table"][tokens]
    outputs = jax.jit(model.apply)(params, tokens, None)
    np.testing.assert_allclose(_logits(p, x)[1], np.asarray(outputs)[:, -1], rtol=1e-4, atol=1e-5)
    want = np.zeros((2, 12))
    for b, t in np.ndindex(2, 12):
        moved = [_differences(p, x, labels, b, t, d) for d in range(4)]
        want[b, t] = np.linalg.norm(moved)
    np.testing.assert_allclose(got["gradient"], want.mean(0)[::-1][got["k"]], rtol=1e-3)


def _logits(p, x):
    """States and last logits of a tanh network, float64."""
    cell, h = p["layers"][0]["mixer"]["cell"], 0.0
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ cell["w_x"] + (h @ cell["w_h"] if t else 0) + cell["b"])
    return h, h @ p["readout"]["w"] + p["readout"]["b"]


def _differences(p, x, labels, b, t, d, eps=1e-6):
    ends = []
    for sign in (1, -1):
        moved = x.copy()
        moved[b, t, d] += sign * eps
        logits = _logits(p, moved)[1][b]
        ends.append(np.log(np.exp(logits).sum()) - logits[labels[b, -1]])
    return (ends[0] - ends[1]) / (2 * eps)


def test_uniform_attention_sees_every_place_alike():
    model = ModelConfig(4, 1, (Attention(num_heads=1),), norm="none", residual=False, d_ff=0).make(
        IO(out_channels=2, channels=2), T
    )
    params = jax.jit(model.init)(jax.random.key(0))
    attention = params["layers"][0]["mixer"]
    attention["w_q"] = np.zeros_like(attention["w_q"])
    flow = flow_of(model, params, channels(T + 5))
    np.testing.assert_allclose(flow["gradient"], flow["gradient"][0], rtol=1e-5)
    np.testing.assert_allclose(flow["slope"], 0, atol=1e-6)


def test_over_strings_it_is_counted_from_the_end_of_each_source():
    """The first logit is w_s x_s summed over the source's own places, w_s = 2^s: the gradient k back halves k times."""
    S = 6
    valid = np.arange(S) < np.array([[6], [4]])

    def apply_embedded(params, x, source_valid, target_in, *, key=None):
        read = jnp.where(source_valid, x[..., 0], 0) @ (2.0 ** jnp.arange(S))
        return jnp.stack([read, -read], -1)[:, None] * jnp.ones((1, target_in.shape[1], 1))

    model = EncoderDecoder(
        *(None,) * 5, embed=lambda params, source: source[..., None] * 1.0, apply_embedded=apply_embedded
    )
    target = np.ones((2, 3), np.int32)
    batch = StringBatch(np.zeros((2, S), np.int32), valid, target, target, target > 0)
    flow = flow_of(model, None, batch, inside=inside_strings)
    np.testing.assert_allclose(flow["gradient"][:4], [20, 10, 5, 2.5])  # means of 32, 16, ... and 8, 4, ...
    np.testing.assert_allclose(flow["gradient"][4:], [2, 1])  # of the longer one alone


def test_a_model_that_does_not_embed_apart_has_no_flow():
    model = EncoderDecoder(*(None,) * 5)
    objective = strings(model._replace(init=lambda key: {}), TASKS["reverse"].make())
    assert GradientFlow().make(model, objective) is None


def test_gradient_norms_are_those_of_the_parts():
    task = TASKS["reverse"].make()
    size = task.spec.strings_vocab_size
    model = RecurrentEncoderDecoder(4).make(IO(num_classes=size, vocab_size=size), 6)
    objective = strings(model, task)
    batch = jax.jit(lambda key: objective.sample(key, 2, 3, 3))(jax.random.key(2))
    params = made_up(model.init)
    probe = GradientNorms().make(model, objective)
    got = jax.jit(probe.measure)(params, batch, jax.random.key(1))
    gradient = jax.jit(jax.grad(lambda p: objective.loss(p, batch, padded=True, key=None).mean))(params)
    norm = lambda tree: np.sqrt(sum(np.sum(np.square(leaf, dtype=np.float64)) for leaf in jax.tree.leaves(tree)))  # noqa: E731
    np.testing.assert_allclose(got["all"], norm(gradient), rtol=1e-5)
    np.testing.assert_allclose(got["decoder_0"], norm(gradient["decoder"][0]), rtol=1e-5)
    squares = [float(value) ** 2 for name, value in got.items() if name not in ("all", "exploding")]
    np.testing.assert_allclose(sum(squares), norm(gradient) ** 2, rtol=1e-5)


def test_a_gradient_explodes_above_the_norm_that_clips_and_where_it_is_no_number():
    """The loss s (x_0 + 2 x_1 + 2 x_2) has the gradient s (1, 2, 2), of norm 3 s."""
    loss = lambda params, batch, *, padded, key: Tally(batch * (params @ jnp.array([1.0, 2.0, 2.0])), jnp.ones(()))  # noqa: E731
    model = EncoderDecoder(*(None,) * 5)
    objective = strings(model, TASKS["reverse"].make(), clip=2.0)._replace(loss=loss)
    scales = np.float32([0.5, 0.7, np.nan])
    for clip, exploding in ((None, [0, 1, 1]), (1.4, [1, 1, 1])):  # training's own, and another
        probe = GradientNorms(clip=clip).make(model, objective)
        got = jax.jit(jax.vmap(probe.measure, (None, 0, None)))(jnp.zeros(3), scales, None)
        np.testing.assert_allclose(got["all"], [1.5, 2.1, np.nan], rtol=1e-6)
        assert got["exploding"].tolist() == exploding
    with pytest.raises(ValueError, match="clip: got 0"):
        GradientNorms(clip=0)


def test_maps_are_what_inspect_shows_of_the_first_sequence():
    task = TASKS["parity"].make()
    mixers = (Attention(num_heads=2), RNN())
    model = ModelConfig(4, 2, mixers).make(task.spec.io, 6)
    objective = answers(model, task)
    batch = jax.jit(lambda key: objective.sample(key, 2, 6, 6))(jax.random.key(2))
    params = made_up(model.init)
    got = jax.jit(AttentionMaps(most=4).make(model, objective).measure)(params, batch, jax.random.key(1))
    want = jax.jit(model.inspect)(params, batch.inputs, batch.valid)
    assert got.keys() == {"layer_0/weights"}
    np.testing.assert_allclose(got["layer_0/weights"], want["layer_0/weights"][0, :, :4, :4], rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: GradientFlow(when=()), "when: got"),
        (lambda: GradientFlow(when=("middle",)), "wanted some of start, chunk, end"),
        (lambda: GradientFlow(num_examples=0), "num_examples: got 0"),
        (lambda: GradientFlow(num_places=1), "num_places: got 1"),
        (lambda: AttentionMaps(most=0), "most: got 0"),
    ],
)
def test_what_cannot_be_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()
