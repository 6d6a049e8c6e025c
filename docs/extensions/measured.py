"""The directive `claim`: what was measured of a shipped claim, as the newest results have it.

    ```{claim} 3
    ```

Results are those of `attn-jax claims`: verdicts and pictures in docs/measured, which scripts/keep_claims.py keeps, or
in the folder that ATTN_JAX_CLAIMS names; where they are of another version, RESULTS.md at the project's top, which has
no pictures; where a claim has none it is "not run".
"""

import os
from pathlib import Path
from typing import Any

from claim_told import html, told
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[2]


class Measured(SphinxDirective):
    """A claim by its number."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Raw HTML: the verdict, an explanation, pictures and the tests."""
        folder = Path(os.environ.get("ATTN_JAX_CLAIMS", ROOT / "docs" / "measured"))
        number, file = self.arguments[0], ROOT / "RESULTS.md"
        self.env.note_dependency(str(file))
        return [nodes.raw("", html(number, told(number, folder, file)), format="html")]


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("claim", Measured)
    return {"parallel_read_safe": True}
