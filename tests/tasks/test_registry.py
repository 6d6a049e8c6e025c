"""The names of the tasks, and what each must have."""

import jax
import pytest

from attn_jax.tasks import TASKS, TaskConfig
from attn_jax.tasks.sampling import first_places, split_key

FAMILIES = {
    "languages": """even_pairs modular_arithmetic parity parity_running cycle_navigation stack_manipulation reverse
        modular_arithmetic_brackets solve_equation duplicate missing_duplicate odds_first binary_addition
        binary_multiplication square_root bucket_sort""",
    "state": "group_z60 group_a4xz5 group_a5 group_s3 group_s5 modular_sum modular_sum_steps modular_sum_written",
    "recall": """mqar induction_heads associative_recall h3_recall selective_copy string_copy prefix_lookup
        suffix_lookup copy_memory offsets mad_recall mad_noisy_recall mad_fuzzy_recall mad_selective_copy
        mad_memorisation""",
    "numbers": "copy sort digit_addition adding dyck markov modular_table counting majority multiset",
    "data": "digits digits_permuted digits_rows text",
}
STRINGS = """stack_manipulation reverse duplicate odds_first binary_addition binary_multiplication square_root
    bucket_sort modular_sum_written selective_copy string_copy prefix_lookup suffix_lookup copy_memory
    mad_selective_copy copy sort digit_addition"""


def test_names():
    assert list(TASKS) == [name for names in FAMILIES.values() for name in names.split()]
    assert all(isinstance(config, TaskConfig) for config in TASKS.values())
    assert len(set(TASKS.values())) == len(TASKS)


@pytest.mark.parametrize("name", TASKS)
def test_spec_is_whole(name):
    task = TASKS[name].make()
    spec, longest = task.spec, task.spec.train_lengths[1]
    assert spec.length_unit
    assert spec.source
    assert spec.chance in task.floors(longest)
    assert (spec.threshold is None) == (name in [*FAMILIES["data"].split(), "markov"])
    assert spec.num_tokens(longest) <= 64  # what a small model trains on a laptop
    assert spec.num_tokens(spec.test_lengths[-1]) <= 256


def test_tasks_whose_answers_are_strings_give_them():
    assert [name for name, config in TASKS.items() if config.make().strings is not None] == STRINGS.split()


def test_splits_are_three_streams():
    keys = [jax.random.key_data(split_key(jax.random.key(0), s)).tolist() for s in ("train", "validation", "test")]
    assert len(set(map(tuple, keys))) == 3


def test_first_places_may_be_traced():
    assert jax.jit(first_places, static_argnums=(0, 1))(2, 3, 2).tolist() == [[True, True, False]] * 2
