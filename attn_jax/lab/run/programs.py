"""The compiled programs of a worker's last blocks: blocks of equal programs trace, lower and load them once."""

import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from attn_jax.lab.plan.alike import alike
from attn_jax.lab.plan.numerics import recorded
from attn_jax.lab.record.runs import Run
from attn_jax.training.loop import Programs
from attn_jax.training.state import RunState

_MOST = 24  # of a model each; a few MB


class Kept(NamedTuple):
    """What a block runs."""

    begin: Callable[[list[Run]], RunState]  # its runs, as many as it is wide -> them before their first step
    programs: Programs
    probes: dict[str, Callable[..., Any]]  # those compiled so far, by name; a block adds what it is the first to need


_kept: OrderedDict[str, Kept] = OrderedDict()


def program_key(study: str, model: str, sources: str, layout: tuple[int, ...]) -> str:
    """All that decides a block's programs; studies that differ in seeds and rates share them."""
    return json.dumps([alike(study), model, sources, layout, recorded()])


def kept(key: str) -> Kept | None:
    """What was compiled before, if it is kept."""
    if key in _kept:
        _kept.move_to_end(key)
    return _kept.get(key)


def keep(key: str, made: Kept) -> None:
    """Keeps it for the next such block; what was not used for longest is let go of."""
    _kept[key] = made._replace(programs=replace(made.programs, compile_seconds=0.0))
    if len(_kept) > _MOST:
        _kept.popitem(last=False)
