"""The article's claims: each can be decided by its seeds, and says what invented results say; nothing is trained."""

import ast
import re

import numpy as np
import pytest
from invented import invented

from attn_jax.config.claim_file import load_claim, shipped_claims
from attn_jax.config.claim_runs import claim_run
from attn_jax.lab.outcome.claims import judge_claim, refuse_undecidable
from attn_jax.lab.plan.starts import check_starts
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.tasks import MarkovChain

PATHS = shipped_claims()
NUMBERS = [str(number) for number in range(1, 12)]


def test_there_are_eleven():
    assert list(PATHS) == NUMBERS


@pytest.mark.parametrize("number", NUMBERS)
def test_a_claim_can_be_decided_and_says_how_it_is_run(number):
    path = PATHS[number]
    claim = load_claim(path)
    refuse_undecidable(claim)
    said = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert f"attn-jax claims {number}\n" in said
    assert re.search(r"(About [\d.]+|Under 1) minutes? on 2 cores", said)
    for run in ("first", "quick", "again"):
        seeds = {seed for test in claim_run(claim, run).tests.values() for seed in claim.seeds_of_test(test)}
        assert not seeds or (min(seeds), len(seeds) >= 8) == (100, True)
    assert {"holds", "fails"} <= claim.explain.keys()
    for text in claim.explain.values():
        assert 2 <= len(re.findall(r"[.!?](?: |$)", text)) <= 3  # sentences


def seeded(claim, key, columns):
    """Rows of a measurement: {name: value of each column}, of the claim's seeds."""
    measurement = claim.measurements[key]
    seeds = range(measurement.first_seed, measurement.first_seed + measurement.seeds)
    noise = lambda seed: 1e-4 * ((seed * 7) % 5)  # noqa: E731
    given = ("scale",)  # what was asked for, and not measured
    return [
        {k: v + noise(seed) if isinstance(v, float) and k not in given else v for k, v in row.items()} | {"seed": seed}
        for row in columns
        for seed in seeds
    ]


def vanishing(claim, gone=-0.2):
    """Slopes of claim 1's cells: all vanish by this, but those that keep their gradient."""
    keep = ("LSTM forget 3", "LSTM chrono", "relu 1.0", "attention", "lru", "s4d", "mamba", "linear_attention")
    cells = _globals("1")["CELLS"]
    columns = [{"cell": name, "slope": 0.0 if name in keep else gone, "left": 0.0} for name in cells]
    return {"slopes": seeded(claim, "slopes", columns)}


def flow(what_is_left):
    """A gradient flow of 24 places in which so many powers of ten are left of the letter asked for."""
    return lambda name: 10.0 ** (np.arange(44) / 42 * what_is_left(name))


def of_claim_1(claim):
    learns = ("r2.0", "r1.25-x0.2")
    solved = lambda name, seed, place: 200 if name.rpartition("@")[2] in learns else np.inf  # noqa: E731
    k = {"k": lambda name: np.arange(44)}
    start = {0: k | {"gradient": flow(lambda name: -4.0)}}
    after = {"gradient": flow(lambda name: -9.0 if name == "tanh_1" else -0.5)}
    later = dict.fromkeys(range(50, claim.studies["trained"].train.steps + 1, 50), k | after)
    probes = {key: {"gradient_flow": start | (later if key == "trained" else {})} for key in claim.studies}
    found = {key: invented(study, solved, 0.0, probes[key]) for key, study in claim.studies.items()}
    return found | vanishing(claim)


def of_claim_2(claim):
    def run(name):
        relu, fast = name.startswith("relu"), "at .1" in name
        gone = relu and (fast or name.endswith("SGD"))
        update = 0.05 if "Adam" in name else 5.0 if name.startswith("tanh 3") and "clipped" not in name else 0.01
        return {"run": name, "diverged": gone, "largest update": update, "largest gradient": 1e5 if relu else 6.0}

    nets = [f"{net} {radius}" for net, (_, radii) in _globals("2")["NETWORKS"].items() for radius in radii]
    how = [f"{name}{clip}" for name in ("SGD", "Adam", "Adam at .1") for clip in ("", ", clipped")]
    return {"steps": seeded(claim, "steps", [run(f"{net}, {one}") for net in nets for one in how])}


