"""What probes measured, as sections of the page: a probe that has a figure of its own brings it, the rest share one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from attn_jax.lab.outcome.results import Results
from attn_jax.lab.outcome.words import listing, ranked
from attn_jax.report import reading
from attn_jax.report.drawing import Drawn, draw
from attn_jax.report.example_section import example_block, example_caption, example_of
from attn_jax.report.heat_maps import heat_maps
from attn_jax.report.probe_numbers import Numbers, probe_numbers
from attn_jax.report.style import series
from attn_jax.report.ticks import power_tick

_TILE = 3.2  # inches, the height of a figure
_UNDERFLOW = 1e-30  # as the probe itself holds it: float32 has no digits left
_MOST_TILES = 16


class Section(NamedTuple):
    """A part of the page."""

    title: str
    plots: Sequence[Drawn | Markup]
    caption: str
    lines: bool = True  # one a model, for the legend; else a picture takes the width of the page
    drawn: Sequence[str] = ()  # numbers that its figures show
    numbers: Numbers | None = None  # the others


def probe_sections(results: Results, summary: Mapping[str, Any]) -> list[Section]:
    """One section a probe that has something to show, in the order of the study."""
    names = dict.fromkeys(name for model in results.models.values() for name in model.probes)
    drawn = {name: SECTIONS.get(name, _any_section)(results, summary, name) for name in names}
    sections = [one._replace(numbers=probe_numbers(summary, name, one.drawn)) for name, one in drawn.items()]
    return [section for section in sections if section.plots or section.numbers]


def _flow_section(results: Results, summary: Mapping[str, Any], probe: str) -> Section:
    """How much of the gradient arrives k steps back."""
    back = "k places before the source's end" if results.strings else "k steps back"
    caption = (
        f"Norm of the gradient of the last answer's loss with respect to what is read {back}: dashed before training, "
        "solid after it; the median seed and the middle half of the seeds, each at its own chosen learning rate. Where "
        "a line falls below 1e-30 it ends: so far back nothing can be learnt from. The slope is that of its base-ten "
        "logarithm over k, but for the nearest places."
    )
    if results.strings:
        caption = caption.replace("the last answer's loss", "the loss of the answer's first token")
    plots = [_over_k(results, summary, probe, "gradient", f"gradient norm {back}", log=True)]
    return Section("Gradient flow", plots, caption)


def _maps_section(results: Results, summary: Mapping[str, Any], probe: str) -> Section:
    """Where each head of each model looks."""
    plots = [plot for name in ranked(summary["models"]) if (plot := _maps(results, summary, probe, name))]
    caption = (
        "One fresh sequence of the longest training length, read by each model's best run, at the seed that it names; "
        "seeds have sequences of their own, so models that show one seed read the same. Rows are the places that ask, "
        "columns those that are looked at, or the channels of a gate. Ink is the root of the weight, relative to the "
        "largest of the picture."
    )
    return Section("Attention maps and gates", plots, caption, lines=False)


def _path_section(results: Results, summary: Mapping[str, Any], probe: str) -> Section:
    """How many steps lie between k places back and the last place."""
    caption = (
        "Steps in which what is read k places back comes to the last place, by the fastest way through the layers: of "
        "attention one, however far it looks, of a recurrence one a place, of an associative scan about log2 k; what a "
        "layer does not see is left to the others. Where a line ends, nothing from further back arrives."
    )
    plots = [_over_k(results, summary, probe, "steps", "steps from k places back", log=True)]
    return Section("Path length", plots, caption)


def _example_section(results: Results, summary: Mapping[str, Any], probe: str) -> Section:
    """What the best and the worst model say to one sequence."""
    example = example_of(results, summary, probe)
    if example is None:
        return Section("", [], "")
    caption = example_caption(results, example)
    return Section("A worked example", [example_block(results, example, probe)], caption, lines=False)


def _any_section(results: Results, summary: Mapping[str, Any], probe: str) -> Section:
    """Each vector over its places, before and after training, and each number that was measured at three steps.

    What was measured at fewer is no curve: the section's table has it.
    """
    shapes: dict[str, int] = {}
    for model in results.models.values():
        for values in model.probes.get(probe, {}).values():
            shapes |= {name: array.ndim - 2 for name, array in values.items() if name != "k"}
    vectors = [name for name, axes in shapes.items() if axes == 1]
    numbers = [name for name, axes in shapes.items() if axes == 0 and _steps(results, probe, name)[2:]]
    plots = [_over_k(results, summary, probe, name, name, log=False) for name in vectors]
    plots += [_over_steps(results, summary, probe, name) for name in numbers]
    dashes = "dashed before training, solid after it; " if vectors else ""
    caption = f"{dashes}the median seed and the middle half of the seeds, each at its own chosen learning rate."
    title = probe.replace("_", " ").capitalize()
    return Section(title, plots, caption[:1].upper() + caption[1:], drawn=numbers)


SECTIONS: dict[str, Callable[[Results, Mapping[str, Any], str], Section]] = {
    "gradient_flow": _flow_section,
    "attention_maps": _maps_section,
    "path_length": _path_section,
    "worked_example": _example_section,
}


def _over_k(results: Results, summary: Mapping[str, Any], probe: str, name: str, ylabel: str, *, log: bool) -> Drawn:
    """A probe's vectors over their places, before and after training."""
    curves = []
    for index, model in enumerate(ranked(summary["models"])):
        for step, dash in ((0, (0, (4.5, 1.8))), (results.budget, "-")):
            values = results.models[model].probes.get(probe, {}).get(step, {})
            if name in values:
                height = reading.at_chosen_rate(results, summary, model, values[name], np.nan)
                places = values["k"][0, 0] if "k" in values else np.arange(height.shape[-1])
                look = {"color": series(index)["color"], "linestyle": dash}
                curves.append(_Curve({"model": model, "trained": step}, places, height, look))
    return _drawn(curves, "k", ylabel, f"{probe}-{name}", log=log)


