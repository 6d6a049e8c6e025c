"""The user's own source that decides a model's numbers: what is hashed, compared and kept.

A model's sources are the files that its own classes, and the task's, lie in, with every module of the user's that these
import, however deep, also inside functions: resolved below the folder that each class was imported from, whether or not
the module has been imported; and with what was imported by a name that the text does not say. A hash is of the syntax
tree without docstrings and `get_config`, whose value is hashed as a config: comments, formatting and names of files
change nothing.
"""

import ast
import hashlib
import itertools
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from attn_jax.config import Study, Sweep
from attn_jax.config.codec import own_class
from attn_jax.config.own_code import file_of, folder_of, found_from, is_own
from attn_jax.errors import ConfigError
from attn_jax.files import naming

_MEASURING = "attn_jax.lab.measurements."  # modules


def hashed_sources(study: Study, model: str | None, known: Collection[str] | None = None) -> dict[str, str]:
    """{file, by its path below the folder it is imported from: hash of its syntax tree} of one model, or of the task.

    Another process may have imported other modules: it looks at the files whose names are `known` instead of these.
    """
    return {name: _hash(path) for name, path in source_files(study, model, known).items()}


def source_files(study: Study, model: str | None, known: Collection[str] | None = None) -> dict[str, Path]:
    """{path below the folder it is imported from: file} of one model's sources, or, without one, of the task's alone.

    {} where all is the package's own.
    """
    waiting = [
        (Path(file), folder_of(file, parent.__module__))
        for own in own_classes((None if model is None else study.models[model], study.task))
        for parent in own.__mro__
        if (file := file_of(parent)) is not None
    ]
    folders = dict.fromkeys([folder for _, folder in waiting] + [Path("/")])
    found = _reached(waiting, seen=known is None)
    for name, folder in itertools.product(known or (), folders):
        if (folder / name).is_file():
            found.setdefault(name, folder / name)
    return dict(sorted(found.items()))


def hashed_file(path: Path) -> dict[str, str]:
    """{file: hash of its syntax tree} of a claim's file and all that it imports, its `get_config` included.

    Of the package it is what measures for claims: all else decides no more than what `NUMBERS` stands for.
    """
    found = _reached([(path.absolute(), path.absolute().parent)], seen=True) or {path.name: path}
    root = Path(__file__).parents[3]
    names = {
        name for file in found.values() for _, name in _imported_names(_parsed(file)) if name.startswith(_MEASURING)
    }
    inside = {file for name in names for file in _module_files(root, name) if not file.name.startswith("__")}
    found |= {file.relative_to(root).as_posix(): file for file in inside}
    return {name: _hash(file, whole=True) for name, file in sorted(found.items())}


def refuse_changed(model: str, before: dict[str, str], now: dict[str, str]) -> None:
    """Refuses to go on with a model, or "task", whose source is not what it was begun with.

    Raises:
      ConfigError: names the model and a file that changed, came or went.
    """
    if changed := changed_file(before, now):
        raise ConfigError(
            f"{model if model == 'task' else f'models.{model}'}: its source changed since it was trained ({changed}); "
            "change it back, or give another --workdir"
        )


def changed_file(before: dict[str, str], now: dict[str, str]) -> str | None:
    """A file that changed, came or went; None where none did, but for its name."""
    gone = {name: value for name, value in before.items() if name not in now}
    come = {name: value for name, value in now.items() if name not in before}
    changed = [name for name, value in now.items() if name in before and value != before[name]]
    if Counter(gone.values()) != Counter(come.values()):  # or else only names changed
        changed += [name for name in come if come[name] not in gone.values()]
        changed += [name for name in gone if gone[name] not in come.values()] + [*come, *gone]
    return changed[0] if changed else None


def keep_sources(study: Study, directory: Path) -> None:
    """Copies every model's sources into the folder."""
    for name, path in (item for model in study.models for item in source_files(study, model).items()):
        copy = directory / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        source = path.read_bytes()
        with naming(copy, len(source)):
            copy.write_bytes(source)


