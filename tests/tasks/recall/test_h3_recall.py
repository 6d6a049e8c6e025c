"""H3's associative recall against a dictionary, its floors against all sequences."""

import itertools
import math
from collections import Counter

import jax
import numpy as np
import pytest
from drawn import sample

from attn_jax.tasks.recall.associative_recall import AssociativeRecall
from attn_jax.tasks.recall.h3_recall import H3Recall, floors
from attn_jax.testing.check_task import check_task


@pytest.mark.parametrize("loss", ["answers", "all"])
@pytest.mark.exhaustive
def test_contract(loss):
    check_task(H3Recall(loss=loss), num_samples=128, floor_samples=2560)


def test_it_is_the_preset_of_associative_recall():
    assert AssociativeRecall.h3() == H3Recall()
    spec = AssociativeRecall.h3().make().spec
    assert (spec.io.vocab_size, spec.num_tokens(10), spec.loss_places) == (10, 22, "all")


@pytest.mark.parametrize("length", [2, 5, 7])
@pytest.mark.parametrize("loss", ["answers", "all"])
def test_the_dictionary_answers(length, loss):
    batch = sample(H3Recall(loss=loss), jax.random.key(0), 64, length, 7)
    inputs, targets, weights, scored, valid = map(np.asarray, batch)
    end = 2 * length + 1
    for row in range(64):
        tokens = inputs[row].tolist()
        pairs = set(zip(tokens[: 2 * length : 2], tokens[1 : 2 * length : 2], strict=True))
        known = dict(pairs)
        assert len(pairs) == len(known)
        assert all(key < 4 <= value < 8 for key, value in pairs)
        assert tokens[2 * length] == 8
        following = tokens[1 : end + 1] if loss == "all" else [0] * end
        assert targets[row].tolist() == [*following, known[tokens[end]], *[0] * (2 * (7 - length))]
        assert not any(tokens[end + 1 :])
    place = np.arange(16)
    assert (scored == (place == end)).all()
    assert (valid == (place <= end)).all()
    assert (weights == (valid if loss == "all" else scored)).all()


def test_the_query_is_uniform_among_the_keys_seen():
    inputs = np.asarray(sample(H3Recall(), jax.random.key(0), 20_000, 3, 4).inputs)
    asked = Counter()
    for row in inputs.tolist():
        if row[0] == row[2] != row[4]:  # one key twice, another once
            asked[row[7] == row[4]] += 1
    total = asked[True] + asked[False]
    assert total > 3000
    assert abs(asked[True] - total / 2) < 5 * math.sqrt(total / 4)


@pytest.mark.parametrize(
    ("num_pairs", "num_keys", "num_values"), [(2, 2, 3), (3, 3, 2), (4, 2, 4), (3, 4, 4), (2, 9, 2)]
)
def test_counting_by_enumerating_every_sequence(num_pairs, num_keys, num_values):
    share = loss = commonest = 0.0
    total = num_keys**num_pairs * num_values**num_keys
    for keys in itertools.product(range(num_keys), repeat=num_pairs):
        for value_of in itertools.product(range(num_values), repeat=num_keys):
            counts = Counter(value_of[key] for key in keys)
            largest = [v for v in counts if counts[v] == max(counts.values())]
            seen = set(keys)
            for query in seen:
                answer = value_of[query]
                share += counts[answer] / num_pairs / len(seen) / total
                loss -= math.log(counts[answer] / num_pairs) / len(seen) / total
                commonest += (answer in largest) / len(largest) / len(seen) / total
    found = floors(H3Recall(num_keys, num_values, loss="answers"), num_pairs)
    assert found["value_in_context"][:2] == pytest.approx((share, loss), rel=1e-12)
    assert found["most_frequent_value"].value == pytest.approx(commonest, rel=1e-12)


def test_published_chance():
    found = floors(H3Recall(), 10)
    assert found["memoryless"].value == 0.25
    assert found["uniform"].value == 0.1
    assert found["memoryless"].loss == pytest.approx((21 * math.log(10) + math.log(4)) / 22)
    assert floors(H3Recall(loss="answers"), 10)["memoryless"].loss == pytest.approx(math.log(4))
    # Counting reaches twice as much: four keys share four values, and one of them is asked.
    assert found["most_frequent_value"].value == pytest.approx(0.505, abs=5e-4)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="num_keys is 1, wanted at least 2"):
        H3Recall(num_keys=1)
    with pytest.raises(ValueError, match="num_values is 1, wanted at least 2"):
        H3Recall(num_values=1)
    with pytest.raises(ValueError, match="loss is 'last', wanted 'answers' or 'all'"):
        H3Recall(loss="last")
    with pytest.raises(ValueError, match="max_length: got 1, wanted at least 2"):
        sample(H3Recall(), jax.random.key(0), 2, 1, 1)