def of_claim_3(claim):
    module = _globals("3")
    rows, growth = [], {"RNN": 1, "LSTM": 1, "GRU": 1}
    for said in module["SCALES"]:
        for i, cell in enumerate([*module["NETWORKS"], *(module["GATED"] if said == "inputs 1" else ())]):
            gated = cell in module["GATED"]
            trips, slope = (4, -0.1) if gated else ((4, 5, 7, 12, 32, 32)[i], -0.5 + 0.1 * i)
            rows.append({"cell": cell, "inputs": said, "iterations": trips, "slope": slope})
    return {
        "depths": [{"cell": name, "power": growth.get(name, 0)} for name in module["DEPTHS"]],
        "networks": seeded(claim, "networks", rows),
        "timings": [
            {"cell": name, "T": T, "us a token": 1.0, "MB": 1.0} for name in module["TIMED"] for T in (64, 256)
        ],
    }


def of_claim_4(claim):
    def first(task, name, seed, place):
        if place not in (0, 1):  # the second rate is the best, or the only one
            return np.inf
        slow = name == "rnn" or (name == "lstm" and task in ("associative_recall", "copy_memory"))
        return (275 if slow else 100 + 25 * (seed % 2)) + (0 if place else 25)

    return {task: invented(study, lambda *run, task=task: first(task, *run)) for task, study in claim.studies.items()}


def of_claim_5(claim):
    module = _globals("5")
    learn = ("scaled_dot", "dot_small", "bilinear_small", "cosine_8", "cosine_learned")
    first = lambda name, seed, place: 150 + 25 * (seed % 2) if name in learn else 300 if name == "additive" else np.inf  # noqa: E731
    keys = lambda name, H: 1.2 if name == "dot" and H > 100 else 10.8  # noqa: E731
    sharp = [
        {"similarity": name, "H": H, "keys": keys(name, H), "steep": 1e-4 if keys(name, H) < 2 else 0.3}
        for name in module["FORMS"]
        for H in module["SIZES"]
    ]
    weights = [{"scale": scale, "weight": 0.99 if scale > 1 else 0.3, "found": 1.0} for scale in module["SCALES"]]
    return {
        "trained": invented(claim.studies["trained"], first),
        "sharpness": seeded(claim, "sharpness", sharp),
        "retrieval": seeded(claim, "retrieval", weights),
    }


def of_claim_7(claim, control=True):
    def first(look_ups, name, seed, place):
        heads = int(name[-1])
        if look_ups == "look-ups 1":
            return 125 + 25 * (seed % 2) if control else 600 // heads
        if look_ups == "look-ups 2":
            return 700 - 125 * heads
        return 450 if heads == 4 else np.inf

    return {
        key: invented(study, lambda *run, key=key: first(key, *run), 0.2 if key == "look-ups 4" else 0.1)
        for key, study in claim.studies.items()
    }


def of_claim_8(claim, told=0.02, ahead=0.0):
    """Losses, whatever the step; `told` of the network without a mask, `ahead` of the one with it."""
    values = {
        "told": {"masked": 0.58, "unmasked": told},
        "honest": {"masked": 0.58, "unmasked": 1.6},
        "ahead": {"masked": ahead, "unmasked": 1.0},
    }
    study = claim.studies["mask"]
    named = {what: lambda name, of=of: of[name] for what, of in values.items()}
    steps = [0, *range(study.evaluate.every, study.train.steps + 1, study.evaluate.every)]
    return {"mask": invented(study, probes={"look_ahead": dict.fromkeys(steps, named)})}


def of_claim_9(claim, starved=()):
    """How many of the rates solve it; of a starved norm none, wherever."""
    windows = {
        "depth 2": {"none": 3, "post": 2, "pre": 3, "rms": 4},
        "depth 4": {"none": 3, "post": 2, "pre": 3},
        "depth 8": {"none": 0, "post": 2, "pre": 3},
        "depth 8, no warm-up": {"pre": 2},
    }

    def first(key, name, seed, place):
        return 100 if place < windows[key][name] and name not in starved else np.inf

    return {key: invented(study, lambda *run, key=key: first(key, *run)) for key, study in claim.studies.items()}


