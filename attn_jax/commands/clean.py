"""`attn-jax clean`: frees what the trained blocks of a study or a sweep need no more."""

from functools import partial
from pathlib import Path

from attn_jax.lab.cleaning import clean as free
from attn_jax.lab.outcome.words import few
from attn_jax.names import counted
from attn_jax.report import words
from attn_jax.terminal import Terminal


def clean(directory: Path, *, last: bool) -> None:
    """Frees it, and says how much that was, what stays and what is lost."""
    say = partial(Terminal().print, markup=False, highlight=False, soft_wrap=True)
    found = free(directory, last=last)
    say(f"{directory}: freed {words.size(found.size)}, {counted(len(found.files), 'file')}")
    if found.emptied:
        say(f"lost with the last checkpoints of {few(found.emptied)}: the trained models, and probes of the end;")
        say("more steps, or lengths, train these blocks anew from the first step")
    if found.forgotten:
        say(f"lost with the last checkpoints of {few(found.forgotten)}: models that an older source trained")
    if found.files and not last:
        say("each trained block keeps its last checkpoint; --all frees it too")
    for why in dict.fromkeys(found.untouched.values()):
        say(f"{why}, nothing freed: {few([name for name, said in found.untouched.items() if said == why])}")
