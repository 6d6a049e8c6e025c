"""Claims that lie in files: the shipped ones by number, one of the user's own by its path."""

import re
from pathlib import Path

from attn_jax.blame import in_words
from attn_jax.config.claim import Claim
from attn_jax.config.file import load_module
from attn_jax.config.mistyped import told_by_type
from attn_jax.config.shipped import CLAIMS, shipped_files
from attn_jax.errors import ConfigError
from attn_jax.names import nearest_names

_NUMBERED = re.compile(r"(\d+)_\w+")


def shipped_claims(folder: str = CLAIMS) -> dict[str, Path]:
    """The file of every shipped claim of a folder in configs/ by its number, in order."""
    found: dict[int, Path] = {}
    for name, path in shipped_files().items():
        if name.startswith(folder) and (match := _NUMBERED.fullmatch(name.removeprefix(folder))):
            found[int(match[1])] = path
    return {str(number): found[number] for number in sorted(found)}


def claim_path(name: str, folder: str = CLAIMS) -> Path:
    """The file that `attn-jax claims` means: the number of a claim shipped in a folder, or a path of the user's own.

    Raises:
      ConfigError: neither.
    """
    shipped = shipped_claims(folder)
    if name in shipped:
        return shipped[name]
    path = Path(name).expanduser()
    if path.suffix == ".py":
        return path
    raise ConfigError(f"claim: got {name!r}, {nearest_names(name, shipped)}; or the path of a file")


def load_claim(path: Path) -> Claim:
    """What `get_config()` of a claim's file gives.

    Raises:
      ConfigError: a missing file, no get_config, another type, or whatever the file itself raises, with the line.
    """
    get_config = getattr(load_module(path), "get_config", None)
    if not callable(get_config):
        raise ConfigError(f"{path}: has no get_config(), wanted a function that returns an attn_jax.config.Claim")
    try:
        claim = get_config()
    except (Exception, SystemExit) as error:  # whatever the user's function does
        raise ConfigError(in_words(path, told_by_type(error))) from error
    if not isinstance(claim, Claim):
        raise ConfigError(f"{path}: get_config() gave a {type(claim).__name__}, wanted an attn_jax.config.Claim")
    return claim
