"""The window of learning rates that work: what each rate came to, as figures and as a table."""

from collections.abc import Mapping
from typing import Any

from attn_jax.lab.outcome.words import decimal, ranked
from attn_jax.report import words
from attn_jax.report.drawing import Drawn, draw
from attn_jax.report.plots import plot_rates


def rate_curves(summary: Mapping[str, Any], key: str) -> Drawn:
    """What each rate came to: of "solved" the share of seeds, of "final" the score.

    Args:
      summary: the study's.
      key: one of the two.
    """
    models = {name: summary["models"][name] for name in ranked(summary["models"])}
    ylabel = "share of seeds solved" if key == "solved" else "final score"
    best = [f"{name} {_cell(row)['text']} at {words.rate(row['rate'])}" for name, row in _best(models, key).items()]
    label = f"{ylabel.capitalize()} at each learning rate; the best: {', '.join(best)}."
    columns = ("rate", "runs", "solved", "unconfirmed", "diverged", "restricted_mean_steps", "final", "chosen")
    table = [{"model": name} | {c: row[c] for c in columns} for name, model in models.items() for row in model["rates"]]
    return draw(plot_rates, models, ylabel, key, name=f"rates-{key}", label=label, height=2.6, table=table)


def _best(models: Mapping[str, Any], key: str) -> dict[str, Mapping[str, Any]]:
    return {name: max(model["rates"], key=lambda row: (row[key], row["final"])) for name, model in models.items()}


def window(model: Mapping[str, Any]) -> dict[float, dict[str, str]]:
    """What each learning rate came to: the seeds that solved the task beside the final score, or else that alone."""
    return {row["rate"]: _cell(row) for row in model["rates"]}


def _cell(row: Mapping[str, Any]) -> dict[str, str]:
    """A cell of the strip: its text, a remark, and how strongly it is coloured."""
    known = row["solved"] is not None
    share = row["solved"] / row["runs"] if known else row["final"]
    remarks = [f"score {decimal(row['final']).replace('-', '−')}"] if known else []
    remarks += [f"chosen {row['chosen']}×"] if row["chosen"] else []
    remarks += [f"{row[word]} {word}" for word in ("unconfirmed", "diverged") if row[word]]
    return {
        "share": f"{min(max(share, 0.0), 1.0):.3f}",
        "text": f"{row['solved']}/{row['runs']}" if known else decimal(share, 3).replace("-", "−"),
        "remark": ", ".join(remarks),
    }
