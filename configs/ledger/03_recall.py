"""Recall by the size of the state: attention recalls at a width at which a gated convolution does not.

    attn-jax claims --ledger 3

About 7 minutes on 2 cores. Reduced: a vocabulary of 64 and 6 pairs in 36 tokens in place of 8,192 and up to 64 pairs in
512; widths of 16, 32 and 64 in place of 64 to 512; 700 steps. The source's own sizes are `MQAR.published`.
"""

from functools import partial

from attn_jax.config import Cell, Claim, DeclaredTest, EvaluateConfig, Study, TrainConfig
from attn_jax.config.rules import holds_for
from attn_jax.mixers import Attention, Hyena
from attn_jax.models import AnyModelConfig, ModelConfig
from attn_jax.tasks import MQAR

SOURCE, WHERE = "Arora et al. 2023, arXiv 2312.04927", "figure 2, two layers, one head"
SIZES = {64: 4, 128: 8, 256: 16, 512: 64}
COSTLY = "{} tokens of a vocabulary of 8,192 do not fit into the ledger's minutes"


def cells():
    common = partial(Cell, where=WHERE, source=SOURCE, measure="mqar")
    yield common("about 1.0", "accuracy", "attention, width 64: (64, 4)", model="attention")
    yield common("of about the length", "width needed", "gated convolutions", model="hyena_wide")
    for tokens, pairs in list(SIZES.items())[1:]:
        of = f"attention, width 64: ({tokens}, {pairs})"
        yield Cell("about 1.0", "accuracy", of, WHERE, SOURCE, reason=COSTLY.format(tokens))


def get_config() -> Claim:
    models: dict[str, AnyModelConfig] = {
        "attention": ModelConfig(32, mixers=(Attention(num_heads=1),), positions="sinusoidal"),
        "hyena": ModelConfig(32, mixers=(Hyena(),)),
        "hyena_narrow": ModelConfig(16, mixers=(Hyena(),)),
        "hyena_wide": ModelConfig(64, mixers=(Hyena(),)),
    }
    more = partial(DeclaredTest, "final", study="mqar", expect="more")
    return Claim(
        sentence="Attention recalls at any width; a gated convolution needs one that grows with the length.",
        source=SOURCE,
        studies={
            "mqar": Study(
                name="ledger3_mqar",
                task=MQAR(),
                models=models,
                train=TrainConfig(700, seeds=12, first_seed=100, learning_rates=(3e-3, 1e-2)),
                evaluate=EvaluateConfig(every=50, lengths=(6,)),
                match=None,
            )
        },
        tests={
            "attention over a convolution of its width": more("attention", "hyena"),
            "a wide convolution over a narrow one": more("hyena_wide", "hyena_narrow"),
        },
        rule=holds_for,
        explain="What is looked up must be kept. Attention keeps everything it has read; a convolution has its width.",
        published=tuple(cells()),
        quick={"mqar": {"train.seeds": 2, "train.steps": 150, "train.learning_rates": (1e-2,)}},
    )
