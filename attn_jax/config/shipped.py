"""Configs that come with the package, found by name: a wheel holds them inside the package, a checkout beside it."""

from pathlib import Path

from attn_jax.errors import ConfigError
from attn_jax.names import nearest_names

CLAIMS = "claims/"  # the folder in configs/ that has the claims
LEDGER = "ledger/"  # and that of the ledger's
_PACKAGE = Path(__file__).parents[1]


def shipped_files(package: Path = _PACKAGE) -> dict[str, Path]:
    """Every shipped python file by its path under configs/ without the suffix; files are found, not run."""
    inside = package / "configs"
    folder = inside if inside.is_dir() else package.parent / "configs"
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.py"))}


def shipped_configs(package: Path = _PACKAGE) -> dict[str, Path]:
    """Every shipped config by its name in `shipped_files`; what lies in claims/ and ledger/ are no configs."""
    return {name: path for name, path in shipped_files(package).items() if not name.startswith((CLAIMS, LEDGER))}


def config_path(name: str | Path) -> Path:
    """The file that --config means: a path of the user's own or, where there is none, a shipped config's name.

    Raises:
      ConfigError: neither; a name without a suffix is answered with the nearest shipped ones.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if path.suffix:
        raise ConfigError(f"{path}: no such config file")
    shipped = shipped_configs()
    if path.as_posix() not in shipped:
        meant = nearest_names(path.as_posix(), shipped)
        raise ConfigError(f"{path}: no such config file or shipped config (attn-jax list configs), {meant}")
    return shipped[path.as_posix()]
