"""Large gradients blow the update up: by plain gradient descent and an unbounded activation, and not by Adam.

    attn-jax claims 2

About 3.5 minutes on 2 cores.

Copy memory over a delay of 30, one recurrent layer of 32, 300 steps watched one by one: the gradient before it is
clipped, the update, whether the run diverged (a loss ten times its start, or none). Gradients of 6 and of 100,000 give
Adam one and the same update, rate x sqrt(parameters) = .049, clipped or not: it divides by their size. A tanh network,
whose states are bounded, takes a large step and goes on learning. What diverges is relu under plain descent, all of it,
and clipping saves all of it. Adam diverges too where the rate is a hundred times larger, whatever the gradient is.

2026-11-30, one x86-64 core, jax 0.10.2: holds in part (4 hold, 2 fail); RESULTS.md has every test.
"""

import numpy as np

from attn_jax.config import (
    Claim,
    DeclaredTest,
    EvaluateConfig,
    Line,
    Measurement,
    Panel,
    Quantity,
    Study,
    TrainConfig,
)
from attn_jax.config.rules import holds_for
from attn_jax.lab.measurements.step_sizes import watched, watched_rows
from attn_jax.lab.outcome.by_seed import from_rows
from attn_jax.mixers import RNN
from attn_jax.models import classic
from attn_jax.tasks import CopyMemory

DELAY, STEPS = 30, 300
UNCLIPPED = 1e20
CLIPPING = "relu, plain descent: unclipped diverges, clipped does not"
NETWORKS = {
    "tanh": (RNN(), (1.0, 2.0, 3.0)),
    "relu": (RNN(activation="relu", recurrent_init="identity"), (1.0, 1.1, 1.3)),
}
OPTIMIZERS = {"SGD": ("sgd", (1e-2,)), "Adam": ("adamw", (1e-3, 1e-1))}
CLIPS = {"": UNCLIPPED, ", clipped": 1.0}


def study(mixer, radii, optimizer, rates, clip):
    """How a network is trained, from all its radii by one program."""
    radius = "models.net.mixers.0.spectral_radius"
    return Study(
        name="watched",
        task=CopyMemory(num_letters=4, num_copied=2),
        models={"net": classic(mixer, d_model=32, num_layers=1)},
        train=TrainConfig(
            steps=STEPS,
            seeds=8,
            learning_rates=rates,
            lengths=(DELAY, DELAY),
            warmup_steps=0,
            weight_decay=0.0,
            optimizer=optimizer,
            clip=clip,
        ),
        evaluate=EvaluateConfig(every=100, lengths=(DELAY,)),
        match=None,
        starts={f"{value}": {radius: value} for value in radii},
    )


def steps(seeds, networks=tuple(NETWORKS), optimizers=tuple(OPTIMIZERS)):
    """A row a network, radius, optimiser, rate, clip and seed."""
    rows = []
    for network in networks:
        mixer, radii = NETWORKS[network]
        for optimizer in optimizers:
            name, rates = OPTIMIZERS[optimizer]
            for clipped, clip in CLIPS.items():
                entries = watched(study(mixer, radii, name, rates, clip), "net", seeds)
                for row in watched_rows(entries, seeds):
                    fast = " at .1" if row["learning rate"] == 0.1 else ""
                    rows.append(row | {"run": f"{network} {row['start']}, {optimizer}{fast}{clipped}"})
    return rows


def few_steps(seeds):
    """The same of one network by plain descent."""
    return steps(seeds, ("relu",), ("SGD",))


def diverged(found):
    """Whether each run diverged."""
    return from_rows(found["steps"], "diverged", "run")


def largest(found):
    """The largest update of each run."""
    return from_rows(found["steps"], "largest update", "run")


def panels(found):
    """Gradient against update, one dot a run; and the share that diverged."""
    gradients = from_rows(found["steps"], "largest gradient", "run")
    updates, gone = largest(found), diverged(found)
    networks = [f"{name} {radius}" for name, (_, radii) in NETWORKS.items() for radius in radii]
    networks = [name for name in networks if f"{name}, SGD" in gone]
    kinds = [f"{optimizer}{clipped}" for optimizer in OPTIMIZERS for clipped in CLIPS]
    kinds, columns = (
        [kind for kind in some if f"{networks[0]}, {kind}" in gone]
        for some in (kinds, [*kinds, "Adam at .1", "Adam at .1, clipped"])
    )
    dots = {}
    for kind in kinds:
        names = [name for name in updates if name.partition(", ")[2] == kind]
        dots[kind] = Line(*(np.ravel([of[name] for name in names]) for of in (gradients, updates)))
    cells = [[np.mean(gone[f"{network}, {kind}"]) for kind in columns] for network in networks]
    return [
        Panel(
            "Adam's step does not know the gradient's size",
            dots,
            "largest gradient",
            "largest update",
            "dots",
            log="xy",
        ),
        Panel("Share that diverged", form="map", columns=columns, rows=networks, cells=cells, limits=(0, 1)),
    ]


def get_config() -> Claim:
    tests = {
        CLIPPING: DeclaredTest("diverged", "relu 1.3, SGD", "relu 1.3, SGD, clipped", expect="more"),
        "plain descent: relu diverges where tanh of radius 3 does not": DeclaredTest(
            "diverged", "relu 1.3, SGD", "tanh 3.0, SGD", expect="more"
        ),
        "plain descent, tanh: radius 3 takes larger steps than radius 1": DeclaredTest(
            "largest update", "tanh 3.0, SGD", "tanh 1.0, SGD", expect="more"
        ),
        "Adam: a large gradient takes a larger step": DeclaredTest(
            "largest update", "relu 1.3, Adam", "tanh 1.0, Adam", expect="more", margin=0.01
        ),
        "Adam: clipping makes the step smaller": DeclaredTest(
            "largest update", "relu 1.3, Adam, clipped", "relu 1.3, Adam", expect="less", margin=0.01
        ),
        "Adam at a rate of .1: relu diverges where it does not at .001": DeclaredTest(
            "diverged", "relu 1.3, Adam at .1", "relu 1.3, Adam", expect="more"
        ),
    }
    return Claim(
        sentence="Large gradients keep growing and blow the update up.",
        source="the teaching article; Pascanu et al. 2013, arXiv 1211.5063",
        measurements={"steps": Measurement(steps, seeds=8, quick_seeds=6, quick=few_steps)},
        quantities={
            "diverged": Quantity(diverged, ("steps",), share=True, unit="of the seeds"),
            "largest update": Quantity(largest, ("steps",), limits=(0, float("inf"))),
        },
        tests=tests,
        rule=holds_for,
        explain={
            "in part": "Plain gradient descent steps as far as the gradient is long, and a network without bounds is "
            "thrown out by one such step; clipping keeps it. Adam divides by the gradient's size, so that its step is "
            "as long whatever the gradient is, and a tanh network's states cannot leave [-1, 1].",
            "holds": "A gradient that grows from step to step makes updates that destroy what was learnt. Clipping its "
            "norm prevents that.",
            "fails": "However large the gradients are, no update is blown up here. The optimisers keep their steps.",
            "undecided": "These seeds do not tell whether large gradients are what diverges. More are needed.",
        },
        panels=panels,
        quick={about: None for about in tests if about != CLIPPING},
    )
