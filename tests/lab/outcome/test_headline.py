"""The sentence for a person, over all that may come of a study."""

import pytest

from attn_jax.lab.outcome.headline import headline

SCALE = "where 0 is the floor and 1 the best possible."


def model(*steps, score=0.0, late=0, lost=0, timed=True):
    """A summary's entry of a model whose seeds solved the task at these steps, or never: None."""
    late_from = len(steps) - late
    runs = [
        {"seed": i, "learning_rate": 0.1, "steps_to_solve": step, "unconfirmed": i >= late_from, "diverged": i < lost}
        for i, step in enumerate(steps)
    ]
    solved = [step for step in steps if step is not None]
    mean = sum(800 if step is None else step for step in steps) / len(steps)
    return {
        "runs": runs,
        "chosen_learning_rates": [0.1] * len(steps),
        "solved_fraction": {"value": len(solved) / len(steps)} if timed else None,
        "restricted_mean_steps": {"value": mean} if timed else None,
        "solved_curve": {"steps": [0.0, 800.0]} if timed else None,
        "final": {"value": 1.0 if len(solved) == len(steps) and timed else score},
    }


def rows(outcome, *names, measures=("solved", "steps", "final"), b="transformer"):
    return [{"a": name, "b": b, "measure": measure, "outcome": outcome} for name in names for measure in measures]


ALL, NONE = [180, 196] * 4, [None] * 8
CHANCE = "No test decides between them: what differs may be chance."
CASES = {
    "the quickstart": (
        {"lstm": model(*NONE, score=0.1), "gru": model(*NONE, score=0.2), "transformer": model(*ALL)},
        rows("holds", "lstm", "gru"),
        "The transformer solved it in every run, after about 190 steps; the GRU and the LSTM in none of 8.",
    ),
    "all solve": (
        {"transformer": model(*ALL), "lstm": model(*[1234] * 8)},
        rows("holds", "lstm"),
        "The transformer and the LSTM solved it in every one of 8 runs, after about 190 and 1,200 steps.",
    ),
    "all alike": (
        {"transformer": model(*ALL), "lstm": model(*ALL)},
        rows("undecided", "lstm"),
        f"The transformer and the LSTM solved it in every one of 8 runs, after about 190 steps. {CHANCE}",
    ),
    "some": (
        {"transformer": model(200, 300, None, None), "lstm": model(400, None, None, None), "gru": model(*[None] * 4)},
        rows("undecided", "lstm", "gru", measures=("solved", "steps")) + rows("holds", "gru", measures=("final",)),
        "The transformer solved it in 2 of 4 runs, those after about 250 steps; the LSTM in 1 of 4, that one after "
        f"about 400 steps; the GRU in none of 4. {CHANCE}",
    ),
    "one of two is not decided": (
        {"transformer": model(*ALL), "lstm": model(*ALL[:7], None), "gru": model(*NONE)},
        rows("undecided", "lstm") + rows("holds", "gru"),
        "The transformer solved it in every run, after about 190 steps; the LSTM in 7 of 8, those after about 190 "
        "steps; the GRU in none of 8. Whether the LSTM differs from the transformer is not decided.",
    ),
    "none": (
        {"transformer": model(*NONE, score=0.1), "lstm": model(*NONE, score=0.35)},
        rows("undecided", "lstm", measures=("solved", "steps")) + rows("holds", "lstm", measures=("final",)),
        f"No model solved it in any of 8 runs of 800 steps; the LSTM scored highest, .35, {SCALE}",
    ),
    "none, and unconfirmed": (
        {"transformer": model(*NONE, score=0.9, late=2), "lstm": model(*NONE, score=0.35)},
        [],
        "No model solved it in any of 8 runs of 800 steps for sure, 2 runs too late to tell; the transformer scored "
        f"highest, .90, {SCALE}",
    ),
    "unconfirmed and diverged": (
        {
            "transformer": model(*ALL),
            "lstm": model(*[200] * 5, *[None] * 3, late=2),
            "gru": model(*NONE, late=1),
            "rnn": model(*NONE, lost=8),
        },
        rows("holds", "lstm", "gru", "rnn"),
        "The transformer solved it in every run, after about 190 steps; the LSTM in 5 of 8, those after about 200 "
        "steps (2 too late to tell); the GRU in none of 8 (1 too late to tell); the RNN in none of 8 (all diverged).",
    ),
    "every run diverged": (
        {"transformer": model(*NONE, lost=8), "lstm": model(*NONE, lost=8)},
        rows("undecided", "lstm", measures=("solved", "steps")),
        "No model solved it: every run diverged.",
    ),
    "one model, solved": ({"mine": model(*ALL)}, [], "mine solved it in every one of 8 runs, after about 190 steps."),
    "one model, not": (
        {"gru": model(*NONE, score=0.5, lost=1)},
        [],
        f"The GRU solved it in none of 8 runs of 800 steps (1 diverged), and scored .50, {SCALE}",
    ),
    "one model, lost": ({"gru": model(*NONE, lost=8)}, [], "The GRU solved it in no run: every run diverged."),
    "one seed": (
        {"transformer": model(300), "lstm": model(None)},
        rows("undecided", "lstm"),
        f"The transformer solved it in its one run, after about 300 steps; the LSTM did not. {CHANCE}",
    ),
    "no threshold": (
        {"transformer": model(*NONE, score=0.9, timed=False), "lstm": model(*NONE, score=0.8, timed=False)},
        rows("undecided", "lstm", measures=("final",)),
        f"The transformer scored .90 and the LSTM .80, {SCALE} {CHANCE}",
    ),
    "many": (
        {f"m{i}": model(*[200 + 100 * i] * 8) for i in range(6)} | {f"n{i}": model(*NONE) for i in range(5)},
        [],
        "m0, m1 and 4 more solved it in every run, after about 200 to 700 steps; n0, n1 and 3 more in none of 8.",
    ),
    "many without a threshold": (
        {f"m{i}": model(*NONE, score=0.1 * i, timed=False) for i in range(6)},
        [],
        f"m5 scored highest of 6 models, .50, {SCALE}",
    ),
    "starts": (
        {"rnn@a": model(*ALL), "rnn@b": model(*ALL), "lstm@a": model(*ALL[:7], None), "lstm@b": model(*NONE)},
        rows("undecided", "lstm@a", b="rnn@a") + rows("holds", "lstm@b", b="rnn@b"),
        "rnn@a and rnn@b solved it in every run, after about 190 steps; lstm@a in 7 of 8, those after about 190 steps; "
        "lstm@b in none of 8. Whether lstm@a differs from rnn@a is not decided.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_sentence(case):
    models, comparisons, wanted = CASES[case]
    assert headline(models, comparisons) == wanted
