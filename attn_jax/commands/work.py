"""`attn-jax work`: blocks of a study by hand, from the job files that a command wrote."""

from pathlib import Path

from attn_jax.lab.run.by_hand import work_by_hand


def work(path: Path, first: int) -> None:
    """Trains the block of a job file, or those of a folder that nobody else is at, and says of each that it is done."""
    work_by_hand(path, first, lambda text: print(text, flush=True))
