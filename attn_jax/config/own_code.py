"""Code of the user's own: a python file as a module, with the modules beside it importable, and a class by its file.

Only what files of the user's import is looked for in their folder, so that a `random.py` or `jax.py` beside a config
shadows nothing that others import. Their bytecode is neither read nor written: an edit within a second counts too.
"""

import hashlib
import importlib
import importlib.util
import sys
import sysconfig
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from attn_jax.errors import ConfigError

_PACKAGE = Path(__file__).parents[1]
_PYTHON = Path(sysconfig.get_paths()["stdlib"])
_folders: dict[str, None] = {}  # of the user's files, in order of their coming
_imported: set[str] = set()  # names of modules found in these folders
_asked: list[tuple[str, str]] = []  # (module, folder) that `import_class` is looking for
_kept: list[ModuleType] = []  # every module of the user's that sys.modules may know no more: its classes live on
_found: dict[str, dict[str, str]] = {}  # {file: name} of modules that a file was the first to import, by that file


def load_file(path: Path) -> ModuleType:
    """Runs a python file under a name that no other has; what earlier ones imported from beside them is forgotten.

    Raises:
      Exception: whatever the file raises.
    """
    _kept.extend(sys.modules.pop(name) for name in _imported if name in sys.modules)
    _imported.clear()
    return _run(path.absolute())


def import_class(file: str, module: str, qualname: str) -> type:
    """A class by the file it lies in, the name of its module there, and its own name.

    Raises:
      Exception: whatever the file raises, OSError where it is gone, AttributeError where it has no such class.
    """
    found: Any = _by_file(file, module)
    for name in qualname.split("."):
        found = getattr(found, name)
    assert isinstance(found, type)
    return found


