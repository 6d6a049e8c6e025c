"""From a config file and command line overrides to a checked study or sweep; and any python file as a module."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from attn_jax.blame import in_words, users_code
from attn_jax.config import Claim, Study, Sweep
from attn_jax.config.codec import checked, from_dict
from attn_jax.config.mistyped import told_by_type
from attn_jax.config.overrides import override, refuse_given
from attn_jax.config.own_code import load_file
from attn_jax.config.shipped import config_path
from attn_jax.config.sweep import sweep_from_dict
from attn_jax.errors import ConfigError
from attn_jax.files import read_json


def load_study(path: str | Path, overrides: Sequence[str] = ()) -> Study:
    """As `load_config`, of a file that holds a study."""
    config = load_config(path, overrides)
    if isinstance(config, Sweep):
        raise ConfigError(f"{path}: holds a Sweep, wanted a Study")
    return config


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Study | Sweep:
    """What a python file's `get_config()` gives, or a JSON file holds, with `--config.field=value` overrides applied.

    Args:
      path: of the file, or the name of a shipped config ("quickstart").
      overrides: words of the command line; of a sweep they change the study that is varied.

    Raises:
      ConfigError: a missing file, no get_config, a wrong type, a wrong override; the nearest field or name is said.
    """
    path = config_path(path)
    config = _load_json(path) if path.suffix == ".json" else _load_python(path)
    if isinstance(config, Sweep):
        refuse_given(overrides, config.axes)
        return Sweep(override(config.study, overrides), config.axes) if overrides else config
    return override(config, overrides) if overrides else config


def _load_json(path: Path) -> Study | Sweep:
    data = read_json(path)
    try:
        if isinstance(data, dict) and "axes" in data:  # a sweep.json
            return sweep_from_dict(data)
        whole = isinstance(data, dict) and {"config", "fingerprint"} <= data.keys()  # a study.json
        return from_dict(data["config"] if whole else data)
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
        raise ConfigError(in_words(path, told_by_type(error))) from error


def _load_python(path: Path) -> Study | Sweep:
    if path.suffix != ".py":
        raise ConfigError(f"{path}: got a '{path.suffix}' file, wanted .py with get_config(), or .json")
    module = load_module(path)
    if not callable(getattr(module, "get_config", None)):
        raise ConfigError(f"{path}: has no get_config(), wanted a function that returns an attn_jax.config.Study")
    return _checked(module.get_config, path)


def _checked(get_config, path: Path) -> Study | Sweep:
    try:
        config = get_config()
    except (Exception, SystemExit) as error:  # whatever the user's function does
        raise ConfigError(in_words(path, told_by_type(error))) from error
    if isinstance(config, Claim):
        raise ConfigError(f"{path}: get_config() gave a Claim, wanted a Study; attn-jax claims {path} runs it")
    if not isinstance(config, Study | Sweep):
        raise ConfigError(f"{path}: get_config() gave a {type(config).__name__}, wanted an attn_jax.config.Study")
    try:
        with users_code():
            return Sweep(checked(config.study), config.axes) if isinstance(config, Sweep) else checked(config)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
