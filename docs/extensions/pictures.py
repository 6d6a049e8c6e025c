"""The figures of the pages on attention: each is a function of its label that gives inline SVG, from what is run."""

import io
import re
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from attn_jax import ALiBi, Causal, Mask, PrefixLM, Segments, SlidingWindow, SoftCap, attend, explain_attention
from attn_jax import alibi_slopes as slopes_of
from attn_jax.report.drawing import inline
from attn_jax.report.style import LIGHT

_BLUE, _RED, _GREEN = (LIGHT[f"series-{i}"] for i in range(3))
_LOOK = {
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "text.color": LIGHT["ink"],
    "axes.labelcolor": LIGHT["muted"],
    "axes.edgecolor": LIGHT["rule"],
    "xtick.color": LIGHT["muted"],
    "ytick.color": LIGHT["muted"],
}
_SPEED = Path(__file__).parents[1] / "attention" / "contract.md"


def picture(width: float, height: float, panels: int = 1) -> Callable[[Callable[..., None]], Callable[[str], str]]:
    """Of a function that draws into axes, or a row of them: its figure as an element of a page, by its label."""

    def decorate(plot: Callable[..., None]) -> Callable[[str], str]:
        @wraps(plot)
        def drawn(label: str) -> str:
            with mpl.rc_context(_LOOK | {"svg.hashsalt": plot.__name__}):
                figure = Figure(figsize=(width, height), layout="constrained")
                plot(figure.subplots(1, panels))
                buffer = io.StringIO()
                FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
            return inline(buffer.getvalue(), plot.__name__, label, "wide")

        return drawn

    return decorate


def _grid(axes: Any, cells: np.ndarray, colours: list[str], title: str) -> None:
    """Squares, row 0 on top, of the colour that each number stands for."""
    height, width = cells.shape
    look = {"cmap": ListedColormap(colours), "vmin": 0, "vmax": len(colours) - 1}
    axes.pcolormesh(cells, edgecolors=LIGHT["page"], linewidth=0.8, **look)
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal", xticks=[], yticks=[], xlabel="keys", ylabel="queries")
    axes.set_title(title, fontsize=9)
    for spine in axes.spines.values():
        spine.set_visible(False)


@picture(7.4, 2.3, 3)
def one_query(row: Any) -> None:
    """Similarities, weights, and the sum of values by these, of the page's first example."""
    keys = jnp.array([[4.0, 0.0], [0.0, 4.0], [-4.0, 0.0]])
    values = np.array([10.0, 20.0, 30.0])
    found = attend(jnp.array([1.0, 0.0]), keys, jnp.asarray(values)[:, None])
    weights, names = np.asarray(found.weights), ["key 0", "key 1", "key 2"]
    for axes, heights, title in zip(row, (found.similarities, weights, weights * values), _STEPS, strict=True):
        bars = axes.bar(names, np.asarray(heights), color=[_BLUE, _RED, _GREEN], width=0.6)
        axes.bar_label(bars, fmt="%.2f", fontsize=8, padding=2)
        axes.axhline(0, color=LIGHT["rule"], linewidth=0.8)
        axes.margins(y=0.22)
        axes.set_title(title, fontsize=9)
        axes.set_yticks([])


_STEPS = ("similarity with the query", "softmax: weights, sum 1", "weight times value, sum 10.62")


@picture(7.4, 1.95, 5)
def masks(row: Any) -> None:
    """Five masks over eight places."""
    segments = Segments(jnp.array([0, 0, 0, 1, 1, 1, 1, 2]))
    shown: dict[str, Mask] = {
        "Causal()": Causal(),
        "SlidingWindow(2)": SlidingWindow(2),
        "PrefixLM(3)": PrefixLM(3),
        "Segments": segments,
        "Causal() & Segments": Causal() & segments,
    }
    for axes, (title, mask) in zip(row, shown.items(), strict=True):
        _grid(axes, np.asarray(mask.materialize(8, 8), int).reshape(8, 8), [LIGHT["shade"], _BLUE], title)
        axes.title.set_fontsize(7.5)


@picture(7.4, 2.9, 3)
def blocks(row: Any) -> None:
    """Which blocks of 2048 x 2048 scores are computed at all."""
    shown = {"Causal()": Causal(), "Causal() & SlidingWindow(400)": Causal() & SlidingWindow(400)}
    for axes, (title, mask) in zip(row, shown.items(), strict=False):
        found = mask.block_map(2048, 2048, 128, 128)
        live, full = (np.asarray(x).reshape(16, 16) for x in (found.live, found.full))
        share = f"{title}: {live.sum()} of {live.size}"
        _grid(axes, live.astype(int) + full, [LIGHT["shade"], _RED, _BLUE], share)
    row[2].axis("off")
    for height, (colour, said) in zip((0.75, 0.55, 0.35), _KINDS.items(), strict=True):
        row[2].scatter([0.05], [height], marker="s", s=90, color=colour)
        row[2].text(0.13, height, said, va="center", fontsize=8.5)
    row[2].set(xlim=(0, 1), ylim=(0, 1))


