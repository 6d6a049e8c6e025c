"""Made-up studies that look like real ones."""

import numpy as np
import pytest

from attn_jax.lab.outcome.results import Measured, ModelResult, Results
from attn_jax.report import drawing

RATES = (1e-3, 3e-3, 1e-2)
STEPS = np.arange(50, 801, 50)
LENGTHS = (6, 8, 12, 16, 24)
FLOORS = {"uniform": {"value": 0.125, "loss": 2.0794}, "seen_value": {"value": 0.288, "loss": None}}


def make_model(
    name: str, solved_at: list[int | None], *, seed: int = 0, num_lengths: int = 5, **changes
) -> ModelResult:
    """Runs of S seeds x 3 rates: sigmoids that cross .95 at `solved_at`, or noise on the floor where that is None."""
    rng = np.random.default_rng(seed)
    shape = (len(solved_at), len(RATES), len(STEPS))
    score = rng.normal(0.01, 0.012, shape) + 0.0003 * STEPS / 8
    for s, step in enumerate(solved_at):
        if step is None:
            continue
        for a, stretch in enumerate((1.45, 1.0, 1.2)):
            rise = 1 / (1 + np.exp(-(STEPS - stretch * step + 55) / 16))
            score[s, a] = np.minimum(rise * (1 - 0.01 * rng.random(len(STEPS))) + 0.01 * rng.random(len(STEPS)), 1)
    final = score[:, :, -1]
    decay = np.array([1, 0.98, 0.8, 0.55, 0.3])[:num_lengths]
    return ModelResult(
        **{
            "name": name,
            "description": "2 blocks, width 32, 4x MLP, sinusoidal positions",
            "parameters": 27_104,
            "parameters_matched": 25_216,
            "match_note": None,
            "state_bytes": 9_216,
            "train_flops_per_step": 93.4e6,
            "depth": "constant",
            "learning_rates": RATES,
            "score": score,
            "diverged": np.zeros(shape[:2], bool),
            "final": final,
            "length_score": final[..., None] * decay,
            "measured": {
                "loss": Measured(2.1 * (1 - 0.95 * score), 2.1 - final, 2.1 - final[..., None] * decay),
                "whole": Measured(np.clip(score, 0, 1), final, np.clip(final, 0, 1)[..., None] * decay**4),
            },
            "seconds": 34.56,
            "compile_seconds": 4.1,
            **changes,
        }
    )


def make_results(models: list[ModelResult], **changes) -> Results:
    """A study of associative recall with these models."""
    return Results(
        **{
            "study": "quickstart",
            "task": "associative_recall",
            "reference": models[0].name,
            "metric": "accuracy",
            "chance": "seen_value",
            "best": dict.fromkeys(LENGTHS, 1.0),
            "loss_places": "scored",
            "threshold": 0.95,
            "length_unit": "pairs",
            "train_lengths": (6, 12),
            "curve_lengths": LENGTHS,
            "floors": dict.fromkeys(LENGTHS, FLOORS),
            "evaluated_at": STEPS,
            "budget": 800,
            "schedule": "constant",
            "workers": 2,
            "models": {model.name: model for model in models},
            "config": {"name": "quickstart", "match": "parameters", "train": {"steps": 800, "learning_rates": RATES}},
            "environment": {"jax": "0.10.2", "python": "3.11.7", "devices": ["cpu"]},
            **changes,
        }
    )


@pytest.fixture
def undrawn(monkeypatch):
    """Pages of empty figures: drawing takes most of a page's time."""
    monkeypatch.setattr(drawing, "_svgs", lambda *args: ('<svg viewBox="0 0 342 230"></svg>',) * 2)


@pytest.fixture
def quickstart() -> Results:
    """The transformer solves it in 8 of 8; LSTM and GRU stay on the floor."""
    return make_quickstart()


def make_quickstart() -> Results:
    solved = [200, 250, 250, 300, 250, 350, 300, 400]
    rnn = {"state_bytes": 448, "depth": "linear", "parameters": 26_890, "parameters_matched": 25_102}
    lstm = make_model("lstm", [None] * 8, seed=1, train_flops_per_step=88.1e6, seconds=29.9, **rnn)
    note = "25,102 parameters, the nearest to 25,216"
    gru = make_model("gru", [None] * 8, seed=2, train_flops_per_step=90.2e6, seconds=31.4, match_note=note, **rnn)
    return make_results([make_model("transformer", solved), lstm, gru])


@pytest.fixture
def digits() -> Results:
    """A task without a threshold."""
    models = [
        make_model(name, [150 + 40 * i] * 5, seed=i, num_lengths=1)
        for i, name in enumerate(("gru", "lstm", "transformer"))
    ]
    return make_results(
        models,
        study="digits",
        task="digits",
        threshold=None,
        curve_lengths=(64,),
        train_lengths=(64, 64),
        best={64: 1.0},
        floors={64: {"seen_value": {"value": 0.101, "loss": 2.3026}}},
        length_unit="pixels",
    )


@pytest.fixture
def diverged() -> Results:
    """Every run of both models blew up."""
    models = []
    for name in ("transformer", "lstm"):
        model = make_model(name, [None] * 4)
        measured = model.measured.values()
        for array in (model.score, *(measure.validation for measure in measured)):
            array[:, :, 5:] = np.nan
        for array in (model.final, model.length_score, *(array for measure in measured for array in measure[1:])):
            array[:] = np.nan
        model.diverged[:] = True
        models.append(model)
    return make_results(models)


@pytest.fixture
def alone() -> Results:
    """One model, one seed."""
    return make_results([make_model("transformer", [300])])


@pytest.fixture
def hostile() -> Results:
    """Names that mean something to HTML, SVG, mathtext and rich."""
    names = ("<script>alert(1)</script>", '[bold]a name of $x_1$ & "quotes" that is far too long for a column[/bold]')
    return make_results([make_model(name, [300, None, 250, 400, None, 500], seed=i) for i, name in enumerate(names)])
