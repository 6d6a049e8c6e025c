import io
import re

import pytest
from rich.console import Console

from attn_jax.lab.outcome.summary import summarize
from attn_jax.report.tables import print_table


def printed(summary, width, **options):
    console = Console(file=io.StringIO(), width=width, **options)
    print_table(summary, console)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def by_hand(name, **changes):
    """One model's entry of summary.json."""
    return {
        "parameters": 27_104,
        "state_bytes": 9_216,
        "train_flops_per_step": 93.4e6,
        "runs": [{"seed": 0, "learning_rate": 0.001, "steps_to_solve": 200}],
        "chosen_learning_rates": [0.001],
        "solved_fraction": {"value": 1.0, "low": 0.6306, "high": 1.0, "n": 8, "method": "Clopper-Pearson"},
        "restricted_mean_steps": {"value": 287.5, "low": 250.0, "high": 331.25, "method": "Student t"},
        "solved_curve": {"steps": [0.0, 200.0, 800.0], "solved": [0.0, 1.0, 1.0]},
        "final": {"value": 0.99876, "low": 0.99712, "high": 1.0, "method": "Tukey-McLaughlin"},
        "flags": [],
        **changes,
    }


@pytest.fixture
def small():
    """Two models, the worse first, and one flag."""
    unsolved = {
        "solved_fraction": {"value": 0.0, "low": 0.0, "high": 0.3694, "n": 8, "method": "Clopper-Pearson"},
        "restricted_mean_steps": {"value": 800.0, "low": 504.5, "high": 800.0, "method": "no spread"},
        "final": {"value": 0.0371, "low": 0.0294, "high": 0.0461, "method": "Tukey-McLaughlin"},
        "runs": [{"seed": 0, "learning_rate": 0.001, "steps_to_solve": None}],
        "state_bytes": 448,
        "flags": ["the rate lies on the edge of the grid"],
    }
    timing = {"seconds": 32.0, "compile_seconds": 4.0, "seconds_per_step": 0.00184, "restricted_mean_seconds": None}
    return {
        "study": "quickstart",
        "headline": "The transformer solved it.",
        "verdict": "Of 8 seeds, 8.",
        "models": {"lstm": by_hand("lstm", **unsolved), "transformer": by_hand("transformer")},
        "timing": {"lstm": timing, "transformer": timing},
    }


WIDE = """\
quickstart

 model               solved   steps to solve         final score   params   state   FLOPs/step   ms/step
 ───────────────────────────────────────────────────────────────────────────────────────────────────────
 transformer   8/8 [.63, 1]   288 [250, 331]      .999 [.997, 1]   27,104   9 KiB       93.4 M       1.8
 lstm          0/8 [0, .37]     800 (budget)   .037 [.029, .046]   27,104   448 B       93.4 M       1.8

The transformer solved it.
Of 8 seeds, 8.
lstm: the rate lies on the edge of the grid."""

EIGHTY = """\
quickstart

                               steps          final   params   FLOPs/step
 model           solved     to solve          score    state      ms/step
 ────────────────────────────────────────────────────────────────────────
 transformer        8/8          288           .999   27,104       93.4 M
               [.63, 1]   [250, 331]      [.997, 1]    9 KiB          1.8
 lstm               0/8          800           .037   27,104       93.4 M
               [0, .37]     (budget)   [.029, .046]    448 B          1.8

The transformer solved it.
Of 8 seeds, 8.
lstm: the rate lies on the edge of the grid."""


def test_wide_table_puts_a_value_and_its_interval_on_one_line(small):
    assert printed(small, 120) == WIDE


def test_table_fits_eighty_columns(small):
    assert printed(small, 80) == EIGHTY


def test_narrow_table_keeps_what_decides(small):
    text = printed(small, 54)
    assert max(map(len, text.splitlines())) <= 54
    assert "8/8" in text
    assert "[250, 331]" in text
    assert "FLOPs" not in text


@pytest.mark.parametrize(
    ("width", "headings"), [(46, "solved to solve score"), (40, "solved to solve"), (24, "solved")]
)
def test_a_name_is_whole_however_narrow_the_terminal(small, width, headings):
    text = printed(small, width)
    assert max(map(len, text.splitlines())) <= width
    assert re.search(r"\n transformer +8/8", text)
    assert re.search(rf"model +{headings.replace(' ', ' +').replace('to +solve', 'to solve')}\n", text)


def test_a_long_name_is_folded_and_leaves_room(small):
    for part in ("models", "timing"):
        small[part] = {f"{name}-of-a-very-long-name-that-goes-on": row for name, row in small[part].items()}
    text = printed(small, 40)
    assert max(map(len, text.splitlines())) <= 40
    assert re.search(r"\n transformer-o +8/8", text)


def test_output_without_a_terminal_has_no_control_codes(small):
    assert "\x1b" not in printed(small, 80)
    assert "\x1b" in printed(small, 80, force_terminal=True, color_system="standard")


def test_without_a_threshold_the_final_score_leads(digits):
    text = printed(summarize(digits), 120)
    assert "solve" not in text.split("By final score")[0]
    assert re.search(r"model\s+final score", text)


@pytest.mark.parametrize("width", [60, 80, 140])
def test_markup_and_emoji_codes_in_names_are_printed_as_they_are(small, width):
    names = {"lstm": "[red]a[/red] :smile:", "transformer": "[/]"}
    for part in ("models", "timing"):
        small[part] = {names[name]: value for name, value in small[part].items()}
    text = printed(small, width)
    assert "[red]a[/red]" in text
    assert ":smile:" in text
    assert "[/]" in text


def test_a_flip_between_steps_and_seconds_is_said(quickstart):
    summary = summarize(quickstart)
    lstm = summary["models"]["lstm"]
    lstm["restricted_mean_steps"] = {"value": 700.0, "low": 600.0, "high": 800.0, "method": "Student t"}
    for run in lstm["runs"]:
        run["steps_to_solve"] = 700
    assert "By seconds" not in printed(summary, 120)
    summary["timing"]["transformer"]["seconds_per_step"] *= 100
    summary["timing"]["transformer"]["seconds"] *= 100
    assert "By seconds the order flips: transformer" in printed(summary, 120)


def test_a_flag_of_the_best_alone_is_not_everybodys(small):
    small["models"]["transformer"]["flags"] = ["its own"]
    text = printed(small, 200)
    assert "transformer: its own." in text
    assert "all models" not in text


def test_what_is_flagged_of_all_models_is_said_once(small):
    for model in small["models"].values():
        model["flags"] = ["cross-fitted by one seed", *model["flags"]]
    text = printed(small, 200)
    assert text.count("cross-fitted by one seed") == 1
    assert "all models: cross-fitted by one seed." in text
    name = next(iter(small["models"]))
    alone = small | {"models": {name: small["models"][name] | {"flags": ["so"]}}}
    assert "all models" not in printed(alone | {"reference": name}, 200)
