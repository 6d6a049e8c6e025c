"""What a config says that its defaults do not: the few fields that make a study what it is."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any, NamedTuple

from attn_jax.config.codec import REGISTERED, to_dict
from attn_jax.config.study import Study


class Setting(NamedTuple):
    """A field, what it is, and what it is by default; None where there is no default."""

    path: str
    value: Any
    default: Any


def unlike_defaults(config: Mapping[str, Any]) -> list[Setting]:
    """The fields of a study that differ from their defaults, those of a choice from the defaults of what was chosen.

    Args:
      config: as `to_dict` writes a study; fields that it lacks are left out.

    >>> from attn_jax.config import Study
    >>> from attn_jax.mixers import GRU
    >>> from attn_jax.models import ModelConfig
    >>> from attn_jax.tasks import Parity
    >>> study = Study("short", Parity(), {"gru": ModelConfig(16, mixers=(GRU(update_bias=1.0),))})
    >>> for setting in unlike_defaults(to_dict(study)):
    ...     print(*setting)
    task parity None
    models.gru.d_model 16 None
    models.gru.mixers.0 gru None
    models.gru.mixers.0.update_bias 1.0 0.0
    """
    known = {key: value for key, value in config.items() if key != "name"}
    return [setting for key, value in known.items() for setting in _differing(value, _STUDY.get(key), key)]


_STUDY = {
    f.name: to_dict(f.default if f.default_factory is MISSING else f.default_factory())
    for f in fields(Study)
    if f.default is not MISSING or f.default_factory is not MISSING
}


def _differing(value: Any, default: Any, path: str) -> Iterator[Setting]:
    if isinstance(value, dict) and ("class" in value or "name" in value):
        yield from _chosen(value, path)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _differing(item, default.get(key) if isinstance(default, dict) else None, f"{path}.{key}")
    elif isinstance(value, list | tuple) and any(isinstance(item, dict) for item in value):
        for place, item in enumerate(value):
            yield from _differing(item, None, f"{path}.{place}")
    elif (list(value) if isinstance(value, tuple) else value) != default:
        yield Setting(path, value, default)


def _chosen(value: Mapping[str, Any], path: str) -> Iterator[Setting]:
    """A task, model, mixer or probe: which one, unless all models are such, and how it differs from the row of it."""
    row = _row(value)
    if value.get("name") != "sequence_model":
        yield Setting(path, value.get("name", value.get("class")), None)
    for key, item in value.items():
        if key not in ("name", "class"):
            yield from _differing(item, row.get(key), f"{path}.{key}")


def _row(value: Mapping[str, Any]) -> dict[str, Any]:
    """What the registered choice of this name, with the most of these fields, is; {} of a class of the user's own."""
    name = value.get("name")
    rows = [to_dict(choice.rows[name]) for choice in REGISTERED.values() if name in choice.rows]
    return max(rows, key=lambda row: len(row.keys() & value.keys()), default={})
