"""The user's own source that decides a model's numbers: what is hashed, compared and kept.

A model's sources are the files that its own classes, and the task's, lie in, with every module of the user's that these
import, however deep, also inside functions: resolved below the folder that each class was imported from, whether or not
the module has been imported. A hash is of the syntax tree without docstrings and `get_config`, whose value is hashed as
a config: comments, formatting and names of files change nothing.
"""

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from attn_jax.codec import own_class
from attn_jax.config import Study
from attn_jax.errors import ConfigError
from attn_jax.own_code import file_of, folder_of, is_own


def hashed_sources(study: Study, model: str) -> dict[str, str]:
    """{file, by its path below the folder it is imported from: hash of its syntax tree} of one model."""
    return {name: _hash(path) for name, path in source_files(study, model).items()}


def source_files(study: Study, model: str) -> dict[str, Path]:
    """{path below the folder it is imported from: file} of one model's sources; {} where all is the package's own."""
    waiting = [
        (Path(file), folder_of(file, parent.__module__))
        for own in own_classes((study.models[model], study.task))
        for parent in own.__mro__
        if (file := file_of(parent)) is not None
    ]
    found: dict[str, Path] = {}
    while waiting:
        path, folder = waiting.pop()
        if is_own(path) and path not in found.values():
            name = path.relative_to(folder).as_posix()
            found[path.as_posix().lstrip("/") if name in found else name] = path
            waiting += _imported_files(path, folder)
    return dict(sorted(found.items()))


def refuse_changed(model: str, before: dict[str, str], now: dict[str, str]) -> None:
    """Refuses to go on with a model whose source is not what it was begun with.

    Raises:
      ConfigError: names the model and a file that changed, came or went.
    """
    changed = [name for name, value in now.items() if value not in before.values()]
    gone = [name for name, value in before.items() if value not in now.values()]
    if changed or gone:
        raise ConfigError(
            f"models.{model}: its source changed since it was trained ({(changed or gone)[0]}); "
            "change it back, or give another --workdir"
        )


def keep_sources(study: Study, directory: Path) -> None:
    """Copies every model's sources into the folder."""
    for name, path in (item for model in study.models for item in source_files(study, model).items()):
        copy = directory / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())


def own_classes(value: Any) -> Iterator[type]:
    """The user's own classes among a config's values, however deep."""
    if is_dataclass(value) and not isinstance(value, type):
        own = own_class(value)
        yield from () if own is None else (own,)
        value = [getattr(value, f.name) for f in fields(value)]
    if isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from own_classes(item)


def _imported_files(path: Path, folder: Path) -> Iterator[tuple[Path, Path]]:
    """(file, folder): what a file imports from below its folder, and the packages that it lies in itself."""
    names = list(_imported_names(_parsed(path)))
    for start in {folder, path.resolve().parent} if path.is_symlink() else {folder}:
        for level, name in names:
            yield from ((file, start) for file in _module_files(path.parents[level - 1] if level else start, name))
    packages = [inner / "__init__.py" for inner in path.parents if folder in inner.parents]
    yield from ((file, folder) for file in packages if file.is_file())


def _imported_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(dots in front, name) of all that could be a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            inside = f"{node.module}." if node.module else ""
            yield from ((node.level, inside + alias.name) for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
            given = node.args[0] if node.args else None
            yield from [(0, given.value)] if isinstance(given, ast.Constant) and isinstance(given.value, str) else []


def _called(node: ast.Call) -> str | None:
    return getattr(node.func, "attr", getattr(node.func, "id", None))


def _module_files(folder: Path, module: str) -> Iterator[Path]:
    """The files of a module and of the packages on the way to it; `*` is every module of a package."""
    for name in module.split("."):
        found = folder.glob("*.py") if name == "*" else (folder / name / "__init__.py", folder / f"{name}.py")
        yield from (file for file in found if file.is_file())
        folder /= name


def _parsed(path: Path) -> ast.Module:
    """Its syntax tree; of a file that is none, its text as one constant."""
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return ast.Module([ast.Return(ast.Constant(path.read_bytes()))], [])


def _hash(path: Path) -> str:
    tree = _parsed(path)
    tree.body = [node for node in tree.body if not (isinstance(node, ast.FunctionDef) and node.name == "get_config")]
    return hashlib.sha256(repr(_plain(tree)).encode()).hexdigest()[:16]


def _plain(node: Any) -> Any:
    """A syntax tree as tuples, the same in every version of python: without docstrings and empty fields."""
    if isinstance(node, list):
        return tuple(map(_plain, node))
    if not isinstance(node, ast.AST):
        return node
    parts = ((name, _without_docstring(node, value) if name == "body" else value) for name, value in _parts(node))
    return type(node).__name__, *((name, _plain(value)) for name, value in parts)


def _parts(node: ast.AST) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in ast.iter_fields(node) if value not in (None, []) and name != "kind")


def _without_docstring(node: ast.AST, body: Any) -> Any:
    documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    return body[1:] if documented and ast.get_docstring(node, clean=False) is not None else body