_KINDS = {
    _BLUE: "full: computed without a mask",
    _RED: "cut: computed and masked",
    LIGHT["shade"]: "dead: skipped, both ways",
}


@picture(7.4, 2.5, 2)
def scores(row: Any) -> None:
    """What ALiBi adds by distance, head by head, and what a soft cap makes of a score."""
    distances = np.arange(33)
    added = ALiBi(slopes_of(4))
    for head in range(4):
        by_place = np.asarray(added(jnp.zeros(33), 0, jnp.full(33, head), jnp.asarray(distances), jnp.zeros(33, int)))
        row[0].plot(distances, by_place, color=LIGHT[f"series-{head}"], label=f"head {head}")
    row[0].legend(frameon=False, fontsize=8)
    row[0].set(xlabel="places between query and key", ylabel="added to the score", title="ALiBi(alibi_slopes(4))")
    given = np.linspace(-60, 60, 121)
    row[1].plot(given, given, color=LIGHT["rule"])
    row[1].plot(given, np.asarray(SoftCap(20.0)(jnp.asarray(given), 0, 0, 0, 0)), color=_BLUE)
    row[1].set(xlabel="score", ylabel="score after", title="SoftCap(20.0)")
    for axes in row:
        axes.title.set_fontsize(9)


@picture(5.2, 2.9)
def memory(axes: Any) -> None:
    """Temporaries of a training step over length, as this build counted them."""
    lengths = (512, 1024, 2048, 4096)
    for path, colour in (("dense", _RED), ("blockwise", _BLUE)):
        shapes = [jax.ShapeDtypeStruct((1, length, 8, 64), jnp.float32) for length in lengths]
        explain = partial(explain_attention, is_causal=True, implementation=path)
        taken = [(explain(x, x, x).backward_bytes or 0) / 1e6 for x in shapes]
        axes.plot(lengths, taken, color=colour, marker="o", markersize=4)
        axes.annotate(path, (lengths[-1], taken[-1]), (6, -3), textcoords="offset points", color=colour)
    axes.set(xscale="log", yscale="log", xlabel="length T = S", ylabel="MB of temporaries")
    axes.set_xticks(lengths, [str(length) for length in lengths])
    axes.minorticks_off()
    axes.set_xlim(right=6500)


@picture(5.6, 2.6)
def ring(axes: Any) -> None:
    """Whose keys are where at each turn, of causal attention on four devices."""
    devices = 4
    for me in range(devices):
        for step in range(devices):
            source = (me - step) % devices
            colour = _RED if source == me else _BLUE if source < me else LIGHT["shade"]
            axes.add_patch(mpl.patches.Rectangle((step, me), 0.94, 0.9, color=colour))  # pyright: ignore
            ink = LIGHT["muted"] if source > me else "#ffffff"
            axes.text(step + 0.47, me + 0.45, f"keys of {source}", ha="center", va="center", color=ink, fontsize=8.5)
    axes.set(xlim=(0, devices), ylim=(devices, 0))
    axes.set_xticks(np.arange(devices) + 0.47, [f"turn {step}" for step in range(devices)])
    axes.set_yticks(np.arange(devices) + 0.45, [f"device {me}" for me in range(devices)])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


@picture(6.2, 3.0)
def speed(axes: Any) -> None:
    """The page's own table: time of forward and backward against torch's and jax.nn's."""
    found = re.findall(r"^\| (T [^|]*) \|[^|]*\|[^|]*\|([^|]*)\|[^|]*\|([^|]*)\|$", _SPEED.read_text(), re.MULTILINE)
    rows = [(case, *(ratio.split("/")[-1].strip() for ratio in ratios)) for case, *ratios in found]
    for place, (_, torch, nn) in enumerate(rows):
        for ratio, shift, colour in ((torch, -0.19, _BLUE), (nn, 0.19, _RED)):
            if ratio:
                axes.barh(place + shift, float(ratio), 0.34, color=colour)
    axes.axvline(1, color=LIGHT["ink"], linewidth=0.8)
    axes.set_yticks(range(len(rows)), [case for case, *_ in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("time of forward and backward, over that of torch SDPA (blue) and of jax.nn (red)")