def own_classes(value: Any) -> Iterator[type]:
    """The user's own classes among a config's values, however deep."""
    if is_dataclass(value) and not isinstance(value, type):
        own = own_class(value)
        yield from () if own is None else (own,)
        value = [getattr(value, f.name) for f in fields(value)]
    if isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from own_classes(item)


def classes_by_name(config: Study | Sweep) -> dict[str, type]:
    """The user's own classes of a study, or of a sweep's points, by the names that study.json has of them.

    Raises:
      ConfigError: two classes have one name.
    """
    found: dict[str, type] = {}
    for own in own_classes(list(config.points.values()) if isinstance(config, Sweep) else config):
        if found.setdefault(own.__name__, own) is not own:
            raise ConfigError(f"config: has two classes {own.__name__}, wanted one of each name")
    return found


def _reached(waiting: list[tuple[Path, Path]], *, seen: bool) -> dict[str, Path]:
    """{path below its folder: file} of files, each with the folder it is imported from, and of what they import.

    seen: whether also what this process was seen to import by a name that no text says.
    """
    found: dict[str, Path] = {}
    while waiting:
        path, folder = waiting.pop()
        if is_own(path) and path not in found.values():
            name = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix().lstrip("/")
            found[path.as_posix().lstrip("/") if name in found else name] = path
            waiting += _imported_files(path, folder)
            waiting += _found_below(path, folder) if seen else ()
    return found


def _imported_files(path: Path, folder: Path) -> Iterator[tuple[Path, Path]]:
    """(file, folder): what a file imports from below its folder, and the packages that it lies in itself."""
    links = (path.resolve().parent,) if path.is_symlink() else ()
    for level, name in _imported_names(_parsed(path)):
        for start in (path.parents[level - 1],) if level else dict.fromkeys((folder, *links)):
            yield from ((file, folder if level else start) for file in _module_files(start, name))
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
            given = (*node.args, *(word.value for word in node.keywords), None, None)
            name, package = (getattr(word, "value", None) for word in given[:2])
            yield from [_resolved(name, package)] if isinstance(name, str) else []


def _resolved(name: str, package: Any = None) -> tuple[int, str]:
    """(dots in front, name) that `import_module` is asked for; of `__package__`, what its file lies in."""
    inner = name.lstrip(".")
    level = len(name) - len(inner)
    if not level or not isinstance(package, str):
        return level, inner
    return 0, ".".join([*package.split(".")[: package.count(".") + 2 - level], inner])


def _found_below(path: Path, folder: Path) -> Iterator[tuple[Path, Path]]:
    """(file, folder): what a file was seen to import, and where it may import by any name, what others so imported.

    Only the first of two files that import a module is seen to: the second may have done the same.
    """
    starts = dict.fromkeys((folder, path.resolve().parent))
    seen = found_from()
    files = list(seen.get(str(path), {}))
    if _words(path) & {"importlib", "import_module", "__import__"}:
        files += [file for other, names in seen.items() for file in _unsaid(Path(other), names)]
    for file in map(Path, files):
        yield from [(file, start) for start in starts if start in file.parents][:1]


def _unsaid(importer: Path, modules: dict[str, str]) -> list[str]:
    """The files of modules whose names the text of their importer does not have."""
    words = _words(importer) if importer.is_file() and is_own(importer) else modules.values()
    return [file for file, name in modules.items() if name.rpartition(".")[2] not in words]


def _words(path: Path) -> set[str]:
    """The names in a file's text, and the parts of those that could be modules."""
    tree = _parsed(path)
    used = {getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(tree)}
    return used | {part for _, name in _imported_names(tree) for part in name.split(".")}


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


def _hash(path: Path, *, whole: bool = False) -> str:
    tree = _parsed(path)
    if not whole:
        kept = (node for node in tree.body if not (isinstance(node, ast.FunctionDef) and node.name == "get_config"))
        tree.body = list(kept)
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