def of_claim_10(claim):
    def unsolved(key):
        return {"copy": 0.5, "reverse": 0.1, "majority": 0.6}[key]

    def first(key, name, seed, place):
        blind = name == "none_both_ways"
        if key == "majority":
            return 100 if name.startswith("none") else np.inf
        return np.inf if blind or name == "none" else 300

    return {
        key: invented(study, lambda *run, key=key: first(key, *run), unsolved(key))
        for key, study in claim.studies.items()
    }


FOUND = {
    "1": (of_claim_1, "in part"),
    "2": (of_claim_2, "in part"),
    "3": (of_claim_3, "in part"),
    "4": (of_claim_4, "in part"),
    "5": (of_claim_5, "in part"),
    "7": (of_claim_7, "holds"),
    "8": (of_claim_8, "holds"),
    "9": (of_claim_9, "in part"),
    "10": (of_claim_10, "holds"),
}


@pytest.mark.parametrize("number", FOUND)
def test_in_small_it_is_judged_and_drawn_too(number):
    claim = claim_run(load_claim(PATHS[number]), "quick")
    found = FOUND[number][0](claim)
    assert judge_claim(claim, found).answers.keys() == claim.tests.keys()
    assert claim.panels(found)


@pytest.mark.parametrize("number", FOUND)
def test_what_the_pilots_found_gives_their_verdict_and_a_picture(number):
    claim = load_claim(PATHS[number])
    find, outcome = FOUND[number]
    found = find(claim)
    judged = judge_claim(claim, found)
    assert judged.outcome == outcome, {about: answer.outcome for about, answer in judged.answers.items()}
    for panel in claim.panels(found):
        for line in panel.lines.values():
            assert np.shape(line.x)[-1] == np.shape(line.y)[-1]
        if panel.form == "map":
            assert np.shape(panel.cells) == (len(panel.rows), len(panel.columns))


@pytest.mark.parametrize(
    ("number", "planted", "outcome"),
    [
        ("7", {"control": False}, "undecided"),  # heads help with one look-up: the design shows nothing
        ("8", {"ahead": 1 / 40}, "fails"),  # a mask that leaks one place
        ("8", {"told": 0.6}, "fails"),  # a network that reads nothing ahead
        ("9", {"starved": ("pre", "post")}, "fails"),  # a grid that starves the norms
    ],
)
def test_what_is_planted_turns_the_verdict(number, planted, outcome):
    claim = load_claim(PATHS[number])
    assert judge_claim(claim, FOUND[number][0](claim, **planted)).outcome == outcome


def test_the_floors_that_claim_8_names_are_its_tasks():
    floors, module = MarkovChain().make().floors(40), _globals("8")
    assert floors["bayes"].loss == pytest.approx(module["BAYES"], abs=5e-5)
    assert floors["uniform"].loss == pytest.approx(module["UNIFORM"], abs=5e-5)


@pytest.mark.exhaustive
@pytest.mark.parametrize("number", NUMBERS)
def test_its_studies_can_be_trained(number):
    for study in load_claim(PATHS[number]).studies.values():
        plan = StudyPlan(study)
        for _, note in plan.models.values():
            assert note is None
        check_starts(plan)
        assert all(plan.floors(length) for length in plan.curve_lengths)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("number", "outcome"), [("6", "holds"), ("11", "in part")])
def test_what_is_counted_comes_out_so(number, outcome):
    claim = load_claim(PATHS[number])
    found = {key: measurement.measure(()) for key, measurement in claim.measurements.items()}
    judged = judge_claim(claim, found)
    assert judged.outcome == outcome
    if number == "11":
        failed = [about for about, answer in judged.answers.items() if answer.outcome == "fails"]
        assert len(failed) == 3
        assert all("layer" in about for about in failed)
    assert claim.panels(found)


def _globals(number):
    """The names in a claim's file."""
    return load_claim(PATHS[number]).panels.__globals__
