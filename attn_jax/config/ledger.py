"""The ledger: claims in `configs/ledger/`, each with the cells that a source printed and the tests that they are of.

A file `configs/ledger/<number>_<words>.py` is a claim's (`config/claim.py`), whose `published` are `Cell`s. What came
out otherwise than it was printed is explained in `configs/ledger/explained.py`, apart, for a claim does not change once
it is declared.
"""

from pathlib import Path

from attn_jax.config.claim import Claim
from attn_jax.config.claim_file import load_claim, shipped_claims
from attn_jax.config.file import load_module
from attn_jax.config.published import Cell, Explained
from attn_jax.config.shipped import LEDGER, shipped_files
from attn_jax.errors import ConfigError
from attn_jax.names import nearest_names


def ledger_claims() -> dict[str, Path]:
    """The file of every claim of the ledger by its number, in order."""
    return shipped_claims(LEDGER)


def load_separation(path: Path) -> Claim:
    """A claim of the ledger: its cells and its tests belong to each other.

    Raises:
      ConfigError: as `load_claim`; two cells that are alike, a cell whose tests there are none of, a test that no cell
        is of, or one that expects the contrary of what was printed.
    """
    claim = load_claim(path)
    try:
        _check(claim)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return claim


def cells_of(claim: Claim) -> list[Cell]:
    """The published numbers of a claim that are the ledger's."""
    return [one for one in claim.published if isinstance(one, Cell)]


def contrasts_of(claim: Claim, cell: Cell) -> list[str]:
    """What the tests that a cell takes part in are about."""
    return [
        about
        for about, test in claim.tests.items()
        if (test.study or test.measure) == cell.measure and cell.model in (test.a, test.b)
    ]


def explanations(claims: dict[str, Claim]) -> dict[tuple[str, str], Explained]:
    """Why cells came out otherwise, by the name of the claim and what the cell is of.

    Args:
      claims: those of the ledger, by the names of their files.

    Raises:
      ConfigError: one of a cell that there is none of, or two of one.
    """
    path = shipped_files().get(f"{LEDGER}explained")
    found: dict[tuple[str, str], Explained] = {}
    for one in getattr(load_module(path), "EXPLAINED", ()) if path else ():
        if one.claim not in claims:
            raise ConfigError(f"{path}: claim: got {one.claim!r}, {nearest_names(one.claim, claims)}")
        known = [cell.of for cell in cells_of(claims[one.claim])]
        if one.of not in known:
            raise ConfigError(f"{path}: of: got {one.of!r}, {nearest_names(one.of, known)}")
        if (one.claim, one.of) in found:
            raise ConfigError(f"{path}: of: got {one.of!r} twice, wanted one paragraph a cell")
        found[one.claim, one.of] = one
    return found


def _check(claim: Claim) -> None:
    cells = cells_of(claim)
    names = [cell.of for cell in cells]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"published: got two cells of {twice!r}, wanted each told apart by what it is of")
    sides = {(cell.measure, cell.model): cell for cell in cells if not cell.reason}
    for cell in sides.values():
        if not contrasts_of(claim, cell):
            raise ConfigError(
                f"published: {cell.of!r} is of model {cell.model!r} in {cell.measure!r}, wanted one that a test names"
            )
        if cell.same_size and cell.measure not in claim.quantities:
            raise ConfigError(f"published: {cell.of!r}: same_size needs a quantity in the cell's metric, wanted one")
    for about, test in claim.tests.items():
        if not claim.seeds_of_test(test):
            raise ConfigError(f"tests.{about}: is counted, wanted a test of seeds: the ledger has one level for all")
        measure = test.study or test.measure
        pair = [sides.get((measure, side)) for side in (test.a, test.b) if isinstance(side, str)]
        if not any(pair):
            raise ConfigError(f"tests.{about}: no cell is of it, wanted what was printed of one of its sides")
        _check_sign(about, test.expect, pair)


def _check_sign(about: str, expect: str, pair: list[Cell | None]) -> None:
    """Refuses a test that expects another sign than that of two printed numbers."""
    values = [cell.value for cell in pair if cell is not None and not isinstance(cell.value, str)]
    if len(values) < 2 or expect not in ("more", "less"):
        return
    if (values[0] > values[1]) != (expect == "more") or values[0] == values[1]:
        raise ConfigError(f"tests.{about}.expect: got {expect!r}, but {values[0]} and {values[1]} were printed")
