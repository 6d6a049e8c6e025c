"""Recurrence prevents parallel computation: counted, and undone by Newton's method where a gradient vanishes.

    attn-jax claims 3

About 1 minute on 2 cores; nothing is trained.

Depth is the longest chain of dependent steps in the library's own programs; it is judged by how it grows with the
length, for its number counts our primitives, four to a step of an RNN and eight to one of an LSTM. A cell whose state
moves linearly is a scan of depth log n: "recurrence" is too wide a word. Newton's method solves a nonlinear one for all
places at once, in as many trips as the network needs; more than 32 are not tried, "32" is at least that. Where it fails
is where claim 1's slope crosses 0: what can be learnt from far back is what must be read step by step.

Time on a CPU is shown and not judged: there a tanh network is faster than attention at every length from 128 on, and
a sequential scan faster than an associative one, as nothing is parallel.

2026-11-30, one x86-64 core, jax 0.10.2: holds in part (6 hold, 5 fail); RESULTS.md has every test.
"""

import numpy as np

from attn_jax.config import Claim, DeclaredTest, Line, Measurement, Panel, Quantity
from attn_jax.config.rules import holds_for
from attn_jax.lab.measurements.complexity import depth_of
from attn_jax.lab.measurements.start_flow import flow_rows, newton_rows
from attn_jax.lab.measurements.timings import timing_rows
from attn_jax.lab.outcome.by_seed import from_rows
from attn_jax.mixers import GRU, LRU, LSTM, RNN, Attention, LinearAttention, MinGRU

GROWTH = {"constant": 0, "log T": 0, "linear": 1}  # the power of n
DEPTHS = {
    "RNN": RNN(),
    "LSTM": LSTM(),
    "GRU": GRU(),
    "min_gru": MinGRU(form="associative"),
    "LRU": LRU(form="associative"),
    "linear attention": LinearAttention(num_heads=2, form="parallel"),
    "attention": Attention(num_heads=2),
}
NETWORKS = {f"tanh {radius}": RNN(spectral_radius=radius) for radius in (0.5, 1.0, 1.25, 1.5, 2.0, 3.0)}
GATED = {"LSTM": LSTM(), "GRU": GRU()}
SCALES = {"inputs 1": 1.0, "inputs .1": 0.1}
TIMED = {
    "RNN": RNN(),
    "LSTM": LSTM(),
    "min_gru, step by step": MinGRU(form="sequential"),
    "min_gru, associative": MinGRU(form="associative"),
    "attention": Attention(num_heads=2),
}
MOST = 16  # trips that are still fewer than steps, of 256


def depths(seeds):
    """How the dependent steps of each layer grow."""
    return [{"cell": name, "growth": growth, "power": GROWTH[growth]} for name, growth in grown()]


def grown():
    return [(name, depth_of(mixer)) for name, mixer in DEPTHS.items()]


def networks(seeds):
    """Newton's trips and the gradient's slope of each network that has just begun, one row each."""
    rows = []
    for said, scale in SCALES.items():
        cells = NETWORKS | GATED if scale == 1 else NETWORKS
        slopes = {(row["cell"], row["seed"]): row["slope"] for row in flow_rows(cells, seeds, scale=scale)}
        rows += [
            row | {"inputs": said, "slope": slopes[row["cell"], row["seed"]]}
            for row in newton_rows(cells, seeds, scale=scale)
        ]
    return rows


def timings(seeds):
    """Time and memory, to be shown."""
    return timing_rows(TIMED, (64, 256, 1024))


def few_timings(seeds):
    """The same of two lengths."""
    return timing_rows(TIMED, (64, 256))


def trips(found):
    """Newton's trips, of each network and its inputs."""
    return from_rows(found["networks"], "iterations", "cell", "inputs")


def together(found):
    """Of each seed, the rank correlation of slope and trips over the tanh networks."""
    rows = [row for row in found["networks"] if row["cell"].startswith("tanh")]
    slopes, iterations = (from_rows(rows, column, "cell", "inputs") for column in ("slope", "iterations"))
    pairs = zip(np.transpose([*slopes.values()]), np.transpose([*iterations.values()]), strict=True)
    return {"slope and trips": np.array([rank_correlation(*pair) for pair in pairs])}


