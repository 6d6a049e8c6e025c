"""Frees the room of what a trained block needs no more: its checkpoints but the last, and, when asked, that one too.

Never an unfinished block's, nor a file that the lab did not write: what goes is known by its name in its own folder.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from attn_jax.errors import ConfigError, InUseError
from attn_jax.lab.record.directory import block_directory, holder_of, in_use, locked, read_rows
from attn_jax.lab.record.holding import holder_elsewhere
from attn_jax.lab.record.runs import is_tested
from attn_jax.lab.record.schema import read_study
from attn_jax.lab.record.sweep_record import studies_in
from attn_jax.lab.run.saved import checkpoint_files, saved_in, whole_checkpoint


class Freeable(NamedTuple):
    """What can go of a study or a sweep."""

    files: list[Path]
    size: int  # bytes
    emptied: list[str]  # trained blocks that keep no checkpoint
    untouched: dict[str, str]  # blocks that keep all, and why
    forgotten: list[str]  # blocks of an older source that keep no checkpoint


def freeable(directory: Path, *, last: bool = False) -> Freeable:
    """What `clean` would free; looks alone.

    Args:
      directory: of a study or a sweep.
      last: whether trained blocks lose their last checkpoint too.

    Raises:
      ConfigError: no study is there, or its study.json is damaged.
    """
    files: list[Path] = []
    emptied: list[str] = []
    untouched: dict[str, str] = {}
    forgotten: list[str] = []
    for study in studies_in(directory):
        facts, prefix = read_study(study), "" if study == directory else f"{study.name}/"
        for name, folder in _blocks(study, facts):
            found, why = _of_block(folder, facts, last=last)
            files += found
            if why is not None:
                untouched[prefix + name] = why
            elif last and found:
                emptied.append(prefix + name)
        for folder in sorted((study / "replaced").glob("*/*/checkpoints")):
            found = _of_replaced(folder.parent, last=last)
            files += found
            forgotten += [prefix + folder.parent.relative_to(study).as_posix()] if last and found else []
    return Freeable(files, sum(path.lstat().st_size for path in files), emptied, untouched, forgotten)


def clean(directory: Path, *, last: bool = False) -> Freeable:
    """Frees it, while nobody else is at it; what was freed.

    Args:
      directory: of a study or a sweep.
      last: whether trained blocks lose their last checkpoint too: their models, more steps and the probes of their end.

    Raises:
      ConfigError: no study is there, or its study.json is damaged.
      InUseError: a command or a worker holds it; nothing was freed.
    """
    studies = studies_in(directory)
    blocks = [folder for study in studies for _, folder in _blocks(study, read_study(study))]
    with ExitStack() as held:
        for folder in dict.fromkeys((directory, *studies)):
            held.enter_context(locked(folder))
        for folder in blocks:  # a worker outlives its command for a chunk
            if holder := holder_of(folder) or holder_elsewhere(folder):
                raise InUseError(in_use(folder, holder))
        found = freeable(directory, last=last)
        for path in found.files:
            path.unlink()
    return found


def _blocks(study: Path, facts: dict[str, Any]) -> Iterator[tuple[str, Path]]:
    for name, runs in facts["runs"].items():
        yield from ((f"{name}-{k}", block_directory(study, name, k)) for k in range(len(runs)))


def _of_block(folder: Path, facts: dict[str, Any], *, last: bool) -> tuple[list[Path], str | None]:
    """(what can go of a block, why nothing can)."""
    steps = facts["config"]["train"]["steps"]
    try:
        trained = is_tested(read_rows(folder / "metrics.jsonl"), steps, facts["task"]["lengths"])
    except ConfigError:
        return [], "damaged"
    if not trained:
        return [], "not trained to the end"
    files = checkpoint_files(folder)
    if last or not files:
        return files, None
    kept = whole_checkpoint(folder, steps)
    if kept is None:
        return [], "its last checkpoint is damaged or gone"
    return [path for path in files if path != kept], None


def _of_replaced(block: Path, *, last: bool) -> list[Path]:
    """The same of a block of an older source: of what is whole the newest stays."""
    files, whole = checkpoint_files(block), saved_in(block).whole
    return [path for path in files if whole and path.stem != str(whole[-1])] if not last else files
