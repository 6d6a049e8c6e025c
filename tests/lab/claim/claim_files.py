"""The file of a claim that is measured and trains nothing, and what may be changed in it."""

TEXT = '''
"""A drop, in short.

Result: none yet.
"""

from attn_jax.config import Claim, DeclaredTest, Line, Measurement, Panel, Published, Quantity
from attn_jax.config.rules import holds_for
from attn_jax.lab.outcome.by_seed import from_rows


def drops(seeds):
    """A row a cell and seed."""
    return [{"cell": cell, "seed": seed, "drop": drop - 0.01 * (seed % 7)}
            for cell, drop in (("tanh", -1.0), ("gru", 0.5)) for seed in seeds]


def panels(found):
    drop = from_rows(found["start"], "drop", "cell")
    lines = {cell: Line([0, 1], [[0, value] for value in values]) for cell, values in drop.items()}
    return [Panel("Drops", lines, "k", "log g", marks={"nothing": 0.0})]


def get_config():
    return Claim(
        sentence="Small gradients vanish.",
        source="the article, section 1",
        explain={"in part": "It is so for one of them.", "holds": "It is so.", "fails": "It is not so."},
        tests={
            "a tanh network": DeclaredTest("drop", "tanh", 0.0, expect="less", margin=0.1),
            "a GRU": DeclaredTest("drop", "gru", 0.0, expect="less", margin=0.1),
            "depth": DeclaredTest("cells", "all", 2.0, expect="equal"),
        },
        rule=holds_for,
        measurements={"start": Measurement(drops, seeds=8, quick_seeds=3),
                      "count": Measurement(lambda seeds: [{"n": 2}])},
        quantities={
            "drop": Quantity(lambda found: from_rows(found["start"], "drop", "cell"), ("start",), "log10"),
            "cells": Quantity(lambda found: {"all": found["count"][0]["n"]}, ("count",)),
        },
        published=(Published("-0.3", "log10 a step", "tanh", "table 1"),),
        panels=panels,
    )
'''


def write_claim(folder, *changes, name="01_drop"):
    """The file, with each (old, new) replaced."""
    text = TEXT.lstrip()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / f"{name}.py"
    path.write_text(text)
    return path
