"""A worked example: what is read, what is wanted, and what the best and the worst model say to it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup, escape

from attn_jax.lab.outcome.results import Results
from attn_jax.lab.outcome.words import listing, ranked
from attn_jax.report import reading
from attn_jax.report.drawing import take_along, written
from attn_jax.report.heat_maps import pixels

_CLOSE = 0.04  # a real answer off by less is right, as the tasks count
_FEW_CHANNELS = 4  # more are a picture
_SMALLEST_PICTURE = 16
_END = "end"


class Example(NamedTuple):
    """One sequence of one seed; T places, of strings those of the source and of the target apart."""

    read: np.ndarray  # [T] or [T, C], what is valid of it
    wanted: np.ndarray  # [T] or [T, C]
    asked: np.ndarray  # [T] bool
    said: dict[str, np.ndarray]  # [T] or [T, C] of each model
    names: tuple[str, ...] = ()  # of the tokens, and of the classes of the same numbers

    def shown(self, value: Any) -> str:
        """A token by its name where the task gives one, else as a number; channels with two digits each."""
        named = self.names and np.ndim(value) == 0 and 0 <= value < len(self.names)
        return self.names[int(value)] if named else _number(value)

    def written(self, token: float, end: float) -> str:
        """A token of a string."""
        return _END if token == end else self.shown(token)

    def right(self, name: str) -> np.ndarray:
        """[T] bool, where a model's answer is right."""
        off = np.abs(self.said[name] - self.wanted)
        return np.array([bool((each <= _CLOSE).all()) for each in off])


def example_of(results: Results, summary: Mapping[str, Any], probe: str) -> Example | None:
    """The first seed's sequence, and what the best and the worst model that measured it say at its chosen rate."""
    values = {name: _first_seed(results, summary, name, probe) for name in ranked(summary["models"])}
    names = [name for name, own in values.items() if own]
    if not names:
        return None
    of = values[names[0]]
    places = int((of["valid"] > 0).sum())
    number = len(of["wanted"]) if results.strings else places  # strings: the target has places of its own
    said = {name: values[name]["said"][:number] for name in dict.fromkeys((names[0], names[-1]))}
    return Example(of["read"][:places], of["wanted"][:number], of["scored"][:number] > 0, said, results.token_names)


def _first_seed(results: Results, summary: Mapping[str, Any], name: str, probe: str) -> dict[str, np.ndarray]:
    values = results.models[name].probes.get(probe, {}).get(results.budget, {})
    return {key: reading.at_chosen_rate(results, summary, name, array, np.nan)[0] for key, array in values.items()}


def example_block(results: Results, example: Example, name: str) -> Markup:
    """The example as a part of the page, in the form that what is read asks for, and its table to take along.

    Args:
      results: the study.
      example: one sequence of it.
      name: of the table's file.
    """
    if results.strings:
        lines, told = _strings(example)
    elif _is_picture(example.read):
        lines, told = _picture(example)
    else:
        lines, told = _places(example)
    table = take_along(name, csv=written([*_table(results, example)]))
    # a group and no picture: what stands in it can be read
    return Markup(f'<div class="example" role="group" aria-label="{escape(told)}">{lines}</div>{table}')


def _table(results: Results, example: Example) -> Iterator[dict[str, Any]]:
    """A row a model and place; of strings what is read and what is written have places of their own."""
    end = example.wanted[example.asked][-1] if results.strings else None
    for name, said in example.said.items():
        for place, (read, wanted, answer) in enumerate(zip_longest(example.read, example.wanted, said)):
            row = {"model": name, "place": place, "read": "" if read is None else example.shown(read)}
            if end is None:
                asked = bool(example.asked[place])
                cells = [example.shown(value) if asked else "" for value in (wanted, answer)]
            else:
                cells = [_of_string(example, line, place, end) for line in (example.wanted, said)]
            yield row | dict(zip(("wanted", "said"), cells, strict=True))


def _of_string(example: Example, line: np.ndarray, place: int, end: float) -> str:
    """A token of a string, nothing behind its end."""
    return example.written(line[place], end) if place < len(line) and end not in line[:place] else ""


def example_caption(results: Results, example: Example) -> str:
    """How to read it."""
    names = listing(list(example.said))
    which = "the best and the worst model" if len(example.said) > 1 else "the model"
    seed = f"seed {results.first_seed}"
    caption = f"One fresh sequence of the longest training length, the first of {seed}, and what {which} of that seed "
    caption += "say" if len(example.said) > 1 else "says"
    if not results.strings and not _is_picture(example.read):
        caption += f". From top to bottom: what is read, what is wanted where something is asked, and what {names} said"
    return f"{caption}; what is wrong is underlined."


