"""Selective copying: a state space that reads what it keeps copies, one that is the same at every step does not.

    attn-jax claims --ledger 5

About 6 minutes on 2 cores. Reduced: 6 tokens among 32 places in place of 16 among 4,096; width 32, batches of 32, 800
steps in place of 400,000. S4D stands for S4; the package has no H3.
"""

from attn_jax.config import Cell, Claim, DeclaredTest, EvaluateConfig, Study, TrainConfig
from attn_jax.mixers import S4D, Mamba
from attn_jax.models import ModelConfig
from attn_jax.tasks import SelectiveCopy

SOURCE, WHERE = "Gu & Dao 2023, arXiv 2312.00752", "table 1"


def cells():
    place = {"where": WHERE, "source": SOURCE, "unit": 100}
    yield Cell(18.3, "accuracy, %", "S4", **place, measure="copy", model="s4d")
    yield Cell(99.8, "accuracy, %", "Mamba (S6 in Mamba's block)", **place, measure="copy", model="mamba")
    yield Cell(57.0, "accuracy, %", "H3", **place, reason="the package has no H3")


def get_config() -> Claim:
    return Claim(
        sentence="To copy what stands among blanks a state space must choose by what it reads.",
        source=SOURCE,
        studies={
            "copy": Study(
                name="ledger5_selective_copy",
                task=SelectiveCopy(),
                models={
                    "mamba": ModelConfig(32, mixers=(Mamba(d_state=8),)),
                    "s4d": ModelConfig(32, mixers=(S4D(d_state=16),)),
                },
                train=TrainConfig(800, seeds=12, first_seed=100, learning_rates=(3e-3,)),
                evaluate=EvaluateConfig(every=50, lengths=(32,)),
                match=None,
            )
        },
        tests={"mamba over s4d": DeclaredTest("final", "mamba", "s4d", study="copy", expect="more")},
        explain="The tokens come at random places, so that how long ago a token was says nothing of which it is. A "
        "state space that is the same at every step knows only how long ago.",
        published=tuple(cells()),
        quick={"copy": {"train.seeds": 2, "train.steps": 150}},
    )
