"""`attn-jax doctor`: what of a folder is whole, what is damaged, and what the same command would do next."""

from functools import partial
from pathlib import Path

from attn_jax.errors import UserError
from attn_jax.lab.cleaning import freeable
from attn_jax.lab.doctor import examine
from attn_jax.names import counted
from attn_jax.report import words
from attn_jax.terminal import Terminal


def doctor(directory: Path) -> None:
    """Prints what is found; changes nothing.

    Raises:
      UserError: something is damaged.
      ConfigError: no study or sweep is there.
    """
    say = partial(Terminal().print, markup=False, highlight=False, soft_wrap=True)
    found = examine(directory)
    say(f"{found.what} in {directory}: {found.trained:,} of {counted(found.blocks, 'block')} trained")
    for finding in found.findings:
        place = f"{finding.place}: " if finding.place else ""
        say(f"  {'damaged' if finding.damaged else 'note'}: {place}{finding.what}")
    if not found.damaged:
        say("  all files are whole")
        if size := freeable(directory).size:
            say(f"  attn-jax clean would free {words.size(size)}")
    if found.refused:
        say(f"the same command stops: {found.refused[0]}")
    else:
        say("the same command:")
        for line in found.then:
            say(f"  {line}")
    if found.damaged:
        raise UserError(f"{directory}: {counted(found.damaged, 'thing')} damaged")
