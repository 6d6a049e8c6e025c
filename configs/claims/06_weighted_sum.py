"""Similarity, softmax, weighted sum: one query traced number by number, and every function of the library beside it.

    attn-jax claims 6

Under 1 minute on 2 cores: nothing is trained, and nothing is a matter of chance.

One query, three keys, three values, chosen so that all numbers are exact: similarities 0, ln 2, ln 3; weights 1/6, 2/6,
3/6; the value (7, 5). The picture has the numbers in the order in which one computes them. `attend`,
`single_head_attention`, `attention_weights` and two paths of `dot_product_attention` give the same to float32.

2026-11-30, one x86-64 core, jax 0.10.2: holds, and with seeds from 1000 on too; RESULTS.md has every test.
"""

from attn_jax.config import Claim, DeclaredTest, Line, Measurement, Panel, Quantity
from attn_jax.lab.measurements import worked_example
from attn_jax.lab.outcome.by_seed import from_rows

ROUNDING = 5e-6  # of float32, of numbers up to 7


def differences(seeds):
    """How far each function of the library is from the numbers by hand."""
    return worked_example.differences()


def trace(seeds):
    """The numbers by hand, a row a key."""
    columns = ("sum", "scaled", "exponential", "weight")
    return [
        {"key": f"key {i + 1}"} | {c: row[c] for c in columns} | {"value": f"{row['weighted value']}"}
        for i, row in enumerate(worked_example.by_hand())
    ]


def compared(found):
    """The differences, by function and step."""
    return from_rows(found["differences"], "difference", "what")


def panels(found):
    """The numbers, step by step."""
    steps = ("sum", "scaled", "exponential", "weight")
    cells = [[row[step] for step in steps] for row in found["trace"]]
    hand = worked_example.steps()["value"]
    said = ("q . k", "/ sqrt(4)", "exp", "/ sum = weight")
    return [
        Panel(
            f"From scores to weights; the values' weighted sum is ({hand[0]:g}, {hand[1]:g})",
            form="map",
            columns=said,
            rows=[f"{row['key']}, value {value}" for row, value in zip(found["trace"], VALUES, strict=True)],
            cells=cells,
        ),
        Panel(
            "The weights",
            {"by hand": Line([1, 2, 3], [row["weight"] for row in found["trace"]])},
            "key",
            "weight",
            form="dots",
            limits=(0, 1),
        ),
    ]


VALUES = ["(" + ", ".join(f"{x:g}" for x in value) + ")" for value in worked_example.VALUES]
FUNCTIONS = (
    *(f"{step} of attend" for step in ("similarities", "weights", "value")),
    "value of single_head_attention",
    "weights of attention_weights",
    "value of dot_product_attention, dense",
    "value of dot_product_attention, blockwise",
)


def get_config() -> Claim:
    return Claim(
        sentence="Attention compares the query with every key, makes weights of the similarities by a softmax, and "
        "returns the sum of the values by these weights.",
        source="the teaching article; Bahdanau et al. 2014, arXiv 1409.0473, equations 5 and 6; Vaswani et al. 2017, "
        "arXiv 1706.03762, equation 1",
        measurements={"trace": Measurement(trace), "differences": Measurement(differences)},
        quantities={
            "difference": Quantity(
                lambda found: from_rows(found["differences"], "difference", "what"), ("differences",)
            )
        },
        tests={
            f"{what} is what one computes by hand": DeclaredTest("difference", what, 0, expect="equal", margin=ROUNDING)
            for what in FUNCTIONS
        },
        explain={
            "holds": "Three similarities, 0, ln 2 and ln 3, become the weights 1/6, 2/6 and 3/6, and three values "
            "their mean by these weights. Every function of this library gives the numbers that pencil and paper give.",
            "fails": "One of the library's functions does not compute what the formula says. That is a mistake.",
        },
        panels=panels,
    )
