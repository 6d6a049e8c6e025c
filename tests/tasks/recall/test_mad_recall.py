"""MAD's recall against a dictionary, its floors against all sequences and maps."""

import itertools
import math
from collections import Counter, defaultdict

import jax
import numpy as np
import pytest
from drawn import sample

from attn_jax.tasks.laws.recall_law import RecallLaw
from attn_jax.tasks.recall.mad_recall import MADRecall, floors
from attn_jax.testing.check_task import check_task

NOISY = MADRecall.noisy()


def draw(config, length, max_length, batch_size=256, seed=0, split="train"):
    drawn = sample(config, jax.random.key(seed), batch_size, np.int32(length), max_length, split=split)
    return [np.asarray(values) for values in drawn]


@pytest.mark.parametrize(
    "config", [MADRecall(), NOISY, MADRecall(3, 2, 2, 0.5, train_lengths=(6, 12), test_lengths=(6, 8))]
)
@pytest.mark.exhaustive
def test_contract(config):
    check_task(config, num_samples=128, floor_samples=6000)


@pytest.mark.parametrize("config", [MADRecall(), NOISY])
@pytest.mark.parametrize("length", [6, 12])
def test_known_keys_are_asked_for(config, length):
    inputs, targets, weights, scored, valid = draw(config, length, 14)
    for row in range(len(inputs)):
        known, asked = {}, {}
        tokens = inputs[row, : length - 1].tolist()
        for place in range(0, length, 2):
            key = tokens[place]
            if key >= 16:
                assert tokens[place + 1] >= 16
                continue
            assert key < 8
            if key in known:
                asked[place] = known[key] - 8
            if place + 1 < length - 1:
                assert 8 <= tokens[place + 1] < 16
                assert known.setdefault(key, tokens[place + 1]) == tokens[place + 1]
        assert length - 2 in asked
        assert targets[row].tolist() == [asked.get(place, 0) for place in range(13)]
        assert np.flatnonzero(scored[row]).tolist() == sorted(asked)
    assert (weights == scored).all()
    assert (valid == (np.arange(13) < length - 1)).all()
    assert not inputs[~valid].any()


def test_keys_values_and_noise_are_drawn_as_said():
    inputs, targets, _, scored, _ = draw(NOISY, 12, 12, batch_size=20_000)
    is_noise = inputs[:, :10:2] >= 16
    # four of five are noise with probability .2, one is spared
    assert abs(is_noise.mean() - 0.16) < 5 * 0.16 / math.sqrt(20_000)
    assert (is_noise.sum(axis=1) <= 4).all()
    keys, values, noise = inputs[:, 0][~is_noise[:, 0]], inputs[:, 1][~is_noise[:, 0]], inputs[:, :2][is_noise[:, 0]]
    for tokens, lowest, number in ((keys, 0, 8), (values, 8, 8), (noise.ravel(), 16, 16)):
        counts = np.bincount(tokens - lowest, minlength=number)
        assert len(counts) == number
        assert (abs(counts - counts.mean()) < 5 * math.sqrt(counts.mean())).all()
    # all classes are asked equally often: the average over classes is the average
    counts = np.bincount(targets[scored], minlength=8)
    assert (abs(counts - counts.mean()) < 8 * math.sqrt(counts.mean())).all()


def test_last_key_is_uniform_among_those_seen():
    inputs, *_ = draw(MADRecall(num_keys=3), 8, 8, batch_size=20_000)
    chosen = defaultdict(Counter)
    for keys in inputs[:, ::2].tolist():
        chosen[frozenset(keys[:3])][keys[3]] += 1
    assert len(chosen) == 7
    for seen, counts in chosen.items():
        assert set(counts) == seen
        mean = counts.total() / len(seen)
        assert all(abs(count - mean) < 5 * math.sqrt(mean) for count in counts.values())


