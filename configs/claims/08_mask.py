"""The mask: without it a model is told what it should say, and knows nothing when it must say it.

    attn-jax claims 8

About 1 minute on 2 cores.

Markov chains of two states, 40 of them, in context: nobody who reads only what came before can do better than .5345
nats a state (the Bayes floor; uniform guessing has .6931). Without the mask the loss in training falls to ln 2 / 40 =
.0173, the one answer that stands nowhere, within a hundred steps; asked honestly, a prefix at a time, the same networks
are worse than a coin. With it both are one number and no derivative above the diagonal is anything but exactly 0.

Honest is a prefix at a time with all else as padding. To put the mask on at the test is no evaluation: that is another
network. A task whose best score is 1 would not show it: unmasked networks reach it too, by reading the answer.

2026-11-30, one x86-64 core, jax 0.10.2: holds, and with seeds from 1000 on too; RESULTS.md has every test.
"""

import math

from attn_jax.config import Claim, DeclaredTest, EvaluateConfig, Line, LookAhead, Panel, Quantity, Study, TrainConfig
from attn_jax.lab.outcome.by_seed import probed
from attn_jax.mixers import Attention
from attn_jax.models import ModelConfig
from attn_jax.tasks import MarkovChain

LENGTH = 40
BAYES, UNIFORM = 0.5345, 0.6931  # nats a state, of chains of 40


def model(causal):
    mixer = Attention(num_heads=2, causal=causal, head_positions="rotary")
    return ModelConfig(d_model=32, num_layers=2, mixers=(mixer,))


def looked(found, name):
    """What the probe saw of each model after training."""
    return probed(found["mask"], "look_ahead", name, found["mask"].budget)


def told(found):
    """The loss with the whole sequence in sight."""
    return looked(found, "told")


def honest(found):
    """The loss with what stands before each answer alone."""
    return looked(found, "honest")


def gap(found):
    """By how much the honest loss is higher."""
    return {name: loss - told(found)[name] for name, loss in honest(found).items()}


def ahead(found):
    """The share of pairs of places above the diagonal with a derivative that is not exactly 0."""
    return looked(found, "ahead")


def panels(found):
    """Told and honest loss over the steps, the floors drawn in."""
    study, lines = found["mask"], {}
    steps = [0, *study.evaluated_at.tolist()]
    for what in ("told", "honest"):
        each = [probed(study, "look_ahead", what, step) for step in steps]
        lines |= {f"{name}, {what}": Line(steps, [at[name].mean() for at in each]) for name in study.models}
    marks = {"Bayes: the best there is": BAYES, "uniform guessing": UNIFORM}
    return [Panel("What is told and what is known", lines, "steps", "nats a state", marks=marks, limits=(0, 2))]


def get_config() -> Claim:
    nats = {"unit": "nats", "limits": (0, math.inf)}
    return Claim(
        sentence="The decoder's attention is masked: a place may not see those after it, or it would learn to read its "
        "answer.",
        source="the teaching article; Vaswani et al. 2017, arXiv 1706.03762, section 3.2.3",
        studies={
            "mask": Study(
                name="claim8",
                task=MarkovChain(),
                models={"masked": model(True), "unmasked": model(False)},
                train=TrainConfig(steps=200, seeds=8, first_seed=100, learning_rates=(3e-3,), lengths=(LENGTH, LENGTH)),
                evaluate=EvaluateConfig(every=25, num_examples=128, lengths=(LENGTH,)),
                match=None,
                probes=(LookAhead(),),
            )
        },
        quantities={
            "told": Quantity(told, ("mask",), **nats),
            "honest": Quantity(honest, ("mask",), **nats),
            "gap": Quantity(gap, ("mask",), unit="nats"),
            "ahead": Quantity(ahead, ("mask",), limits=(0, 1)),
        },
        tests={
            "masked: no derivative above the diagonal": DeclaredTest("ahead", "masked", 0, expect="equal", margin=1e-6),
            "masked: what is told is what is known": DeclaredTest("gap", "masked", 0, expect="equal", margin=1e-3),
            "unmasked: every place sees those after it": DeclaredTest("ahead", "unmasked", 0.5, expect="more"),
            "unmasked: told less than the Bayes floor": DeclaredTest(
                "told", "unmasked", BAYES, expect="less", margin=0.1
            ),
            "unmasked: honestly worse than a coin": DeclaredTest("honest", "unmasked", UNIFORM, expect="more"),
            "honestly, the masked one knows more": DeclaredTest("honest", "masked", "unmasked", expect="less"),
        },
        explain={
            "holds": "Without the mask each place reads its answer from the place after it: the training loss falls "
            "below what anyone could know, and the network is lost as soon as it has to speak first. With the mask "
            "what it says in training is what it can say.",
            "fails": "A network without the mask did not read its answers, or one with it did. The mask does not do "
            "what it is for.",
            "undecided": "The losses with and without the mask lie too close to be told apart by these seeds. Nothing "
            "is shown about the mask.",
        },
        panels=panels,
        quick={"mask": {"train.steps": 100}},
    )
