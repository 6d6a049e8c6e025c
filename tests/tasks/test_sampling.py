"""Lengths that are refused: what was given is named, in `sample`, `spec.lengths` and the configuration."""

import jax
import pytest

from attn_jax.tasks import TASKS
from attn_jax.tasks.sampling import check_max_length, check_train_lengths, length_range


@pytest.mark.parametrize("name", TASKS)
def test_every_sampler_names_max_length(name):
    task = TASKS[name].make()
    for function in (task.sample, task.strings):
        if function is not None:
            with pytest.raises(ValueError, match=r"^max_length: got 0, wanted "):
                function(jax.random.key(0), 2, 0, 0)
    with pytest.raises(ValueError, match=r"^lengths: got low=0, high=0, wanted"):
        task.spec.lengths(0, 0)


@pytest.mark.parametrize(
    "bounds",
    [{}, {"smallest": 3}, {"smallest": 2, "largest": 6}, {"smallest": 4, "step": 2}, {"step": 3, "largest": 7}],
)
def test_allowed_where_the_range_of_one_length_is(bounds):
    for length in range(-1, 12):
        try:
            length_range(length, length, **bounds)
        except ValueError:
            with pytest.raises(ValueError, match=f"max_length: got {length}, wanted"):
                check_max_length(length, **bounds)
        else:
            check_max_length(length, **bounds)


def test_a_mend_is_told_only_where_it_helps():
    bounds = {"smallest": 2, "largest": 6, "beyond": "take more keys"}
    with pytest.raises(ValueError, match=r"^max_length: got 7, wanted 2 to 6; take more keys$"):
        check_max_length(7, **bounds)
    with pytest.raises(ValueError, match=r"^max_length: got 1, wanted 2 to 6$"):
        check_max_length(1, **bounds)


def test_training_lengths_of_a_configuration():
    check_train_lengths("MQAR", (2, 6), smallest=2, largest=6)
    for given in ((1, 6), (2, 7), (5, 4)):
        message = rf"^MQAR: train_lengths are \({given[0]}, {given[1]}\), wanted 2 <= low <= high <= 6: few keys$"
        with pytest.raises(ValueError, match=message):
            check_train_lengths("MQAR", given, smallest=2, largest=6, because="few keys")
    with pytest.raises(ValueError, match=r"wanted 3 <= low <= high$"):
        check_train_lengths("InductionHeads", (2, 2), smallest=3)