@pytest.mark.parametrize(("num_keys", "num_values", "num_pairs"), [(3, 2, 4), (2, 3, 4), (3, 3, 5)])
def test_law_by_enumerating_draws_and_maps(num_keys, num_values, num_pairs):
    law = RecallLaw(num_keys, num_values, num_pairs)
    (share, loss), commonest = law.context_share(), law.commonest_share()
    total = np.zeros((3, 2))
    for keys in itertools.product(range(num_keys), repeat=num_pairs):
        for values in itertools.product(range(num_values), repeat=num_keys):
            counts = Counter(values[key] for key in keys)
            most = max(counts.values())
            ties = sum(count == most for count in counts.values())
            weights = np.array([1 / num_keys, 1 / len(set(keys))])
            for key in set(keys):
                count = counts[values[key]]
                each = (count / num_pairs, -math.log(count / num_pairs), (count == most) / ties)
                total += np.array(each)[:, None] * weights
    total /= num_keys**num_pairs * num_values**num_keys
    found = [[each[num_pairs] for each in pair] for pair in (share, loss, commonest)]
    assert np.allclose(found, total, rtol=1e-12)


def by_enumeration(config, num_pairs):
    """Every noise pattern, draw of keys and map, with its probability: (metric, most frequent) of what is asked."""
    asked = share = most = 0.0
    slots = num_pairs - 1
    for spared, noise in itertools.product(range(slots), itertools.product((False, True), repeat=slots)):
        chance = math.prod(
            (not is_noise if n == spared else (config.noise_share if is_noise else 1 - config.noise_share))
            for n, is_noise in enumerate(noise)
        )
        for keys in itertools.product(range(config.num_keys), repeat=slots):
            for values in itertools.product(range(config.num_values), repeat=config.num_keys):
                read = []
                for n in range(num_pairs):
                    last = n == slots
                    ask = {key: 1 / len(set(read)) for key in read} if last else {}
                    if not last and not noise[n] and keys[n] in read:
                        ask = {keys[n]: 1.0}
                    counts = Counter(values[key] for key in read)
                    best = [value for value in counts if counts[value] == max(counts.values())]
                    for key, weight in ask.items():
                        asked += chance * weight
                        share += chance * weight * counts[values[key]] / len(read)
                        most += chance * weight * (values[key] in best) / len(best)
                    if not last and not noise[n]:
                        read.append(keys[n])
    return share / asked, most / asked


@pytest.mark.parametrize("config", [MADRecall(3, 2), MADRecall(2, 3, 1, 0.3)])
@pytest.mark.parametrize("num_pairs", [3, 4])
def test_floors_by_enumeration(config, num_pairs):
    found = floors(config, 2 * num_pairs)
    share, most = by_enumeration(config, num_pairs)
    assert found["value_in_context"].value == pytest.approx(share, rel=1e-12)
    assert found["most_frequent_value"].value == pytest.approx(most, rel=1e-12)
    assert found["uniform"][:2] == (1 / config.num_values, math.log(config.num_values))


def test_lengths_are_even_from_six():
    spec = MADRecall().make().spec
    assert spec.lengths(6, 11) == (6, 8, 10)
    with pytest.raises(ValueError, match="got low=4, high=8, wanted 6 <= low"):
        spec.lengths(4, 8)
    with pytest.raises(ValueError, match="max_length: got 7, wanted at least 6, in steps of 2"):
        sample(MADRecall(), jax.random.key(0), 2, 6, 7)
    published = MADRecall.published(noisy=True).make().spec
    assert (published.io.vocab_size, published.train_lengths) == (32, (128, 128))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_keys": 1}, "num_keys is 1, wanted at least 2"),
        ({"num_values": 0}, "num_values is 0, wanted at least 2"),
        ({"noise_share": 1.0, "num_noise": 2}, "noise_share is 1.0, wanted 0 <= noise_share < 1"),
        ({"noise_share": 0.2}, "num_noise is 0 and noise_share 0.2, wanted both 0 or neither"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        MADRecall(**options)
