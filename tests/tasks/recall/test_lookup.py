"""Looking up n-grams against Python's search in lists."""

import itertools
import math

import jax
import numpy as np
import pytest
from drawn import as_strings, sample

from attn_jax.tasks.recall.lookup import Lookup, floors
from attn_jax.testing.check_task import check_task

SIDES = ["prefix", "suffix"]


def first_after(string, gram):
    """The place after the first `gram` of `string`."""
    return next(i for i in range(len(string)) if string[i : i + len(gram)] == gram) + len(gram)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.exhaustive
def test_contract(side):
    check_task(Lookup(side=side), num_samples=128, floor_samples=2048)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.exhaustive
def test_contract_of_whole_answers(side):
    config = Lookup(side=side, ngram=1, num_answered=2, num_letters=2, metric="exact_match")
    assert config.make().spec.metric == "exact_match"
    check_task(config, num_samples=64, floor_samples=2048)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.exhaustive
def test_contract_where_n_grams_come_again(side):
    check_task(Lookup(side=side, ngram=1, num_answered=1, num_letters=2), num_samples=64, floor_samples=2048)


@pytest.mark.parametrize("length", [4, 6, 9])
@pytest.mark.parametrize("side", SIDES)
def test_strings_are_written_out(side, length):
    config = Lookup(side=side, ngram=2, num_answered=2, num_letters=3)  # so few letters that n-grams come again
    inputs, targets, weights, scored, valid = map(np.asarray, sample(config, jax.random.key(0), 128, length, 9))
    repeated = 0
    for row in range(128):
        tokens = inputs[row].tolist()
        at = 4 if side == "prefix" else 1
        string = tokens[at : at + length]
        gram = tokens[1:3] if side == "prefix" else tokens[length + 2 : length + 4]
        after = first_after(string, gram)
        answer = string[after : after + 2]
        repeated += sum(string[i : i + 2] == gram for i in range(length - 1)) > 1
        question = [5, *gram, 4, *string, 4] if side == "prefix" else [5, *string, 4, *gram]
        padding = [0] * (9 - length)
        assert tokens == [*question, *answer, *padding]
        assert targets[row].tolist() == [*[0] * (len(question) - 1), *answer, 3, *padding]
    assert repeated > 10
    last = len(question) - 1
    place = np.arange(inputs.shape[1])
    assert (scored == ((place >= last) & (place <= last + 2))).all()
    assert (weights == scored).all()
    assert (valid == (place <= last + 2)).all()


def test_the_mirror_asks_the_same():
    batches = [as_strings(Lookup(side=side), jax.random.key(5), 32, 12, 15) for side in SIDES]
    assert (np.asarray(batches[0].target) == np.asarray(batches[1].target)).all()
    prefix, suffix = (np.asarray(batch.source) for batch in batches)
    assert (prefix[:, :3] == suffix[:, 13:16]).all()
    assert (prefix[:, 4:16] == suffix[:, :12]).all()


def test_n_grams_are_taken_from_every_place_alike():
    config = Lookup(ngram=6, num_answered=1)  # 26^6: no 6-gram comes again
    inputs = np.asarray(sample(config, jax.random.key(0), 8000, 10, 12).inputs)
    starts = [first_after(row[8:18], row[1:7]) - 6 for row in inputs.tolist()]
    counts = np.bincount(starts, minlength=4)
    assert (abs(counts - 2000) < 5 * math.sqrt(2000)).all()


def test_answers_are_any_letter_by_enumerating_every_string():
    config = Lookup(ngram=1, num_answered=2, num_letters=3)
    counts = np.zeros((2, 3))
    for string in itertools.product(range(3), repeat=5):
        for start in range(3):
            after = first_after(list(string), [string[start]])
            counts[[0, 1], string[after : after + 2]] += 1
    assert (counts == 3**5).all()
    assert floors(config, 5)["position_and_length"][:2] == pytest.approx(((2 / 3 + 1) / 3, 2 * math.log(3) / 3))


def test_whole_answers_by_enumerating_every_string_and_guess():
    config = Lookup(ngram=1, num_answered=2, num_letters=2, metric="exact_match")
    letters = every = asked = 0
    for string in itertools.product(range(2), repeat=4):
        for start in range(2):
            after = first_after(list(string), [string[start]])
            answer = (*string[after : after + 2], 2)
            letters += sum((*guess, 2) == answer for guess in itertools.product(range(2), repeat=2))
            every += sum(guess == answer for guess in itertools.product(range(3), repeat=3))
            asked += 1
    found = floors(config, 4)
    assert found["position_and_length"].value == letters / asked / 2**2
    assert found["uniform"].value == pytest.approx(every / asked / 3**3, rel=1e-12)
    by_letter = floors(Lookup(ngram=1, num_answered=2, num_letters=2), 4)
    assert [floor.loss for floor in found.values()] == [floor.loss for floor in by_letter.values()]


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="side is 'left', wanted 'prefix' or 'suffix'"):
        Lookup(side="left")
    with pytest.raises(ValueError, match="ngram is 0, wanted at least 1"):
        Lookup(ngram=0)
    with pytest.raises(ValueError, match="num_letters is 1, wanted at least 2"):
        Lookup(num_letters=1)
    with pytest.raises(ValueError, match="metric is 'mse', wanted 'accuracy' or 'exact_match'"):
        Lookup(metric="mse")
    with pytest.raises(ValueError, match="max_length: got 6, wanted at least 7"):
        sample(Lookup(), jax.random.key(0), 2, 6, 6)