def import_function(name: str) -> Any:
    """What `package.module:function` names on a command line; the module may lie in the folder where python runs.

    A module of the user's is told by its file: one of the same name beside a config stays that config's own.

    Raises:
      ConfigError: there is no such module, or it has no such function.
      Exception: whatever the module raises.
    """
    module, _, function = name.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # as python -m does
    file = _lies_at(module)
    try:
        found = importlib.import_module(module) if file is None else _by_file(file, module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise ConfigError(f"got {name!r}, and python finds no module {error.name} here") from error
    if not hasattr(found, function):
        raise ConfigError(f"got {name!r}, and {module} has no {function}")
    return getattr(found, function)


def file_of(owner: type) -> str | None:
    """The absolute path of the file that a class lies in; None where there is none: a notebook, standard input.

    Modules of one name may have been loaded from several files: the class's own is the one that has it.
    """
    file = next((_file(module) for module in _modules(owner.__module__) if _defines(module, owner)), None)
    return file if file and Path(file).is_file() else None


def found_from() -> dict[str, dict[str, str]]:
    """{file: module} of what each file of the user's was the first in this process to import from its folder."""
    return {file: dict(found) for file, found in _found.items()}


def folder_of(file: str | Path, module: str) -> Path:
    """The folder that a module of this name is imported from.

    >>> folder_of("/a/pack/inner/mine.py", "pack.inner.mine").as_posix()
    '/a'
    """
    path = Path(file)
    depth = 0 if module == _name(path) else module.count(".") + (path.name == "__init__.py")
    return path.parents[depth]


def is_own(path: Path) -> bool:
    """Whether a file is the user's: neither this package's, nor python's, nor an installed one's."""
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    return not installed and not {_PACKAGE, _PYTHON} & set(path.parents)


def _run(path: Path) -> ModuleType:
    for folder in (path.parent, path.resolve().parent):  # of a link too, as python itself does
        _folders[str(folder)] = None
    name = _name(path)
    loader = _FreshLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None  # a loader was given
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses defined in the file look their module up
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    _kept.append(module)
    return module


def _lies_at(module: str) -> str | None:
    """The file that python would find under this name had nothing been imported yet; None where it is not the user's.

    Nothing of a package is run.
    """
    folders, spec = sys.path, None
    for depth in range(module.count(".") + 1):
        name = module.rsplit(".", module.count(".") - depth)[0]
        spec = PathFinder.find_spec(name, folders)
        if spec is None:
            return None
        folders = spec.submodule_search_locations or []
    assert spec is not None  # a name has a part
    if not isinstance(spec.loader, SourceFileLoader) or not is_own(path := Path(spec.loader.path).absolute()):
        return None
    return str(path)


def _by_file(file: str, module: str) -> ModuleType:
    """The module that lies there, the one that was loaded from there before where there is one.

    It has its name again where that is free: what pickles its functions looks for it there.
    """
    before = [*_modules(module), *_modules(_name(Path(file)))]
    found = next((found for found in before if _file(found) == file), None)
    if found is None:
        return _import(Path(file), module)
    if sys.modules.setdefault(found.__name__, found) is found and found.__name__ == module:
        _imported.add(module)
    return found


def _import(path: Path, module: str) -> ModuleType:
    """By its own name where that is free, so that its neighbours import the same; else by its path."""
    folder = str(folder_of(path, module))
    if module == _name(path) or _taken(module, folder):
        return _run(path)
    _folders[folder] = None
    _asked.append((module, folder))
    try:
        return importlib.import_module(module)
    finally:
        _asked.pop()


def _taken(module: str, folder: str) -> bool:
    """Whether the name, or its package's, is that of another folder's."""
    if "." not in module or module in sys.modules:
        return module in sys.modules
    package = sys.modules.get(module.partition(".")[0])
    folders = [Path(path).resolve().parent for path in getattr(package, "__path__", [])]
    return package is not None and Path(folder).resolve() not in folders


def _name(path: Path) -> str:
    return f"attn_jax_config_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


def _modules(name: str) -> list[ModuleType]:
    """All modules of a name, the latest first."""
    latest = sys.modules.get(name)
    return ([latest] if latest else []) + [module for module in reversed(_kept) if module.__name__ == name]


def _file(module: ModuleType) -> str | None:
    file = getattr(module, "__file__", None)
    return str(Path(file).absolute()) if file else None


def _defines(module: ModuleType, owner: type) -> bool:
    """Whether the class has its name in the module, or functions that were defined there."""
    named: Any = module
    for name in owner.__qualname__.split("."):
        named = getattr(named, name, None)
    functions = (value for value in vars(owner).values() if isinstance(value, FunctionType))
    return named is owner or any(function.__globals__ is vars(module) for function in functions)


class _FreshLoader(SourceFileLoader):
    """Compiles the source each time: bytecode is trusted by size and second, and an edit may keep both."""

    def get_code(self, fullname: str):
        path = self.get_filename(fullname)
        _found.pop(str(Path(path).absolute()), None)  # it is about to run, and imports anew
        return self.source_to_code(self.get_data(path), path)


class _Beside(MetaPathFinder):
    """Finds what a file of the user's imports in the folder it was loaded from."""

    def find_spec(self, fullname: str, path=None, target: ModuleType | None = None) -> ModuleSpec | None:
        parent = fullname.rpartition(".")[0]
        if fullname == _PACKAGE.name or (path is not None and parent not in _imported):
            return None
        folders = path if path is not None else _folders_for(fullname)
        spec = PathFinder.find_spec(fullname, folders, target) if folders else None
        if spec is None or (spec.loader is None and _is_installed(fullname)):
            return None
        if type(spec.loader) is SourceFileLoader:
            spec.loader = _FreshLoader(fullname, str(spec.origin))
        _imported.add(fullname)
        if spec.has_location and spec.origin:
            _found.setdefault(str(_importer()), {})[str(Path(spec.origin).absolute())] = fullname
        return spec


def _folders_for(name: str) -> list[str]:
    """Where to look for a module: beside the file that imports it, or where `import_class` says."""
    asked = [folder for module, folder in _asked if module == name or module.startswith(f"{name}.")]
    importer = _importer()
    reads = is_own(importer) or str(importer.parent) in _folders  # a wheel's own configs lie in site-packages
    above = {*importer.parents, *importer.resolve().parents} if reads else set()
    beside = [folder for folder in _folders if Path(folder) in above]
    return asked + sorted(beside, key=len, reverse=True)  # the nearest first


def _is_installed(name: str) -> bool:
    """Whether python finds the module itself: a folder without __init__.py, which needs no loader, then stands back."""
    spec = PathFinder.find_spec(name)
    return spec is not None and spec.loader is not None


def _importer() -> Path:
    """The file whose code is importing just now."""
    frame = sys._getframe(1)
    machinery = ("<frozen importlib", importlib.__file__, __file__)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(machinery):
        frame = frame.f_back
    return Path(frame.f_code.co_filename).absolute()


sys.meta_path.insert(0, _Beside())
