"""From a config file and command line overrides to a checked study; and any python file of the user's as a module."""

import json
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from attn_jax.codec import checked, from_dict
from attn_jax.config import Study
from attn_jax.config_overrides import override
from attn_jax.errors import ConfigError
from attn_jax.own_code import load_file
from attn_jax.shipped import config_path


def load_study(path: str | Path, overrides: Sequence[str] = ()) -> Study:
    """The study of a python file's `get_config()`, or of a JSON file, with `--config.field=value` overrides applied.

    Args:
      path: of the file, or the name of a shipped config ("quickstart").
      overrides: words of the command line.

    Raises:
      ConfigError: a missing file, no get_config, a wrong type, a wrong override; the nearest field or name is said.
    """
    path = config_path(path)
    study = _load_json(path) if path.suffix == ".json" else _load_python(path)
    return override(study, overrides) if overrides else study


def _load_json(path: Path) -> Study:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        whole = isinstance(data, dict) and {"config", "fingerprint"} <= data.keys()  # a study.json
        return from_dict(data["config"] if whole else data)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}: not JSON: {error}") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def load_module(path: Path) -> ModuleType:
    """Runs a python file of the user's; it may import the modules beside it.

    Raises:
      ConfigError: no such file, or whatever the file itself raises, with the line.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    if path.suffix != ".py":
        raise ConfigError(f"{path}: got a '{path.suffix}' file, wanted .py")
    try:
        return load_file(path)
    except (Exception, SystemExit) as error:  # whatever the user's file does
        raise ConfigError(in_words(path, error)) from error


def in_words(path: Path, error: BaseException) -> str:
    """An error of the user's code as one line: the file, its last line that the error went through, what was raised."""
    return f"{path}{line_in(path, error)}: {raised(error)}"


def breach(name: str, path: Path | None, error: BaseException) -> str:
    """Which promise the user's mixer of this name breaks, or where its code raised."""
    if path and line_in(path, error):
        return in_words(path, error)
    said = str(error).split("\n")[0] if isinstance(error, AssertionError) else raised(error)
    line = line_in(path, error.__cause__) if path else ""
    return f"{name} breaks its contract: {said}{line and f' ({path}{line})'}"


def raised(error: BaseException) -> str:
    """What was raised, and its first line: jax goes on for a page.

    >>> raised(ValueError("axis 3 is out of bounds\\nsee ..."))
    'ValueError: axis 3 is out of bounds'
    """
    message = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def line_in(path: Path, error: BaseException | None) -> str:
    """ ", line 7", the last line of the file that the error went through; "" where it went through none."""
    frames = traceback.extract_tb(None if error is None else error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path.absolute())]
    return f", line {lines[-1]}" if lines else ""


def _load_python(path: Path) -> Study:
    if path.suffix != ".py":
        raise ConfigError(f"{path}: got a '{path.suffix}' file, wanted .py with get_config(), or .json")
    module = load_module(path)
    if not callable(getattr(module, "get_config", None)):
        raise ConfigError(f"{path}: has no get_config(), wanted a function that returns an attn_jax.config.Study")
    return _checked(module.get_config, path)


def _checked(get_config, path: Path) -> Study:
    try:
        study = get_config()
    except Exception as error:  # whatever the user's function does
        raise ConfigError(in_words(path, error)) from error
    if not isinstance(study, Study):
        raise ConfigError(f"{path}: get_config() gave a {type(study).__name__}, wanted an attn_jax.config.Study")
    try:
        return checked(study)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
