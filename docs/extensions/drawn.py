"""The directive `drawn`: a figure of `pictures.py`, drawn while the site is built, in the colours of the page.

```{drawn} masks
What the reader sees in it.
```
"""

from pathlib import Path
from typing import Any

import pictures
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from attn_jax.report.style import DARK, LIGHT


class Drawn(SphinxDirective):
    """A figure by the name of its function."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """The figure, its content as the caption."""
        caption = " ".join(self.content)
        parsed, messages = self.parse_inline(caption)
        svg = getattr(pictures, self.arguments[0])(caption)
        start = nodes.raw("", f'<figure class="drawn">{svg}<figcaption>', format="html")
        end = nodes.raw("", "</figcaption></figure>", format="html")
        return [start, nodes.inline("", "", *parsed), end, *messages]


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("drawn", Drawn)
    app.connect("build-finished", write_colours)
    return {"parallel_read_safe": True}


def write_colours(app: Any, error: Exception | None) -> None:
    """The colours of reports and figures as CSS variables, light and dark as the theme's switch says."""
    if error is None and app.builder.format == "html":
        (Path(app.outdir) / "_static" / "colours.css").write_text(colours())


def colours() -> str:
    """The style sheet: furo names the scheme in `data-theme` of the body, "auto" being the reader's own."""
    light, dark = (" ".join(f"--{name}: {value};" for name, value in scheme.items()) for scheme in (LIGHT, DARK))
    return (
        f"body {{ {light} }}\n"
        f'body[data-theme="dark"] {{ {dark} }}\n'
        f'@media (prefers-color-scheme: dark) {{ body:not([data-theme="light"]) {{ {dark} }} }}\n'
        f"@media print {{ body {{ {light} }} }}\n"
    )
