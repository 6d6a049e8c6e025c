"""Strings laid out in one row or as a source and a target, against plain Python."""

from functools import partial

import jax
import numpy as np
import pytest

from attn_jax.tasks.strings import Strings, source_and_target, strings_batch

QUESTION = np.array([[5, 6, 7, 9, 9], [6, 6, 5, 9, 9]])  # 3 letters, then what is to be ignored
ANSWER = np.array([[7, 6, 9, 9], [5, 6, 6, 9]])
LENGTHS = (2, 3)


def strings(answer_length) -> Strings:
    return Strings(QUESTION.astype(np.int32), 3, ANSWER.astype(np.int32), answer_length)


def laid_out(answer_lengths, answer_places, num_places, terminator):
    """Rows of (inputs, targets, scored)."""
    rows = []
    for question, answer, length in zip(QUESTION.tolist(), ANSWER.tolist(), answer_lengths, strict=True):
        said = answer[:length] + ([] if terminator is None else [terminator])
        padding = num_places - 3 - answer_places
        inputs = question[:3] + [8] * answer_places + [0] * padding
        targets = [0] * 3 + said + [0] * (num_places - 3 - len(said))
        rows.append((inputs, targets, [0] * 3 + [1] * len(said) + [0] * (num_places - 3 - len(said))))
    return map(list, zip(*rows, strict=True))


@pytest.mark.parametrize("terminator", [None, 4])
@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("answer_length", [2, np.array(LENGTHS)])
def test_batch(terminator, traced, answer_length):
    lay = partial(strings_batch, num_places=9, empty=8, terminator=terminator)
    if traced:
        batch = jax.jit(lay)(strings(answer_length), answer_places=4)
    else:
        batch = jax.jit(lambda: lay(strings(answer_length), answer_places=4))()
    inputs, targets, scored = laid_out(np.broadcast_to(answer_length, 2), 4, 9, terminator)
    assert batch.inputs.tolist() == inputs
    assert batch.targets.tolist() == targets
    assert batch.scored.tolist() == np.array(scored, bool).tolist()
    assert batch.weights.tolist() == scored
    assert (np.asarray(batch.valid) == (np.arange(9) < 7)).all()


@pytest.mark.parametrize("answer_length", [2, np.array(LENGTHS)])
def test_pairs(answer_length):
    batch = jax.device_get(jax.jit(lambda: source_and_target(strings(answer_length), bos=10))())
    assert batch.source.tolist() == [[5, 6, 7, 0, 0], [6, 6, 5, 0, 0]]
    assert (batch.source_valid == (np.arange(5) < 3)).all()
    for row, length in enumerate(np.broadcast_to(answer_length, 2)):
        letters = ANSWER[row, :length].tolist()
        assert batch.target[row].tolist() == [*letters, 11, *[0] * (4 - length)]
        assert batch.target_in[row].tolist() == [10, *letters, *[0] * (4 - length)]
        assert (batch.target_valid[row] == (np.arange(5) <= length)).all()
