"""The output of a notebook's cell that is changed in place: what a terminal shows, for whoever has a kernel instead."""

import io
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

_FRAME = '<pre style="line-height: 1.35; margin: 0">{code}</pre>'


class Cell:
    """One output, which each `show` replaces."""

    def __init__(self):
        self._handle: Any = None

    def show(self, lines: Text, width: int) -> None:
        """The lines as HTML, and as text where there is none; made at the first call, then changed where it stands."""
        bundle = {"text/plain": lines.plain, "text/html": as_html(lines, width)}
        if self._handle is None:
            from IPython.display import display  # pyright: ignore[reportMissingImports]: it is there, a kernel runs

            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


def cell_here() -> Cell | None:
    """A new output, where Python runs in the kernel of a notebook; None in a script, a shell, or IPython's terminal.

    >>> cell_here()
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return None if getattr(shell, "kernel", None) is None else Cell()


def as_html(lines: Text, width: int) -> str:
    """Styled lines as they stand, in one element that needs no style sheet.

    >>> as_html(Text("a < b", style="bold"), 80)
    '<pre style="line-height: 1.35; margin: 0"><span style="font-weight: bold">a &lt; b</span>\\n</pre>'
    """
    console = Console(file=io.StringIO(), record=True, width=width, force_terminal=True, force_jupyter=False)
    console.print(lines, soft_wrap=True)
    return console.export_html(inline_styles=True, code_format=_FRAME)
