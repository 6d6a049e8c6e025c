"""Recall by the size of the state: attention recalls at a width at which a gated convolution does not.

    attn-jax claims --ledger 3

About 6 minutes on 2 cores. Reduced: a vocabulary of 64 and 6 pairs in 36 tokens, of 16 and 3 pairs in 18 between two
widths, in place of 8,192 and up to 64 pairs in 512; widths of 16, 32 and 64 in place of 64 to 512; 700 steps. The
source's own sizes are `MQAR.published`.

Chosen by a pilot (2 seeds from 5000): of 6 pairs convolutions of all three widths have learnt next to nothing after 700
steps (accuracies .13 to .41, attention 1.00), of 3 the wide one .98 and the narrow one .68 to .88,
more at .01 than at .003.
"""

from functools import partial

from attn_jax.config import Cell, Claim, DeclaredTest, EvaluateConfig, Study, TrainConfig
from attn_jax.config.rules import holds_for
from attn_jax.mixers import Attention, Hyena
from attn_jax.models import AnyModelConfig, ModelConfig
from attn_jax.tasks import MQAR

SOURCE, WHERE = "Arora et al. 2023, arXiv 2312.04927", "figure 2, two layers, one head"
SIZES = {64: 4, 128: 8, 256: 16, 512: 64}
QUICK = {"train.seeds": 2, "train.steps": 150, "train.learning_rates": (1e-2,)}
COSTLY = "{} tokens of a vocabulary of 8,192 do not fit into the ledger's minutes"


def cells():
    common = partial(Cell, where=WHERE, source=SOURCE)
    yield common("about 1.0", "accuracy", "attention, width 64: (64, 4)", measure="recall", model="attention")
    yield common("of about the length", "width needed", "gated convolutions", measure="widths", model="wide")
    for tokens, pairs in list(SIZES.items())[1:]:
        of = f"attention, width 64: ({tokens}, {pairs})"
        yield Cell("about 1.0", "accuracy", of, WHERE, SOURCE, reason=COSTLY.format(tokens))


def study(name, vocab_size, pairs, models, rates):
    return Study(
        name=f"ledger3_{name}",
        task=MQAR(vocab_size=vocab_size, train_lengths=(pairs, pairs)),
        models=models,
        train=TrainConfig(700, seeds=12, first_seed=100, learning_rates=rates),
        evaluate=EvaluateConfig(every=50, lengths=(pairs,)),
        match=None,
    )


def get_config() -> Claim:
    recall: dict[str, AnyModelConfig] = {
        "attention": ModelConfig(32, mixers=(Attention(num_heads=1),), positions="sinusoidal"),
        "hyena": ModelConfig(32, mixers=(Hyena(),)),
    }
    widths: dict[str, AnyModelConfig] = {
        "narrow": ModelConfig(16, mixers=(Hyena(),)),
        "wide": ModelConfig(64, mixers=(Hyena(),)),
    }
    more = partial(DeclaredTest, "final", expect="more")
    return Claim(
        sentence="Attention recalls at any width; a gated convolution needs one that grows with the length.",
        source=SOURCE,
        studies={
            "recall": study("recall", 64, 6, recall, (3e-3, 1e-2)),
            "widths": study("widths", 16, 3, widths, (1e-2,)),
        },
        tests={
            "attention over a convolution of its width": more("attention", "hyena", study="recall"),
            "a wide convolution over a narrow one": more("wide", "narrow", study="widths"),
        },
        rule=holds_for,
        explain="What is looked up must be kept. Attention keeps everything it has read; a convolution has its width.",
        published=tuple(cells()),
        quick=dict.fromkeys(("recall", "widths"), QUICK),
    )