def rank_correlation(a, b):
    """Spearman's, ties sharing their mean rank."""
    ranks = [np.array([(np.sum(x < value) + np.sum(x <= value)) / 2 for value in x]) for x in (a, b)]
    return np.corrcoef(np.stack(ranks))[0, 1]


def panels(found):
    """Slope against trips, one dot a network; time by length."""
    rows = found["networks"]
    slopes, iterations = (from_rows(rows, column, "cell", "inputs") for column in ("slope", "iterations"))
    kinds = dict.fromkeys((row["cell"].split()[0], row["inputs"]) for row in rows)
    dots = {}
    for kind, inputs in kinds:
        names = [name for name in slopes if name.startswith(kind) and name.endswith(inputs)]
        x, y = (np.ravel([of[name] for name in names]) for of in (slopes, iterations))
        dots[f"{kind}, {inputs}"] = Line(x, y)
    times = {}
    for name in TIMED:
        mine = [row for row in found["timings"] if row["cell"] == name]
        times[name] = Line([row["T"] for row in mine], [row["us a token"] for row in mine])
    return [
        Panel(
            "A network whose gradient vanishes can be computed in parallel",
            dots,
            "slope of the gradient, log10 a step back",
            "Newton's trips to all 256 states",
            form="dots",
            marks={"more are not tried": 32},
        ),
        Panel("Shown, not judged: one CPU core", times, "length", "us a token, forward and backward", log="xy"),
    ]


def by_newton(network):
    """That a network needs more trips than would make it parallel."""
    return DeclaredTest("trips", network, MOST, expect="more")


def get_config() -> Claim:
    linear = {name: DeclaredTest("power of n", name, 1, expect="equal") for name in DEPTHS if name != "attention"}
    tests = {f"{name}: steps grow with n": test for name, test in linear.items()}
    tests |= {
        "attention: steps do not grow": DeclaredTest("power of n", "attention", 0, expect="equal"),
        "tanh of radius 2, by Newton: more than 16 trips": DeclaredTest(
            "trips", "tanh 2.0 inputs 1", MOST, expect="more"
        ),
        "tanh of radius 1, by Newton: more than 16 trips": DeclaredTest(
            "trips", "tanh 1.0 inputs 1", MOST, expect="more"
        ),
        "LSTM, by Newton: more than 16 trips": DeclaredTest("trips", "LSTM inputs 1", MOST, expect="more"),
        "trips grow with the slope": DeclaredTest("rank correlation", "slope and trips", 0.5, expect="more"),
    }
    return Claim(
        sentence="Recurrence prevents parallel computation: each step waits for the one before.",
        source="the teaching article; Vaswani et al. 2017, arXiv 1706.03762, section 1",
        measurements={
            "depths": Measurement(depths),
            "networks": Measurement(networks, seeds=8, quick_seeds=6),
            "timings": Measurement(timings, quick=few_timings),
        },
        quantities={
            "power of n": Quantity(lambda found: from_rows(found["depths"], "power", "cell"), ("depths",)),
            "trips": Quantity(trips, ("networks",), unit="trips", limits=(0, 32)),
            "rank correlation": Quantity(together, ("networks",), limits=(-1, 1)),
        },
        tests=tests,
        rule=holds_for,
        explain={
            "in part": "A tanh network, an LSTM and a GRU wait for every step as they are written; what moves its "
            "state linearly does not, its steps can be taken two and two. Even a nonlinear one can be solved for all "
            "places at once, and it is the one whose gradient vanishes that can: what is worth carrying far has to be "
            "carried step by step.",
            "holds": "Every step needs the state before it, so that a thousand places are a thousand steps in a row, "
            "however many processors there are. Attention compares all places at once.",
            "fails": "None of these recurrences needs a step a place. They can be computed in parallel.",
        },
        panels=panels,
    )
