"""Links to the project's own Markdown files, ../CONTRIBUTING.md say, which are no pages: they are given as files."""

import re
from typing import Any

_BESIDE = re.compile(r"\]\(((?:\.\./)+[A-Z]+\.md)")  # no page is written in capitals


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", _as_files)
    return {"parallel_read_safe": True}


def _as_files(app: Any, page: str, source: list[str]) -> None:
    source[0] = _BESIDE.sub(r"](path:\1", source[0])
