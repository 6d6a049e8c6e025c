"""The config as a short table: what differs from the defaults."""

import json
from collections.abc import Mapping
from typing import Any

from attn_jax.config.defaults import unlike_defaults


def settings(config: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(field, what it is, what it would be by default) in words; "" where there is no default."""
    found = unlike_defaults({key: value for key, value in config.items() if key != "published"})
    return [(path, _said(value), "" if default is None else _said(default)) for path, value, default in found]


def _said(value: Any) -> str:
    """A value as one would type it.

    >>> _said([0.001, 0.003]), _said(None), _said(True), _said([]), _said({"a": 1})
    ('0.001, 0.003', 'none', 'yes', 'none', '{"a": 1}')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == [] or value == {}:
        return "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_said, value))
    if isinstance(value, dict):
        return json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
