"""`attn-jax card`: where a sequence mixer stands, registered or the user's own; the cards there are, and baselines."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attn_jax.commands.check import find
from attn_jax.errors import ConfigError, UserError
from attn_jax.lab.card.baselines import read_baselines
from attn_jax.lab.card.session import Subject, Where, make_baseline, make_card
from attn_jax.lab.card.standing import RIVALS
from attn_jax.mixers import MIXERS
from attn_jax.names import nearest_names
from attn_jax.report.card_board import print_board
from attn_jax.report.card_page import write_card_page
from attn_jax.report.card_table import print_card
from attn_jax.terminal import Terminal

ROOT = Path("results") / "cards"


def card(names: Sequence[str], workdir: Path | None, **options: Any) -> None:
    """Makes the card of a mixer, prints it and writes card.json and card.html.

    Args:
      names: one, FILE.py:ClassName or a registered one's.
      workdir: the folder of cards; default results/cards.
      options: `platform`, `place` and `track`, as every command that trains takes them.

    Raises:
      ConfigError: no mixer, or several; one of the user's has the name of a registered one.
      UserError: it breaks its contract: its card says how; or what ends every command that trains.
    """
    if len(names) != 1:
        got = f"got {len(names)} of them" if names else "got none"
        raise ConfigError(f"mixer: {got}, wanted FILE.py:ClassName or a registered name (attn-jax list mixers)")
    found, console = find("mixer", names[0]), Terminal()
    name = names[0] if found.path is None else names[0].rpartition(":")[2]
    if found.path is not None and name in MIXERS:  # it would take that one's folder, and its row in every table
        raise ConfigError(f"{names[0]}: {name!r} is the name of a registered mixer, wanted another one")
    where = Where(workdir or ROOT, console, **options)
    told = make_card(Subject(name, found.config, found.path), where)
    page = write_card_page(told, where.root / name)
    print_card(told, console)
    console.print(f"page: {page}", markup=False, highlight=False, soft_wrap=True)
    if broken := [row for row in told["contract"] if not row["holds"]]:
        raise UserError(f"{names[0]} breaks its contract: {broken[0]['said']}")


def baselines(names: Sequence[str], workdir: Path | None, **options: Any) -> None:
    """Trains what cards are held against: these mixers, by default attention, LSTM, GRU and then all others.

    Each is written when it is done; the same command goes on, and reads what is trained already.

    Raises:
      ConfigError: a name that is not registered.
    """
    for name in names:
        if name not in MIXERS:
            raise ConfigError(f"mixer: got {name!r}, {nearest_names(name, MIXERS)}; baselines are registered ones")
    where = Where(workdir or ROOT, Terminal(), **options)
    for name in names or dict.fromkeys([*RIVALS, *MIXERS]):
        where.console.print(f"baseline {name}", markup=False, highlight=False)
        path = make_baseline(name, where)
        where.console.print(f"{name} is in {path}", markup=False, highlight=False, soft_wrap=True)


def list_cards(names: Sequence[str], workdir: Path | None) -> None:
    """Prints the scores of all registered mixers that cards are held against, best first.

    Raises:
      ConfigError: names are given.
    """
    if names:
        raise ConfigError(f"--list: got {' '.join(names)}, wanted no names: it shows all mixers")
    print_board(read_baselines(workdir or ROOT), Terminal())
