"""The page can be read: by weak eyes, on a phone, on paper, from the keyboard and with a screen reader."""

import base64
import itertools
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from conftest import make_quickstart
from test_page import Reader, render

from attn_jax.report import style
from attn_jax.report.heat_maps import heat_maps

CSS = (Path(style.__file__).parent / "templates" / "report.css").read_text()
SMALLEST = 9  # pixels
SHOWN = {"narrow": (320 - 60, 390 - 60), "wide": (404, 412)}  # pixels that the page gives a figure, at least


@pytest.fixture(scope="module")
def page():
    """A whole one, made once."""
    return render(make_quickstart())


def channels(colour):
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def luminance(rgb):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    """WCAG 2.2's ratio."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_the_norm():
    assert contrast(channels("#000000"), channels("#ffffff")) == pytest.approx(21)
    assert contrast(channels("#777777"), channels("#ffffff")) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", [style.LIGHT, style.DARK], ids=["light", "dark"])
def test_text_has_the_contrast_of_aa_and_lines_that_of_graphics(scheme):
    colours = {name: channels(colour) for name, colour in scheme.items()}
    series = [name for name in colours if name.startswith("series")]
    share = int(re.search(r"var\(--share\) \* (\d+)%", CSS)[1]) / 100
    grounds = [colours[name] for name in ("page", "card", "shade")]
    grounds += [
        [share * of + (1 - share) * under for of, under in zip(colours[name], colours["card"], strict=True)]
        for name in series
    ]
    assert ".heat .interval { color: var(--ink); }" in CSS
    for text, ground in [*itertools.product(["ink"], grounds), *itertools.product(["muted"], grounds[:3])]:
        assert contrast(colours[text], ground) >= 4.5, (text, ground)
    for ground in grounds[:2]:
        assert contrast(colours["series-0"], ground) >= 4.5  # links
        assert min(contrast(colours[name], ground) for name in series) >= 3


def sizes(svg):
    """Of each text, in units of the drawing's width."""
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1])
    return [float(size) / width for size in re.findall(r"font(?:-size)?: (?:\w+ )*?([\d.]+)px", svg)]


@pytest.mark.parametrize("form", SHOWN)
def test_letters_of_every_figure_are_large_enough(page, form):
    figures = re.findall(rf'<svg class="plot {form}".*?</svg>', page, re.DOTALL)
    maps = heat_maps({f"head {i}": np.eye(9) for i in range(8)}, name="m", title="t", label="l")
    figures.append(str(getattr(maps, form)))
    assert len(figures) >= 7
    for svg in figures:
        assert sizes(svg)
        assert min(sizes(svg)) * SHOWN[form][-1] >= SMALLEST


def test_letters_that_are_too_small_are_caught():
    assert sizes('<svg viewBox="0 0 342 230"><text style="font: 5px sans">') == [5 / 342]
    assert SMALLEST > 5 / 342 * 404


def test_every_figure_has_two_forms_and_two_files(page):
    figures = page.count('<svg class="plot wide"')
    assert page.count('<svg class="plot narrow"') == figures == page.count('class="take"')
    files = dict(re.findall(r'<a download="([^"]*)"[^>]*href="data:[^,]*,([^"]*)"', page))
    assert len(files) == 2 * figures
    for name, data in files.items():
        text = base64.b64decode(data).decode()
        if name.endswith("svg"):
            root = ElementTree.fromstring(text)
            assert len(root[0].text) > 20 and "var(" not in text and "<script" not in text
        else:
            assert len({line.count(",") for line in text.splitlines()}) == 1


def test_what_scrolls_is_reached_by_the_keyboard_and_shows_that_it_does(page):
    assert page.count("<table") == page.count('class="scroll') == page.count('tabindex="0" role="region"')
    assert "local," in CSS and ":focus-visible" in CSS
    assert all(label for label in re.findall(r'<a [^>]*aria-label="([^"]*)"', page))


def test_paper_has_the_small_figures_and_no_folded_lists():
    paper = CSS[CSS.index("@media print") :]
    assert ".plot.wide, .take { display: none; }" in paper and ".plot.narrow { display: block; }" in paper
    assert ".folded { display: none; }" in paper


def test_alternative_texts_tell_the_result(page):
    labels = [value for name, value in Reader(page).attributes if name == "aria-label"]
    told = [label for label in labels if re.search(r"\d", label)]
    assert len(told) >= 7
    assert all("transformer" in label and "lstm" in label for label in told)
