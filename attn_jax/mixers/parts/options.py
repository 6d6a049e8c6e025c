"""Checks of a configuration's options, for `__post_init__`: a wrong one is refused where it is written."""

from typing import Any


def check_choice(name: str, got: Any, wanted: tuple[Any, ...]) -> None:
    """Raises ValueError where an option is none of the choices.

    >>> check_choice("form", "log", ("scan", "log"))
    """
    if got not in wanted:
        raise ValueError(f"{name}: got {got!r}, wanted one of {', '.join(map(repr, wanted))}")


def check_at_least(least: int, **options: int | None) -> None:
    """Raises ValueError where an option is below its least value; None is the default of the option.

    >>> check_at_least(1, kernel_size=4, d_inner=None)
    """
    for name, got in options.items():
        if got is not None and got < least:
            raise ValueError(f"{name}: got {got}, wanted at least {least}")


def check_range(low_name: str, low: float, high_name: str, high: float, *, least: float, most: float) -> None:
    """Raises ValueError unless least <= low < high <= most.

    >>> check_range("r_min", 0.0, "r_max", 1.0, least=0, most=1)
    """
    if not least <= low < high <= most:
        raise ValueError(
            f"{low_name}, {high_name}: got {low}, {high}, wanted {least} <= {low_name} < {high_name} <= {most}"
        )