def _places(example: Example) -> tuple[str, str]:
    """A column a place, which wrap as words do."""
    heads = ["read", "wanted", *example.said]
    columns = [f'<span class="place heads">{"".join(f"<span>{escape(head)}</span>" for head in heads)}</span>']
    for place, token in enumerate(example.read):
        cells = [_cell(example.shown(token))]
        asked = bool(example.asked[place])
        cells.append(_cell(example.shown(example.wanted[place]) if asked else ""))
        for name, said in example.said.items():
            wrong = asked and not example.right(name)[place]
            cells.append(_cell(example.shown(said[place]) if asked else "", wrong=wrong))
        columns.append(f'<span class="place{" asked" if asked else ""}">{"".join(cells)}</span>')
    read = " ".join(example.shown(token) for token in example.read)
    return f'<div class="places">{"".join(columns)}</div>', f"Read: {read}. {_answers(example)}"


def _picture(example: Example) -> tuple[str, str]:
    """What is read as a picture, and the answers beside it."""
    side = int(len(example.read) ** 0.5)
    image = example.read.reshape(side, side) if example.read.shape[1] == 1 else example.read
    lines = [("wanted", _line(example, example.wanted, None))]
    lines += [(f"{name} said", _line(example, said, name)) for name, said in example.said.items()]
    told = _answers(example)
    return f'<div class="beside">{pixels(image)}{_listed(lines)}</div>', f"Read: a picture. {told}"


def _line(example: Example, values: np.ndarray, name: str | None) -> str:
    """The answers at the places that are asked."""
    right = example.asked if name is None else example.right(name)
    asked = np.flatnonzero(example.asked)
    return " ".join(_cell(example.shown(values[place]), wrong=not right[place]) for place in asked)


def _strings(example: Example) -> tuple[str, str]:
    """Lines of tokens: the source, the target, and what each model wrote until its end."""
    wanted = example.wanted[example.asked]
    end = wanted[-1]
    lines = [("reads", " ".join(_cell(example.shown(token)) for token in example.read))]
    lines.append(("wanted", " ".join(_cell(example.written(token, end)) for token in wanted)))
    read, wished = map(example.shown, example.read), (example.written(token, end) for token in wanted)
    told = [f"Read: {' '.join(read)}. Wanted: {' '.join(wished)}."]
    for name, said in example.said.items():
        ends = np.flatnonzero(said == end)
        written = said[: ends[0] + 1] if len(ends) else said
        wrong = [place >= len(wanted) or token != wanted[place] for place, token in enumerate(written)]
        cells = [_cell(example.written(token, end), wrong=bad) for token, bad in zip(written, wrong, strict=True)]
        lines.append((f"{name} wrote", " ".join(cells)))
        verdict = "right" if len(written) == len(wanted) and not any(wrong) else "wrong"
        told.append(f"{name} wrote: {' '.join(example.written(token, end) for token in written)}, {verdict}.")
    return _listed(lines), " ".join(told)


def _listed(lines: Sequence[tuple[str, str]]) -> str:
    rows = "".join(f"<dt>{escape(head)}</dt><dd>{line}</dd>" for head, line in lines)
    return f'<dl class="said">{rows}</dl>'


def _answers(example: Example) -> str:
    """What was asked and said, in words; of many answers how many were right."""
    asked, number = np.flatnonzero(example.asked), int(example.asked.sum())
    if number == 1:
        said = [f"{name} {example.shown(values[asked[0]])}" for name, values in example.said.items()]
        return f"Wanted: {example.shown(example.wanted[asked[0]])}; said: {', '.join(said)}."
    right = [f"{name} {int(example.right(name)[asked].sum())}" for name in example.said]
    return f"{number} answers are asked; right: {', '.join(right)}."


def _is_picture(read: np.ndarray) -> bool:
    """Many channels, or a square of one, are pixels."""
    if read.ndim == 1:
        return False
    square = int(len(read) ** 0.5) ** 2 == len(read) >= _SMALLEST_PICTURE
    return read.shape[1] > _FEW_CHANNELS or (read.shape[1] == 1 and square)


def _cell(text: str, *, wrong: bool = False) -> str:
    mark = ' class="wrong"' if wrong else ""
    return f"<span{mark}>{escape(text) or '&nbsp;'}</span>"


def _number(value: Any) -> str:
    """A whole number, or channels with two digits each."""
    if np.ndim(value):
        return " ".join(f"{part:.2g}" for part in np.asarray(value).tolist())
    return f"{value:g}" if np.isfinite(value) else "–"
