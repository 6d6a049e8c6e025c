"""Regular languages at unseen lengths: recurrences hold them, attention does not.

    attn-jax claims --ledger 9

About 15 minutes on 2 cores. Reduced, as chomsky.py says.
"""

from chomsky import NAMES, cell, claim

from attn_jax.config import Claim
from attn_jax.tasks import CycleNavigation, ModularArithmetic, Parity

LONGER = (24, 28, 32, 36, 40)
TASKS = {
    "modular_arithmetic": (ModularArithmetic(), (1, 19), (23, 27, 31, 35, 39)),
    "parity": (Parity(), (1, 20), LONGER),
    "cycle_navigation": (CycleNavigation(), (1, 20), LONGER),
}
ALL = {"rnn": 100.0, "stack": 100.0, "tape": 100.0, "lstm": 100.0}
PRINTED = {
    "modular_arithmetic": ALL | {"transformer": 24.2},
    "parity": ALL | {"transformer": 52.0},
    "cycle_navigation": ALL | {"transformer": 61.9},
}
EVEN = {"rnn": 100.0, "stack": 100.0, "tape": 100.0, "lstm": 100.0, "transformer": "at least 90"}


def get_config() -> Claim:
    return claim(
        9,
        "Recurrent networks go on with regular languages beyond the trained length; a transformer does not.",
        "A finite state that every token changes is what a recurrence is. Attention has to count, and counts no "
        "further than it was taught.",
        TASKS,
        PRINTED,
        {task: [(model, "transformer") for model in NAMES if model != "transformer"] for task in TASKS},
        [
            cell("even_pairs", model, value, reason="all are printed as solved: there is no contrast")
            for model, value in EVEN.items()
        ],
    )
