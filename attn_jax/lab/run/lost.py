"""What a resumption finds missing, said in a line: nothing that is measured again is measured again in silence."""

from pathlib import Path

from attn_jax.lab.record.directory import is_torn, read_rows
from attn_jax.training.checkpoint import saved_steps


def say_what_is_lost(block: Path, every: int) -> None:
    """Says where a block goes on from less than it once had.

    Args:
      block: its folder, before anything is written to it.
      every: steps between checkpoints; up to one of them may have rows and no checkpoint yet.
    """
    metrics = block / "metrics.jsonl"
    if is_torn(metrics):
        print(f"{metrics}: its last line is torn and dropped; what it said is measured again", flush=True)
    if not saved_steps(block / "checkpoints") and any(row.get("step", 0) > every for row in read_rows(metrics)):
        print(f"{block}: its checkpoints are gone; it is trained anew from its first step", flush=True)
