"""A floor that is off by a factor stops a claim's study before it trains."""

from dataclasses import dataclass, replace

import pytest
from tiny_study import get_config

from attn_jax.errors import UserError
from attn_jax.lab.claim.floors import refuse_wrong_floors
from attn_jax.tasks import ModularArithmetic, Parity


@dataclass(frozen=True)
class HalfChance(Parity):
    """Parity, whose guesser is said to be right half as often as it is."""

    def make(self):
        task = super().make()
        honest = task.floors

        def floors(length):
            found = honest(length)
            return {name: floor._replace(value=floor.value / 2) for name, floor in found.items()}

        return task._replace(floors=floors)


def test_a_floor_off_by_a_factor_is_refused_and_an_honest_one_is_not():
    study = get_config()
    refuse_wrong_floors([replace(study, task=Parity()), replace(study, task=Parity())])
    refuse_wrong_floors(
        [replace(study, task=ModularArithmetic(), train=replace(study.train, lengths=(2, 4)))]
    )  # odd: 3
    with pytest.raises(UserError, match=r"HalfChance: length \d+: value of floor 'uniform'.*attn-jax check task"):
        refuse_wrong_floors([replace(study, task=HalfChance())])
