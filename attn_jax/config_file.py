"""From a config file and command line overrides to a checked study."""

import importlib.util
import json
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from attn_jax.config import Study, checked, from_dict
from attn_jax.errors import ConfigError


@dataclass(frozen=True)
class _Overrides:
    """Gives overrides their prefix, `--config.`"""

    config: Study


def load_study(path: str | Path, overrides: Sequence[str] = ()) -> Study:
    """The study of a python file's `get_config()`, or of a JSON file, with `--config.field=value` overrides applied.

    Raises:
      ConfigError: a missing file, no get_config, a wrong type. A wrong override ends the process with exit code 2,
        naming the nearest field (tyro prints it).
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"{path}: no such config file")
    study = _load_json(path) if path.suffix == ".json" else _load_python(path)
    if overrides:
        study = _override(study, overrides)
    return study


def _override(study: Study, overrides: Sequence[str]) -> Study:
    import tyro  # takes a while to import, and only the command needs it

    return tyro.cli(_Overrides, args=list(overrides), default=_Overrides(study), prog="attn-jax").config


def _load_json(path: Path) -> Study:
    try:
        return from_dict(json.loads(path.read_text(encoding="utf-8")))
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}: not JSON: {error}") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _load_python(path: Path) -> Study:
    if path.suffix != ".py":
        raise ConfigError(f"{path}: got a '{path.suffix}' file, wanted .py with get_config(), or .json")
    name = f"attn_jax_config_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # the suffix is .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses defined in the file look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's file does
        raise ConfigError(f"{path}{_line_in(path, error)}: {type(error).__name__}: {error}") from error
    if not callable(getattr(module, "get_config", None)):
        raise ConfigError(f"{path}: has no get_config(), wanted a function that returns an attn_jax.config.Study")
    return _checked(module.get_config, path)


def _checked(get_config, path: Path) -> Study:
    try:
        study = get_config()
    except Exception as error:  # whatever the user's function does
        raise ConfigError(f"{path}{_line_in(path, error)}: {type(error).__name__}: {error}") from error
    if not isinstance(study, Study):
        raise ConfigError(f"{path}: get_config() gave a {type(study).__name__}, wanted an attn_jax.config.Study")
    try:
        return checked(study)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _line_in(path: Path, error: Exception) -> str:
    """ ", line 7", the last line of the file that the error went through."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f", line {lines[-1]}" if lines else ""
