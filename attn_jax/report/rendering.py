"""A template and what it shows, made one HTML document."""

import json
from collections.abc import Mapping
from typing import Any

from attn_jax.lab.outcome.words import decimal
from attn_jax.report import words


def rendered(template: str, content: Mapping[str, Any]) -> str:
    """HTML that loads nothing and runs nothing; names are escaped, and one that the content lacks is an error."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("attn_jax.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(pretty=_pretty, decimal=decimal, count=words.count, rate=words.rate, plain=words.plain)
    return environment.get_template(template).render(content)


def _pretty(tree: Mapping[str, Any]) -> str:
    """JSON to be read."""
    return json.dumps(tree, indent=2, ensure_ascii=False, default=str)
