"""Induction heads beyond the trained length: a selective state goes on, attention falls off by its positions.

    attn-jax claims --ledger 4

About 6 minutes on 2 cores. Reduced: trained at 32 symbols in place of 256, and asked at the same multiples, 64, 128 and
256; width 32, batches of 32, 700 steps, the last place alone in the loss (the source gives no code for the task).
"""

from attn_jax.config import Cell, Claim, DeclaredTest, EvaluateConfig, Quantity, Study, TrainConfig
from attn_jax.config.rules import holds_for
from attn_jax.lab.outcome.by_seed import at_length
from attn_jax.mixers import Attention, Mamba
from attn_jax.models import AnyModelConfig, ModelConfig
from attn_jax.tasks import InductionHeads

SOURCE, WHERE = "Gu & Dao 2023, arXiv 2312.00752", "table 11, two layers, trained at 256"
TRAINED = 32
MULTIPLES = {"twice": 2, "four times": 4, "eight times": 8}
ROWS = {  # at 512, 1,024 and 2,048; the model here that stands for it
    "attention, absolute positions": ("absolute", (58.6, 26.6, 18.8)),
    "attention, rotary": ("rotary", (83.6, 31.3, 18.4)),
    "attention, xPos": ("", (99.6, 67.6, 25.4)),
    "H3": ("", (80.9, 39.5, 23.8)),
    "Mamba": ("mamba", (100.0, 100.0, 100.0)),
}
ABSENT = "the package has no {}"


def cells():
    for of, (model, values) in ROWS.items():
        yield Cell(100.0, "accuracy, %", f"{of}: 256", WHERE, SOURCE, unit=100, reason="all rows print 100 here")
        for (times, by), value in zip(MULTIPLES.items(), values, strict=True):
            about = (value, "accuracy, %", f"{of}: {256 * by}", WHERE, SOURCE)
            if model:
                yield Cell(*about, unit=100, measure=times, model=model)
            else:
                yield Cell(*about, unit=100, reason=ABSENT.format(of.rpartition(" ")[2]))


def quantity(by):
    return Quantity(lambda found: at_length(found["induction"], TRAINED * by), ("induction",))


def get_config() -> Claim:
    models: dict[str, AnyModelConfig] = {
        "absolute": ModelConfig(32, mixers=(Attention(num_heads=2),), positions="sinusoidal"),
        "rotary": ModelConfig(32, mixers=(Attention(num_heads=2, head_positions="rotary"),)),
        "mamba": ModelConfig(32, mixers=(Mamba(d_state=8),)),
    }
    pairs = {times: [("mamba", "absolute"), ("mamba", "rotary")] for times in MULTIPLES}
    pairs["twice"].append(("rotary", "absolute"))
    return Claim(
        sentence="What a selective state space has learnt of induction holds at many times the length; attention's "
        "does not.",
        source=SOURCE,
        studies={
            "induction": Study(
                name="ledger4_induction",
                task=InductionHeads(train_lengths=(TRAINED, TRAINED)),
                models=models,
                train=TrainConfig(700, seeds=12, first_seed=100, learning_rates=(3e-3,)),
                evaluate=EvaluateConfig(every=50, lengths=(TRAINED, *(TRAINED * by for by in MULTIPLES.values()))),
                match=None,
            )
        },
        quantities={times: quantity(by) for times, by in MULTIPLES.items()},
        tests={
            f"{times} the length: {a} over {b}": DeclaredTest(times, a, b, expect="more")
            for times, of in pairs.items()
            for a, b in of
        },
        rule=holds_for,
        explain="A state that keeps one pair and forgets the rest does not know how long it has waited. Attention "
        "weighs the place among ever more others, by positions that it has not met.",
        published=tuple(cells()),
        quick={"induction": {"train.seeds": 2, "train.steps": 150}},
    )
