"""Docstrings of this package for Sphinx: what is Markdown in them, as reStructuredText has it."""

import re
from typing import Any

_STARRED = re.compile(r"(?<![\w`*\\])\*{1,2}(?=\w)")  # an argument's stars, no emphasis
_TRAILING = re.compile(r"(?<=\w)_(?=[\s,.;:)\]]|$)")  # what would be a link


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", _plain, priority=900)  # after napoleon's
    return {"parallel_read_safe": True}


def _plain(app: Any, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    lines[:] = [line if line.lstrip().startswith((">>>", "...")) else plain(line) for line in lines]


def plain(line: str) -> str:
    """A line with what is code left alone, stars and bars elsewhere made letters, and a plural's s set apart.

    >>> print(plain("`*args`, or **args, of `name`s | z"))
    `*args`, or \\*\\*args, of `name`\\ s \\| z
    """
    parts = re.split(r"(``.*?``|:\w+:`[^`]*`|`[^`]*`)", line)
    for at in range(0, len(parts), 2):
        text = _STARRED.sub(lambda stars: r"\*" * len(stars[0]), parts[at])
        text = _TRAILING.sub(r"\\_", text).replace("|", "\\|")
        parts[at] = "\\ " + text if at and text[:1].isalnum() else text
    return "".join(parts)
