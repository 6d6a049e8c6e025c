"""Words over a group: one layer of a nonlinear recurrence multiplies, one of attention or of a linear one does not.

    attn-jax claims --ledger 2

About 2 minutes on 2 cores. Reduced: S3 of 6 elements in place of A5 of 60, which is learnt too slowly here, and mixed
words of 2 to 12 in place of one model a length of 5 to 20; width 32, 600 steps. S3 is solvable, so that a deep enough
network of either kind can: what is compared is what one layer has learnt.

The rate is a pilot's (2 seeds from 5000): at .01 S4D had some .07 of all answers more than at .003, no other run more
than .06 less.
"""

from attn_jax.config import Cell, Claim, DeclaredTest, EvaluateConfig, Study, TrainConfig
from attn_jax.config.rules import holds_for
from attn_jax.mixers import RNN, S4D, Attention, Mamba
from attn_jax.models import AnyModelConfig, ModelConfig, classic
from attn_jax.tasks import GroupWord

SOURCE, WHERE = "Merrill et al. 2024, arXiv 2404.08819", "experiments, fewest layers for 90 % on words over A5"
PRINTED = {
    "rnn": ("RNN: A5", "1 at every length"),
    "transformer": ("transformer: A5", "grows with the length"),
    "s4d": ("S4: A5", "grows with the length"),
    "mamba": ("Mamba: A5", "grows with the length"),
}


def get_config() -> Claim:
    models: dict[str, AnyModelConfig] = {
        "rnn": classic(RNN(), d_model=64, num_layers=1),
        "transformer": ModelConfig(32, num_layers=1, mixers=(Attention(num_heads=2),), positions="sinusoidal"),
        "s4d": ModelConfig(32, num_layers=1, mixers=(S4D(d_state=16),)),
        "mamba": ModelConfig(32, num_layers=1, mixers=(Mamba(d_state=8),)),
    }
    return Claim(
        sentence="One layer of a recurrent network composes permutations; attention and linear recurrences need more.",
        source=SOURCE,
        studies={
            "s3": Study(
                name="ledger2_s3",
                task=GroupWord("s3", metric="accuracy"),
                models=models,
                train=TrainConfig(600, seeds=12, first_seed=100, learning_rates=(1e-2,), lengths=(2, 12)),
                evaluate=EvaluateConfig(every=50, lengths=(12,)),
                match=None,
            )
        },
        tests={f"rnn over {b}": DeclaredTest("final", "rnn", b, study="s3", expect="more") for b in list(PRINTED)[1:]},
        rule=holds_for,
        explain="A product that is not commutative has to be taken in order. One step of a nonlinear recurrence takes "
        "one factor; a single layer of the others sees all factors at once.",
        published=tuple(
            Cell(value, "layers", of, WHERE, SOURCE, measure="s3", model=model)
            for model, (of, value) in PRINTED.items()
        ),
        quick={"s3": {"train.seeds": 2, "train.steps": 150}},
    )
