"""From any exception to the sentence and the exit code a user gets: whose mistake it is, and in which file and line.

An exception that passed through a file of the user's is the user's; one of the operating system is the machine's, or
that of the name it was given; what is left is a defect of this package. `ATTN_JAX_TRACEBACK=1` shows all of it.
"""

import contextlib
import errno
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path

from attn_jax.errors import ConfigError, DefectError, InterruptedStudyError, MachineError, UserError

TRACEBACK = "ATTN_JAX_TRACEBACK"
_LONGEST = 288  # characters of what is said; "attn-jax: " comes before
_LAST = 100  # of them that are kept at the end, where it stands what to do
_LONGEST_WORD = 110  # of a path in it
_PACKAGE = Path(__file__).parent
_NOT_THE_USERS = (str(_PACKAGE), *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")))
# Names that cannot be: what was asked for is wrong. All other errors of the operating system are the machine's.
_BAD_NAME = {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.ENOENT, errno.EINVAL}
_ADVICE = {
    errno.ENOSPC: "free some space or give another --workdir; the same command goes on from there",
    errno.EDQUOT: "free some space or give another --workdir; the same command goes on from there",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f); the same command goes on from there",
    errno.EROFS: "give a --workdir that can be written",
    errno.EACCES: "give one that you may use, or change its permissions",
    errno.EPERM: "give one that you may use, or change its permissions",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
}


def in_a_sentence(error: BaseException) -> UserError:
    """Any exception as one that says in a sentence what happened, with the exit code that fits.

    >>> str(in_a_sentence(OSError(28, "No space left on device", "a.json"))).split(";")[0]
    'a.json: no space left on device'
    """
    if isinstance(error, UserError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return InterruptedStudyError("stopped; the same command goes on from there")
    if place := users_place(error):
        return UserError(f"{place}: {raised(error)}")
    if isinstance(error, OSError):
        return _of_the_system(error)
    if isinstance(error, ValueError) and "embedded null" in str(error):
        return ConfigError("got a path with a null byte in it, which no file's name may have")
    if isinstance(error, ImportError):
        return MachineError(str(error))
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        return MachineError("out of memory; give a smaller train.batch_size, shorter lengths or a smaller model")
    return DefectError(
        f"a defect of attn_jax, please report it: {_origin(error)}{raised(error)} ({TRACEBACK}=1 says more)"
    )


@contextlib.contextmanager
def in_sentences() -> Iterator[None]:
    """Turns whatever is raised inside into a `UserError`: across processes a traceback is lost, and a class may be."""
    try:
        yield
    except (Exception, SystemExit) as error:
        show_traceback(error)
        said = in_a_sentence(error)
        if said is error:
            raise
        raise said from error


@contextlib.contextmanager
def users_code() -> Iterator[None]:
    """Turns what passed through a file of the user's into a `UserError` that names its line; lets all else through."""
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        if place := users_place(error):
            raise UserError(f"{place}: {raised(error)}") from error
        raise


def last_word(error: BaseException) -> int:
    """Prints what there is to say of an exception that ends a command; returns its exit code."""
    show_traceback(error)
    said = in_a_sentence(error)
    with contextlib.suppress(OSError):
        print(f"attn-jax: {brief(str(said))}", file=sys.stderr)
    return said.exit_code


def show_traceback(error: BaseException) -> None:
    """Prints all of it where the environment asks."""
    if os.environ.get(TRACEBACK):
        traceback.print_exception(error)


def brief(text: str) -> str:
    """One line of a few hundred characters at most; the longest words, paths, give way first.

    >>> brief("x" * 1000 + ": no\\nsuch file")[100:]
    'xxxxxxx: no such file'
    """
    words = text.split()
    if len(text) > _LONGEST:
        words = [word if len(word) <= _LONGEST_WORD else f"{word[:52]}...{word[-53:]}" for word in words]
    text = " ".join(words)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - _LAST - 5]} ... {text[-_LAST:]}"


def users_place(error: BaseException) -> str | None:
    """ "my.py, line 7", the last line outside of Python, its packages and this one that an error went through."""
    frame = _users_frame(error)
    return None if frame is None else f"{from_here(Path(frame.filename))}, line {frame.lineno}"


def in_words(path: Path, error: BaseException) -> str:
    """An error of the user's code as one line: the file, its last line that the error went through, what was raised.

    Args:
      path: the file that was run; what it imports may be where the error comes from.
      error: what it raised.
    """
    frame = _users_frame(error)
    own = frame is None or frame.filename == str(path.absolute())
    return f"{f'{path}{line_in(path, error)}' if own else users_place(error)}: {raised(error)}"


def breach(name: str, path: Path | None, error: BaseException) -> str:
    """Which promise the user's mixer of this name breaks, or where its code raised."""
    if path and line_in(path, error):
        return in_words(path, error)
    said = str(error).split("\n")[0] if isinstance(error, AssertionError) else raised(error)
    line = line_in(path, error.__cause__) if path else ""
    return f"{name} breaks its contract: {said}{line and f' ({path}{line})'}"


def from_here(path: Path) -> Path:
    """A path from the folder that we are in where it lies below, else whole.

    >>> from_here(Path.cwd() / "my.py").as_posix(), from_here(Path("/my.py")).as_posix()
    ('my.py', '/my.py')
    """
    with contextlib.suppress(OSError, ValueError):  # the folder we are in is gone; it lies elsewhere
        return path.relative_to(Path.cwd())
    return path


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


def _users_frame(error: BaseException) -> traceback.FrameSummary | None:
    """The last one of a file of the user's."""
    frames = (frame for frame in traceback.extract_tb(error.__traceback__) if _is_the_users(frame.filename))
    return next(reversed(list(frames)), None)


def _is_the_users(filename: str) -> bool:
    if filename.startswith("<") or "site-packages" in filename or "dist-packages" in filename:
        return False
    return not any(Path(filename).is_relative_to(folder) for folder in _NOT_THE_USERS)


def _of_the_system(error: OSError) -> UserError:
    """An error of the operating system: the file, what it said, and what to do."""
    what = (error.strerror or str(error) or type(error).__name__).split("\n")[0]
    where = "" if error.filename is None else f"{error.filename}: "
    if error.errno == errno.ENOENT and not where:  # of no file: of the folder that we are in
        where = "the current folder: "
    advice = _ADVICE.get(error.errno or 0)
    kind = ConfigError if error.errno in _BAD_NAME else MachineError
    return kind(f"{where}{what[:1].lower()}{what[1:]}{f'; {advice}' if advice else ''}")


def _origin(error: BaseException) -> str:
    """ "lab/run/block.py, line 7: ", the last line of this package that an error went through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(str(_PACKAGE))]
    return f"{Path(frames[-1].filename).relative_to(_PACKAGE)}, line {frames[-1].lineno}: " if frames else ""
