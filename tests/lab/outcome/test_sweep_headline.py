"""A sweep's first sentence: who solved its task where, who nowhere, and what is said where nobody did."""

import pytest

from attn_jax.lab.outcome.sweep_headline import sweep_headline


def points(**models):
    """Each model's (share solved, score) from point to point; a share of None is a task without a threshold."""
    number = len(next(iter(models.values())))
    entry = lambda share, score: {  # noqa: E731
        "solved_fraction": None if share is None else {"value": share},
        "final": {"value": score},
    }
    return {
        f"d={2**place}": {"models": {name: entry(*told[place]) for name, told in models.items()}}
        for place in range(number)
    }


YES, HALF, NO = (1.0, 1.0), (0.5, 0.8), (0.0, 0.25)


@pytest.mark.parametrize(
    ("models", "said"),
    [
        (
            {"rnn": [NO] * 2, "lstm": [NO] * 2, "gru": [YES] * 2},
            "Over 2 studies, the GRU solved it in every run; the RNN and the LSTM in none.",
        ),
        (
            {"gru": [NO, HALF, YES], "mine": [YES, YES, YES]},
            "Over 3 studies, mine solved it in every run; the GRU in every run at d=4 and in some at d=2.",
        ),
        (
            {"gru": [YES] * 4 + [HALF] * 2},
            "Over 6 studies, the GRU solved it in every run at 4 of the 6 points and in some at d=16 and 32.",
        ),
        ({"gru": [HALF]}, "Over 1 study, the GRU solved it in some runs."),
        (
            {"gru": [NO, NO], "lstm": [(0.0, 0.1), (0.0, 0.5)]},
            "Over 2 studies, no model solved it in any run; the LSTM scored highest, .50 at d=2, "
            "where 0 is the floor and 1 the best possible.",
        ),
        (
            {"gru": [(None, 0.2), (None, 0.9)], "lstm": [(None, 0.2), (None, 0.2)]},
            "Over 2 studies, the GRU scored .20 to .90 and the LSTM .20, where 0 is the floor and 1 the best possible.",
        ),
        (
            {name: [YES] for name in "abcdef"} | {name: [NO] for name in "ghijk"},
            "Over 1 study, a solved it in every run; b in every run; c in every run; d in every run; "
            "2 more at some points; g, h and 3 more in none.",
        ),
    ],
)
def test_the_first_sentence(models, said):
    assert sweep_headline(points(**models)) == said


def test_points_of_two_axes_are_named_whole():
    found = points(gru=[YES, HALF, NO])
    several = {f"{point},e={place}": at for place, (point, at) in enumerate(found.items())}
    said = "Over 3 studies, the GRU solved it in every run at d=1,e=0 and in some at d=2,e=1."
    assert sweep_headline(several) == said
