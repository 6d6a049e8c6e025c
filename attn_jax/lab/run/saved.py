"""What a block has saved: which of its checkpoints are whole, which are not, and what beside them is of no use."""

from pathlib import Path
from typing import NamedTuple

from attn_jax.training.checkpoint import SET_ASIDE, checkpoint_file, is_whole, saved_steps


class Saved(NamedTuple):
    """The checkpoints of a block: steps, ascending, and files that nothing reads."""

    whole: list[int]
    damaged: list[int]  # their digest is of something else
    aside: list[Path]  # found damaged before, and moved out of the way
    half: list[Path]  # cut off while they were written


def saved_in(block: Path) -> Saved:
    """Looks at every byte of a block's checkpoints.

    Args:
      block: its folder; one without checkpoints has none.

    Raises:
      OSError: one cannot be read.
    """
    folder = block / "checkpoints"
    steps = saved_steps(folder)
    whole = [step for step in steps if is_whole(checkpoint_file(folder, step))]
    damaged = [step for step in steps if step not in whole]
    return Saved(whole, damaged, *_unread(folder))


def checkpoint_files(block: Path) -> list[Path]:
    """All that saving has left in a block's folder."""
    folder = block / "checkpoints"
    aside, half = _unread(folder)
    return [*(checkpoint_file(folder, step) for step in saved_steps(folder)), *aside, *half]


def whole_checkpoint(block: Path, step: int) -> Path | None:
    """The file of a step of a block, None where it is damaged or not there."""
    path = checkpoint_file(block / "checkpoints", step)
    return path if path.is_file() and is_whole(path) else None


def _unread(folder: Path) -> tuple[list[Path], list[Path]]:
    """What was set aside, and what was cut off."""
    return sorted(folder.glob(f"{SET_ASIDE}*.npz")), sorted(folder.glob("*.npz.part"))
