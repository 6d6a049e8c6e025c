"""Copying strings: attention needs fewer strings to learn it than a recurrence.

    attn-jax claims --ledger 6

About 3 minutes on 2 cores. Reduced: strings of 2 to 10 of 8 letters, width 32, 600 steps of 32; compared is the score
that so many strings have taught. Only the abstract's words were seen in the source; its numbers of samples were not,
and are left out.

The rate is a pilot's (2 seeds from 5000): all models had .01 to .03 of all answers more at .01 than at .003.
"""

from functools import partial

from attn_jax.config import Cell, Claim, DeclaredTest, EvaluateConfig, Study, TrainConfig
from attn_jax.config.rules import holds_for
from attn_jax.mixers import LSTM, Attention, Mamba
from attn_jax.models import ModelConfig
from attn_jax.tasks import StringCopy

SOURCE = "Jelassi et al. 2024, arXiv 2402.01032"
WORDS = "outperform GSSMs in terms of efficiency and generalization on synthetic tasks that require copying the context"


def cells():
    yield Cell(WORDS, "samples", "transformers: copying", "abstract", SOURCE, measure="copy", model="transformer")
    yield Cell(
        "the look-up by a prefix favours recurrence",
        "samples",
        "prefix against suffix look-up",
        "experiments",
        SOURCE,
        reason="the sentence was not found in a copy of the source that could be read; neither side is held against it",
    )


def get_config() -> Claim:
    over = partial(DeclaredTest, "final", study="copy", expect="more")
    return Claim(
        sentence="Attention learns to copy from fewer strings than a state of fixed size.",
        source=SOURCE,
        studies={
            "copy": Study(
                name="ledger6_string_copy",
                task=StringCopy(num_letters=8),
                models={
                    "transformer": ModelConfig(32, mixers=(Attention(num_heads=2, head_positions="rotary"),)),
                    "mamba": ModelConfig(32, mixers=(Mamba(d_state=8),)),
                    "lstm": ModelConfig(32, mixers=(LSTM(),)),
                },
                train=TrainConfig(600, seeds=12, first_seed=100, learning_rates=(1e-2,), lengths=(2, 10)),
                evaluate=EvaluateConfig(every=50, lengths=(10,)),
                match=None,
            )
        },
        tests={
            "transformer over mamba": over("transformer", "mamba"),
            "transformer over lstm": over("transformer", "lstm"),
        },
        rule=holds_for,
        explain="Attention finds the letter that comes next by the letters before it. A state must hold the whole "
        "string at once.",
        published=tuple(cells()),
        quick={"copy": {"train.seeds": 2, "train.steps": 150}},
    )
