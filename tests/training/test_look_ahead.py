"""What a model takes from places after the one it answers: hand-made models whose whole answer is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.mixers import Attention
from attn_jax.models import ModelConfig, RecurrentEncoderDecoder
from attn_jax.models.base import Model
from attn_jax.tasks import TASKS, MarkovChain
from attn_jax.training.objective import answers, strings
from attn_jax.training.probes import LookAhead
from attn_jax.types import IO, Batch

TASK = MarkovChain().make()
TOKENS = np.array([[0, 1, 1, 0], [1, 0, 0, 0]])
READ = np.array([[True] * 4, [True, True, True, False]])
NEXT = np.array([[1, 1, 0, 1], [0, 0, 0, 0]])  # what comes after each, the last unread
BATCH = Batch(TOKENS, NEXT, READ.astype(np.float32), READ, READ)


def reader(ahead):
    """Says 5 for the token so many places on, and nothing where that is not read: of the tokens 0, 1."""

    def apply_embedded(params, x, valid, *, key=None):
        moved = jnp.roll(jnp.where(valid[..., None], x, 0), -ahead, axis=1)
        return moved * (jnp.arange(x.shape[1]) < x.shape[1] - ahead)[:, None]

    embed = lambda params, inputs: 5.0 * jax.nn.one_hot(inputs, 2)  # noqa: E731
    return Model(lambda key: {}, embed, apply_embedded, None, None, None, lambda *args: {})


def looked(model, params=None, batch=BATCH, task=TASK):
    probe = LookAhead().make(model, answers(model, task))
    return jax.tree.map(float, jax.jit(probe.measure)(params, batch, jax.random.key(1)))


def test_an_answer_that_is_read_is_told_and_not_known():
    """Six answers of seven are read, at -log sigmoid(5); honestly nothing is known of any, ln 2 each."""
    found = looked(reader(1))
    sure = np.log1p(np.exp(-5))
    # The last of the first row and of the second are followed by nothing that is read.
    assert found["told"] == pytest.approx((5 * sure + 2 * np.log(2)) / 7, rel=1e-5)
    assert found["honest"] == pytest.approx(np.log(2), rel=1e-6)
    assert found["ahead"] == pytest.approx(3 / 6)  # s = t + 1 of the pairs s > t of 4 places


def test_what_reads_its_own_place_is_told_what_it_knows():
    found = looked(reader(0))
    right = (TOKENS == NEXT)[READ]
    assert found["told"] == pytest.approx(np.where(right, np.log1p(np.exp(-5)), np.log1p(np.exp(5))).mean(), rel=1e-5)
    assert found["honest"] == pytest.approx(found["told"], rel=1e-6)
    assert found["ahead"] == 0


@pytest.mark.exhaustive
@pytest.mark.parametrize("causal", [True, False])
def test_of_attention_the_mask_alone_decides(causal):
    mixer = Attention(num_heads=2, causal=causal, head_positions="rotary")
    model = ModelConfig(4, 1, (mixer,)).make(TASK.spec.io, 4)
    params = jax.jit(model.init)(jax.random.key(0))
    found = looked(model, params)
    assert found["ahead"] == (0 if causal else 1)
    assert (abs(found["told"] - found["honest"]) < 1e-6) == causal


def test_over_strings_there_is_nothing_to_look_at():
    task = TASKS["reverse"].make()
    size = task.spec.strings_vocab_size
    model = RecurrentEncoderDecoder(4).make(IO(num_classes=size, vocab_size=size), 6)
    assert LookAhead().make(model, strings(model, task)) is None
