"""The board of all mixers, on invented baselines: its order, its ties, its intervals, and who was not run."""

import io

import numpy as np
from invented_card import baselines
from rich.console import Console

from attn_jax.lab.card.baselines import comparable
from attn_jax.lab.card.scores import interval_of
from attn_jax.lab.outcome.words import decimal
from attn_jax.report.card_board import board_page, board_rows, print_board


def mean(scores, limits):
    return f"{scores.mean():.3f}"


def test_the_best_is_first_and_what_is_equal_shares_a_place():
    mixers = baselines()
    mixers |= {
        "twin": mixers["lstm"],
        "few": mixers["gru"] | {"tasks": {"s3_words": mixers["gru"]["tasks"]["s3_words"]}},
    }
    mixers["none"] = mixers["gru"] | {"tasks": {}}
    rows = board_rows(mixers, mean)
    assert [(row["mixer"], row["place"]) for row in rows] == [
        *(("gru", "1"), ("lstm", "2"), ("twin", "2"), ("attention", "4"), ("lru", "5")),
        ("few", "6"),  # best of all where it was asked, but asked once
    ]
    assert [row["seeds"] for row in rows] == ["16", "16", "16", "16", "4", "16"]
    assert rows[-1]["running parity"] == ""
    of_gru = [one["scores"] for one in mixers["gru"]["tasks"].values()]
    assert rows[0]["mean"] == f"{np.mean(of_gru):.3f}"


def test_the_page_has_the_intervals_of_a_card_and_says_when_where_and_who_is_missing():
    mixers = baselines()
    mixers["lru"] |= {"date": "2026-12-24"}
    rows, said = board_page(mixers, ["a note"], ["gru", "lru", "hyena", "mamba"])
    assert len(rows[0]) == 4 + 8
    one = mixers["gru"]["tasks"]["s3_words"]
    found = interval_of(one["scores"], one["limits"])
    wanted = f"{decimal(found['value'])}<br>[{decimal(found['low'])},&nbsp;{decimal(found['high'])}]"
    assert rows[0]["s3 words"] == wanted
    versions = "attn_jax 0, jaxlib 0.10.2, Linux (x86_64)"
    assert said.splitlines() == [
        f"- `attention`, `lstm` and `gru`: trained 2026-11-30, {versions}.",
        f"- `lru`: trained 2026-12-24, {versions}.",
        "- a note.",
        "- not run: `hyena` and `mamba`.",
    ]


def test_three_alone_make_a_board_and_none_makes_none():
    three = {name: entry for name, entry in baselines().items() if name != "lru"}
    rows, said = board_page(three, [], list(three))
    assert [row["mixer"] for row in rows] == ["gru", "lstm", "attention"]
    assert "not run" not in said
    assert board_page({}, [], ["gru"]) == ([], "- not run: `gru`.\n")


def test_the_terminal_has_the_means_alone():
    console = Console(file=io.StringIO(), width=160)
    terms = {task: task for task in baselines()["gru"]["tasks"]}
    print_board(comparable(baselines(), terms), console)
    assert "[" not in console.file.getvalue()
    assert "running parity" in console.file.getvalue()
