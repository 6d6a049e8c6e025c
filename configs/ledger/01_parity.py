"""Parity by the range of eigenvalues: a linear recurrence holds it where a state can flip its sign.

    attn-jax claims --ledger 1

About 4 minutes on 2 cores. Reduced: width 32, batches of 32, 400 steps, words of 2 to 20 bits and scores at 24 to 40,
asked at every bit, where the source asks once at the end, trains on 3 to 40 bits in batches of 256 for 20,000 steps at
width 128, and prints the best of 3.

The rate is a pilot's (2 seeds from 5000): beyond the trained lengths no run at .01 had more than .06 of all
answers less than at .003.
"""

from attn_jax.config import Cell, Claim, DeclaredTest, EvaluateConfig, Quantity, Study, TrainConfig
from attn_jax.config.rules import holds_for
from attn_jax.lab.outcome.by_seed import beyond
from attn_jax.mixers import MLSTM, SLSTM, Attention, DeltaNet, Mamba
from attn_jax.models import AnyModelConfig, ModelConfig
from attn_jax.tasks import Parity

SOURCE, WHERE = "Grazzi et al. 2024, arXiv 2411.12537", "parity, scaled accuracy"
MIXERS = {
    "transformer": Attention(num_heads=2),
    "mlstm": MLSTM(num_heads=2),
    "slstm": SLSTM(num_heads=2),
    "mamba": Mamba(d_state=8),
    "mamba_signed": Mamba(d_state=8, transition="signed"),
    "delta_net": DeltaNet(num_heads=2),
    "delta_net_double": DeltaNet(num_heads=2, beta="double"),
}
PRINTED = {
    "transformer": ("transformer", 0.022),
    "mlstm": ("mLSTM", 0.087),
    "slstm": ("sLSTM", 1.0),
    "mamba": ("Mamba, [0, 1]", 0.0),
    "mamba_signed": ("Mamba, [-1, 1]", 1.0),
    "delta_net": ("DeltaNet, [0, 1]", 0.017),
    "delta_net_double": ("DeltaNet, [-1, 1]", 1.0),
}
LONG = "the source trains 100,000 steps of 256; a fiftieth of it fits here"


def cells():
    for model, (of, value) in PRINTED.items():
        yield Cell(value, "score", f"{of}: parity", WHERE, SOURCE, "maximum", 3, measure="parity", model=model)
    modular = ("modular arithmetic without brackets, scaled accuracy", SOURCE, "maximum", 3)
    yield Cell(0.314, "score", "DeltaNet, [0, 1]: modular arithmetic", *modular, reason=LONG)
    yield Cell(0.971, "score", "DeltaNet, [-1, 1]: modular arithmetic", *modular, reason=LONG)
    yield Cell(
        "only two steps with [-1, 1] converge",
        "accuracy",
        "DeltaProduct, one layer: S3, trained at 128, asked at 512",
        "the group word problem",
        SOURCE,
        reason="words of 512 elements do not fit into the ledger's minutes",
    )


def get_config() -> Claim:
    models: dict[str, AnyModelConfig] = {
        name: ModelConfig(32, mixers=(mixer,), positions="sinusoidal" if name == "transformer" else "none")
        for name, mixer in MIXERS.items()
    }
    over = {"mamba_signed": "mamba", "delta_net_double": "delta_net", "slstm": "mlstm"}
    pairs = [*over.items(), ("slstm", "transformer")]
    return Claim(
        sentence="Parity beyond the trained length is held by recurrences whose state can flip its sign.",
        source=SOURCE,
        studies={
            "parity": Study(
                name="ledger1_parity",
                task=Parity(labels="running"),
                models=models,
                train=TrainConfig(400, seeds=12, first_seed=100, learning_rates=(1e-2,), lengths=(2, 20)),
                evaluate=EvaluateConfig(every=50, lengths=(20, 24, 28, 32, 36, 40)),
                match=None,
            )
        },
        quantities={"parity": Quantity(lambda found: beyond(found["parity"]), ("parity",))},
        tests={f"{a} over {b}": DeclaredTest("parity", a, b, expect="more") for a, b in pairs},
        rule=holds_for,
        explain="A state that each one flips needs a factor of -1. A recurrence whose factors are between 0 and 1 has "
        "none, and must count.",
        published=tuple(cells()),
        quick={"parity": {"train.seeds": 2, "train.steps": 150}},
    )
