"""The eight tasks of a card, with their sizes and budgets: said here, and nowhere else.

They come in mirror pairs: what must be looked up against what must be kept, once given before and once after. Every
mixer stands in the same skeleton, two layers of it with an MLP, as large as attention's of width 32 by parameters; what
does not feel the order of its places is given sinusoidal positions, as attention is.

Sizes and budgets are those with which a pilot (2026-11-30, four seeds from 5000 on, which no card and no baseline has)
told at least two of attention, LSTM and GRU apart, seed by seed; scores are means with the lowest and the highest seed:

    task                attention          LSTM               GRU                rates  CPU s of 12 runs
    associative_recall  1.00 (1.00, 1.00)                     -.03 (-.05, .00)   .006   17
    selective_copy      .97 (.96, .98)     .33 (.29, .39)     .31 (.26, .37)     .006   18 (1)
    induction_heads     .60 (.46, .72)     .83 (.63, .98)     1.00 (1.00, 1.00)  all    15
    copy_memory         1.00 (1.00, 1.00)                     .29 (.28, .31)     .006   26
    running_parity      .61 (.57, .67)     1.00 (1.00, 1.00)  1.00 (1.00, 1.00)  all    7
    s3_words            .28 (.25, .30)     1.00 (1.00, 1.00)  .98 (.91, 1.00)    all    9
    prefix_lookup       .56 (.49, .69)                        1.00 (1.00, 1.00)  .006   16
    suffix_lookup       .74 (.69, .76)     .36 (.32, .41)     .31 (.22, .38)     all    19 (2)

CPU seconds are attention's, without compiling, which takes about 10 a program; those at one rate are three times what
four runs took. (1) Read off validation at this step of a run of 500. (2) After 600 steps; attention was still rising,
so that the budget is 800. Tried and left, for they told little apart: lookup of 8 letters in 8 to 16 (attention .27,
LSTM .22, GRU .17 by suffix; .22, .24, .39 by prefix), selective_copy of 4 letters in 500 steps (.99 and GRU .96),
induction_heads of 16 to 40 places in 200 steps (.47 and LSTM .41, which has just begun).
"""

import hashlib
import json
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from attn_jax.config import EvaluateConfig, Study, TrainConfig
from attn_jax.config.codec import to_dict
from attn_jax.lab.plan.numerics import SCORES
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.mixers import Attention
from attn_jax.mixers.base import MixerConfig
from attn_jax.models import AnyModelConfig, ModelConfig
from attn_jax.tasks import (
    AssociativeRecall,
    CopyMemory,
    GroupWord,
    InductionHeads,
    Lookup,
    Parity,
    SelectiveCopy,
    TaskConfig,
)

SEEDS, FIRST_SEED = 4, 100  # of a card; baselines count from 0, so that no card shares a seed with them
MOST_SEEDS = 16  # of attention, LSTM and GRU among the baselines
RATES = (2e-3, 6e-3, 1.8e-2)
REFERENCE = ModelConfig(32, 2, (Attention(),), positions="sinusoidal")
_looked_up = partial(Lookup, ngram=1, num_answered=1)


@dataclass(frozen=True)
class Trial:
    """One of the eight.

    Args:
      asks: what it asks of a mixer, in words.
      task: what is learnt.
      steps: the budget.
      lengths: the shortest and the longest trained on.
      curve: lengths of the length curve.
      every: steps between evaluations.
    """

    asks: str
    task: TaskConfig
    steps: int
    lengths: tuple[int, int]
    curve: tuple[int, ...]
    every: int = 50


TRIALS: dict[str, Trial] = {
    "associative_recall": Trial("look values up by keys", AssociativeRecall(), 400, (6, 6), (2, 4, 6, 8, 12)),
    "selective_copy": Trial(
        "keep letters among blanks, in order", SelectiveCopy(8, num_symbols=8), 300, (16, 16), (8, 16, 24, 32)
    ),
    "induction_heads": Trial("say what followed a trigger", InductionHeads(), 150, (8, 32), (8, 16, 32, 64), every=25),
    "copy_memory": Trial("hold letters over a silence", CopyMemory(num_copied=6), 300, (20, 20), (10, 20, 40, 80)),
    "running_parity": Trial("flip one bit of state", Parity(labels="running"), 200, (2, 20), (10, 20, 40, 80)),
    "s3_words": Trial("multiply in a group that does not commute", GroupWord("s3"), 400, (2, 12), (6, 12, 16, 24)),
    "prefix_lookup": Trial(
        "watch for a letter that was given before", _looked_up("prefix", num_letters=4), 400, (4, 12), (4, 8, 12, 24)
    ),
    "suffix_lookup": Trial(
        "find a letter that is given after", _looked_up("suffix", num_letters=16), 800, (4, 8), (4, 8, 12, 16)
    ),
}


def skeleton(mixer: MixerConfig, *, ordered: bool) -> AnyModelConfig:
    """The model of a mixer, not sized yet."""
    return ModelConfig(mixers=(mixer,), positions="none" if ordered else "sinusoidal")


def sized(name: str, mixer: MixerConfig, *, ordered: bool) -> tuple[AnyModelConfig, str | None]:
    """The model of a mixer as large as the reference by parameters, and a note where 2 % could not be reached.

    Parameters of a task's tables are not counted, so that one size serves all eight.
    """
    study = _study("associative_recall", {"reference": REFERENCE}, seeds=1, first_seed=0)
    both = replace(study, models={"reference": REFERENCE, name: skeleton(mixer, ordered=ordered)}, match="parameters")
    return StudyPlan(both).model(name)


def studies_of(name: str, model: AnyModelConfig, *, seeds: int, first_seed: int) -> dict[str, Study]:
    """The study of each of the eight tasks, of one model alone."""
    return {key: _study(key, {name: model}, seeds=seeds, first_seed=first_seed) for key in TRIALS}


def fingerprints() -> dict[str, str]:
    """What two scores of one task must share to be compared: all but the mixer and the seeds."""
    return {key: _fingerprint(key) for key in TRIALS}


def _study(key: str, models: dict[str, AnyModelConfig], *, seeds: int, first_seed: int) -> Study:
    trial = TRIALS[key]
    train = TrainConfig(
        trial.steps,
        lengths=trial.lengths,
        seeds=seeds,
        first_seed=first_seed,
        learning_rates=RATES,
        warmup_steps=50,
    )
    evaluate = EvaluateConfig(trial.every, lengths=trial.curve)
    return Study(key, trial.task, models, train, evaluate, match=None)


def _fingerprint(key: str) -> str:
    terms: dict[str, Any] = to_dict(_study(key, {"reference": REFERENCE}, seeds=1, first_seed=0))
    return hashlib.sha256(json.dumps([terms, SCORES], sort_keys=True).encode()).hexdigest()[:12]
