"""What `--config.help` prints: every field of a config with its value, its type and what it means."""

import inspect
import re
import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attn_jax.config.annotated import REGISTERED
from attn_jax.config.overrides import fields_of
from attn_jax.config.study import Study
from attn_jax.config.words import option, type_in_words

_FEWEST_COLUMNS, _MOST_COLUMNS = 40, 100


def print_fields(study: Study) -> None:
    """Prints every field that the command line can override, as it stands; what it means once a class."""
    width = min(max(shutil.get_terminal_size().columns, _FEWEST_COLUMNS), _MOST_COLUMNS)
    print(f"\nfields of study {study.name}, as they stand:\n")
    explained = set()
    for field in fields_of(study):
        print(f"  {option(field.path)}={written(field.value)}")
        if (field.owner, field.name) not in explained:
            explained.add((field.owner, field.name))
            meaning = meanings(field.owner).get(field.name)
            text = type_in_words(field.wanted) + (f": {meaning}" if meaning else "")
            print(textwrap.fill(text, width, initial_indent=" " * 6, subsequent_indent=" " * 6))


def print_axes(axes: Mapping[str, Sequence[Any]], points: Iterable[str]) -> None:
    """Prints the axes of a sweep, whose values stand in its config, and its points, each a study."""
    print("\naxes of the sweep:\n")
    for path, values in axes.items():
        print(f"  {path}: {'; '.join(map(written, values))}")
    print("\nits points, a study each:\n")
    print("\n".join(f"  {point}" for point in points))


def written(value: Any) -> str:
    """A value as the command line takes it.

    >>> written((1e-3, 3e-3)), written(None)
    ('0.001,0.003', 'None')
    """
    if isinstance(value, tuple):
        return ",".join(map(written, value))
    for base, choice in REGISTERED.items():
        if isinstance(value, base):
            equal = [name for name, row in choice.rows.items() if row == value]
            alike = [name for name, row in choice.rows.items() if type(row) is type(value)]
            return (equal + alike + [type(value).__name__])[0]
    return str(value)


def meanings(owner: type) -> dict[str, str]:
    """What the docstrings of a class and its bases say of their fields.

    >>> meanings(Study)["task"]
    'what is learnt.'
    """
    found: dict[str, str] = {}
    for base in reversed(owner.__mro__):
        _, _, rows = (inspect.getdoc(base) or "").partition("Args:\n")
        for name, text in re.findall(r"^  (\w+): ((?:.+\n?)(?:^    .*\n?)*)", rows.split("\n\n")[0], re.MULTILINE):
            found[name] = " ".join(text.split())
    return found
