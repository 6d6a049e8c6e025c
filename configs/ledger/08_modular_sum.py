"""Samples to learn a sum: a recurrence learns modular sums from fewer sequences than attention.

    attn-jax claims --ledger 8

About 4 minutes on 2 cores. Reduced: sums modulo 3 of 2 to 6 numbers, asked at every number, in place of ranges of
moduli and lengths; the fewest of 8, 16, 32, 64, 128 and 256 sequences a length with which a seed scores .9 on fresh
ones after 500 steps, and 512 where none does. The source's numbers were not seen, its abstract was.

Chosen by a pilot (2 seeds from 5000): with 64 and more both get there, with 16 neither (accuracies of the LSTM .90 to
.92, of the transformer .73 to .83), with 32 the LSTM alone (.95 against .82 to .88).
"""

import numpy as np

from attn_jax.config import Cell, Claim, DeclaredTest, EvaluateConfig, Quantity, Study, Sweep, TrainConfig
from attn_jax.lab.outcome.by_seed import measured
from attn_jax.mixers import LSTM, Attention
from attn_jax.models import ModelConfig, classic
from attn_jax.tasks import ModularSum

SOURCE = "Ebrahimi et al. 2026, arXiv 2602.18333"
WORDS = "grows much more rapidly with state-space size and sequence length than for RNNs"
NUMBERS = (8, 16, 32, 64, 128, 256)
ENOUGH = 0.9  # a score


def samples(found):
    """{model: [S]}, log2 of the fewest sequences that are enough; one more step of the grid where none are."""
    points = found["sums"].points.values()
    scores = [measured(point, "final") for point in points]
    sizes = np.log2([*NUMBERS, NUMBERS[-1] * NUMBERS[1] // NUMBERS[0]])
    enough = {name: np.array([score[name] >= ENOUGH for score in scores]) for name in scores[0]}
    return {name: sizes[np.where(of.any(0), of.argmax(0), len(NUMBERS))] for name, of in enough.items()}


def get_config() -> Claim:
    study = Study(
        name="ledger8_sums",
        task=ModularSum(modulus=3, labels="steps"),
        models={
            "transformer": ModelConfig(32, mixers=(Attention(num_heads=2),), positions="sinusoidal"),
            "lstm": classic(LSTM(), d_model=32),
        },
        train=TrainConfig(
            500, seeds=12, first_seed=100, learning_rates=(3e-3,), lengths=(2, 6), num_examples=NUMBERS[0]
        ),
        evaluate=EvaluateConfig(every=50, lengths=(6,)),
        match=None,
    )
    return Claim(
        sentence="Attention needs more sequences than a recurrence to learn to add modulo m.",
        source=SOURCE,
        studies={"sums": Sweep(study, axes={"train.num_examples": NUMBERS})},
        quantities={"samples": Quantity(samples, ("sums",), "log2 of sequences", limits=(3, 9))},
        tests={"transformer more than lstm": DeclaredTest("samples", "transformer", "lstm", expect="more")},
        explain="A recurrence has one rule for every place and length, so that each sequence teaches it. Attention "
        "learns each length by itself.",
        published=(
            Cell(
                WORDS,
                "samples",
                "data needed by transformers",
                "abstract",
                SOURCE,
                measure="samples",
                model="transformer",
            ),
        ),
        quick={"sums": {"train.seeds": 2, "train.steps": 150}},
    )
