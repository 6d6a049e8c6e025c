"""How configs/ comes into a wheel: as attn_jax/configs, file by file. setup.cfg names the class.

An editable install needs none of it: there configs/ lies beside the package (attn_jax/config/shipped.py). The sdist
gets all that a checkout has, so that it can be built and tested.
"""

from pathlib import Path

from setuptools.command.build_py import build_py  # pyright: ignore[reportMissingImports, reportMissingModuleSource]

_FOLDERS = (".ci", ".github", "configs", "benchmarks", "docs", "examples", "scripts", "tests")
_FILES = ("*.md", "*.cff", "*.toml", "*.json", ".pre-commit-config.yaml", ".gitignore")


class BuildPy(build_py):
    """`build_py`, and the configs."""

    def run(self) -> None:
        """Copies the package, then the configs into it."""
        super().run()
        if not self.editable_mode:
            for path in files_of("configs"):
                target = Path(self.build_lib, "attn_jax", path)
                target.parent.mkdir(parents=True, exist_ok=True)
                self.copy_file(path, str(target))

    def get_source_files(self) -> list[str]:
        """What an sdist holds."""
        beside = [path for folder in _FOLDERS for path in files_of(folder)]
        return [*super().get_source_files(), *beside, *(str(path) for kind in _FILES for path in Path().glob(kind))]


def files_of(folder: str) -> list[str]:
    """Every file in a folder but what Python compiled."""
    files = (path for path in sorted(Path(folder).rglob("*")) if path.is_file())
    return [str(path) for path in files if path.parent.name != "__pycache__"]
