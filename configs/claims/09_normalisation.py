"""Layer normalisation: which learning rates train, by norm, by its place and by depth.

    attn-jax claims 9

About 8.5 minutes on 2 cores.

Associative recall of 3 pairs; counted is how many of four rates, 1e-3 to 3e-2, solve it within the budget, of each
seed. In the pilots a network without any norm trained at as many rates as one with, at depths 2 and 4; at depth 8 at
none, with the norm after each part (post, as first published) at few and slowly, before each part (pre) at most. The
upper end of the window is what the norm sets, the lower end is the budget's, so that two budgets are told, read from
one run. Warm-up moves pre norm's upper end. All without residual scaling: another start would let "none" train.

2026-11-30, one x86-64 core, jax 0.10.2: holds in part (4 hold, 2 undecided); RESULTS.md has every test.
"""

import numpy as np

from attn_jax.config import Claim, DeclaredTest, EvaluateConfig, Line, Panel, Quantity, Study, TrainConfig
from attn_jax.config.rules import holds_for
from attn_jax.lab.outcome.by_seed import read_at, solved_at_each_rate
from attn_jax.mixers import Attention
from attn_jax.models import ModelConfig
from attn_jax.tasks import AssociativeRecall

RATES = (1e-3, 3e-3, 1e-2, 3e-2)
NORMS = {"none": ("none", "pre"), "post": ("layer", "post"), "pre": ("layer", "pre"), "rms": ("rms", "pre")}
BUDGETS = {2: 400, 4: 400, 8: 600}
EARLY = 200
QUICK = ("depth 2",)
NORM_OR_NONE = "pre norm trains at more rates than none"
STUDIES = {  # depth, warm-up, norms: what no test asks for is left out where a step is dear
    "depth 2": (2, 0, ("none", "post", "pre", "rms")),
    "depth 4": (4, 100, ("none", "post", "pre")),
    "depth 8": (8, 100, ("none", "post", "pre")),
    "depth 8, no warm-up": (8, 0, ("pre",)),
}


def model(depth, norm, place):
    mixers = (Attention(num_heads=2),)
    return ModelConfig(32, depth, mixers, positions="sinusoidal", norm=norm, norm_place=place)


def study(depth, warmup, norms):
    return Study(
        name=f"claim9_{depth}_{warmup}",
        task=AssociativeRecall(num_keys=8, num_values=8),
        models={name: model(depth, *NORMS[name]) for name in norms},
        train=TrainConfig(
            steps=BUDGETS[depth], seeds=8, first_seed=100, learning_rates=RATES, lengths=(3, 3), warmup_steps=warmup
        ),
        evaluate=EvaluateConfig(every=25, num_examples=128, lengths=(3,)),
        match=None,
    )


def windows(found):
    """Of each seed how many rates solve the task within the budget."""
    return {
        f"{norm}, {key}": solved.sum(1) for key in found for norm, solved in solved_at_each_rate(found[key]).items()
    }


def early(found):
    """The same within 200 steps."""
    return windows({key: read_at(of, min(EARLY, of.budget)) for key, of in found.items()})


def panels(found):
    """The share of seeds that solve it, by rate, a panel a study; and all windows at both budgets."""
    parts = []
    for key, of in found.items():
        title, rates = f"{key}, {of.budget} steps", of.config["train"]["learning_rates"]
        shares = {norm: Line(rates, solved.mean(0)) for norm, solved in solved_at_each_rate(of).items()}
        parts.append(Panel(title, shares, "learning rate", "share solved", log="x", limits=(0, 1)))
    both = {"whole budget": windows(found), f"{EARLY} steps": early(found)}
    mean = lambda values: np.nan if values is None else values.mean()  # noqa: E731
    cells = [[mean(at.get(f"{norm}, {key}")) for key in found] for norm in NORMS for at in both.values()]
    rows = [f"{norm}, {budget}" for norm in NORMS for budget in both]
    return [*parts, Panel("Rates that solve it", form="map", columns=[*found], rows=rows, cells=cells)]


def get_config() -> Claim:
    more = {
        f"depth 2: {NORM_OR_NONE}": ("pre, depth 2", "none, depth 2"),
        f"depth 4: {NORM_OR_NONE}": ("pre, depth 4", "none, depth 4"),
        f"depth 8: {NORM_OR_NONE}": ("pre, depth 8", "none, depth 8"),
        "depth 8: post norm trains at more rates than none": ("post, depth 8", "none, depth 8"),
        "depth 8: pre norm trains at more rates than post": ("pre, depth 8", "post, depth 8"),
        "depth 8: warm-up opens more rates to pre norm": ("pre, depth 8", "pre, depth 8, no warm-up"),
    }
    return Claim(
        sentence="Layer normalisation makes deep networks train, and more learning rates usable.",
        source="the teaching article; Ba et al. 2016, arXiv 1607.06450; Xiong et al. 2020, arXiv 2002.04745",
        studies={key: study(*of) for key, of in STUDIES.items()},
        quantities={"rates": Quantity(windows, tuple(STUDIES), unit="rates of four", limits=(0, len(RATES)))},
        tests={about: DeclaredTest("rates", a, b, expect="more") for about, (a, b) in more.items()},
        rule=holds_for,
        explain={
            "in part": "Whether normalisation is needed depends on depth. A network of eight layers trains at no rate "
            "without it, and where it stands decides at how many, before each part at more than after it; in shallow "
            "ones these seeds show no difference.",
            "holds": "Normalised networks train at more learning rates than bare ones at every depth tried. Where the "
            "norm stands decides how many.",
            "fails": "At no depth tried does normalisation open more learning rates. These networks are shallow enough "
            "to train without.",
            "undecided": "The windows of rates with and without normalisation are too alike for these seeds. More of "
            "them would be needed.",
        },
        panels=panels,
        quick={key: in_small(key) if key in QUICK else None for key in STUDIES}
        | {about: None for about in more if about not in [f"{key}: {NORM_OR_NONE}" for key in QUICK]},
    )


def in_small(key):
    """None against pre, at the rates of which either may fail."""
    models = {norm: model(STUDIES[key][0], *NORMS[norm]) for norm in ("none", "pre")}
    return {"train.steps": 200, "train.learning_rates": (1e-3, 3e-3), "models": models}