def _over_steps(results: Results, summary: Mapping[str, Any], probe: str, name: str) -> Drawn:
    """A number over the steps at which it was measured."""
    curves = []
    for index, model in enumerate(ranked(summary["models"])):
        steps = results.models[model].probes.get(probe, {})
        measured = [step for step in sorted(steps) if name in steps[step]]
        if measured:
            stacked = np.stack([steps[step][name] for step in measured], -1)
            height = reading.at_chosen_rate(results, summary, model, stacked, np.nan)
            look = {key: series(index)[key] for key in ("color", "linestyle")}
            curves.append(_Curve({"model": model}, np.array(measured), height, look))
    return _drawn(curves, "step", name, f"{probe}-{name}", log=False)


class _Curve(NamedTuple):
    """What is drawn of one model, [S, n] over n places."""

    of: dict[str, Any]  # the model, and after how many steps
    places: np.ndarray
    height: np.ndarray
    look: dict[str, Any]

    def quartiles(self) -> Iterator[np.ndarray]:
        """The middle half of the seeds, and the middle one in its middle; NaN where no seed has a value."""
        known = np.isnan(self.height).all(0)
        for q in (0.25, 0.5, 0.75):
            yield np.where(known, np.nan, np.nanquantile(np.where(known, 0.0, self.height), q, axis=0))


def _drawn(curves: Sequence[_Curve], xlabel: str, ylabel: str, name: str, *, log: bool) -> Drawn:
    """The curves as a figure that says where each ends."""
    table = [
        curve.of | {xlabel: float(place), "low": float(low), "middle": float(middle), "high": float(high)}
        for curve in curves
        for place, low, middle, high in zip(curve.places, *curve.quartiles(), strict=True)
    ]
    ends = [f"{curve.of['model']}{_when(curve)} {_end(curve, xlabel)}" for curve in curves]
    label = f"{ylabel.capitalize()}: {', '.join(ends)}."
    return draw(_plot_curves, curves, xlabel, ylabel, log, name=name, label=label, height=_TILE, table=table)


def _end(curve: _Curve, xlabel: str) -> str:
    """Its last value, as far as it goes."""
    _, middle, _ = curve.quartiles()
    known = np.flatnonzero(np.isfinite(middle))
    return f"{middle[known[-1]]:.2g} at {xlabel} {curve.places[known[-1]]:g}" if len(known) else "nothing"


def _when(curve: _Curve) -> str:
    if "trained" not in curve.of:
        return ""
    return " after training" if curve.of["trained"] else " before training"


def _steps(results: Results, probe: str, name: str) -> list[int]:
    """The steps at which a value was measured of some model."""
    models = results.models.values()
    return sorted({step for model in models for step, values in model.probes.get(probe, {}).items() if name in values})


def _plot_curves(axes: Any, curves: Sequence[_Curve], xlabel: str, ylabel: str, log: bool) -> None:
    """The median and the middle half of each; on a logarithmic axis what has underflown is a gap."""
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.xaxis.get_major_locator().set_params(integer=True)
    if log:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(power_tick)
        axes.minorticks_off()
    for curve in curves:
        sound = curve._replace(height=np.where(curve.height > _UNDERFLOW, curve.height, 0.0)) if log else curve
        low, middle, high = (_sound(line, log) for line in sound.quartiles())
        axes.fill_between(curve.places, low, high, color=curve.look["color"], alpha=0.13, linewidth=0)
        axes.plot(curve.places, middle, linewidth=1.6, **curve.look)


def _sound(curve: np.ndarray, log: bool) -> np.ndarray:
    return np.where(curve > 0, curve, np.nan) if log else curve


def _maps(results: Results, summary: Mapping[str, Any], probe: str, name: str) -> Drawn | None:
    """The maps of a model's best run at the end, None where its mixers have none."""
    model = results.models[name]
    values = model.probes.get(probe, {}).get(results.budget, {})
    final = reading.at_chosen_rate(results, summary, name, model.final, -np.inf)
    seed = int(np.argmax(final))
    tiles: dict[str, np.ndarray] = {}
    for place, array in values.items():
        of_run = reading.at_chosen_rate(results, summary, name, array, np.nan)[seed]
        if of_run.ndim == 3:
            tiles |= {f"{_plain(place)}, head {head}": tile for head, tile in enumerate(of_run)}
        elif of_run.ndim == 2:
            tiles[_plain(place)] = of_run
    if not tiles:
        return None
    shown = dict(list(tiles.items())[:_MOST_TILES])
    title = f"{name}, seed {results.first_seed + seed}"
    title += f", the first {_MOST_TILES} of {len(tiles)}" if len(shown) < len(tiles) else ""
    label = f"{title}: {listing([f'{tile}{_strongest(matrix)}' for tile, matrix in shown.items()])}."
    return heat_maps(shown, name=f"{probe}-{name}", title=title, label=label)


def _strongest(matrix: np.ndarray) -> str:
    """Where the ink is: the largest weight of a picture, by its row and column from 0."""
    if not np.isfinite(matrix).any():
        return ""
    row, column = np.unravel_index(np.nanargmax(matrix), matrix.shape)
    return f" at most {matrix[row, column]:.2g}, at row {row}, column {column}"


def _plain(place: str) -> str:
    """layer_0/weights as a reader has it."""
    part, _, kind = place.rpartition("/")
    return " ".join(word for word in (part.replace("_", " "), "" if kind == "weights" else kind) if word)
