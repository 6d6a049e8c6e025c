"""Many studies told together: how each model does over all that it is in, and where one name means two models."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from attn_jax.config.differences import differences
from attn_jax.lab.outcome.words import few, listing

MOVER = "MOVER"  # Zou and Donner's method of variance estimates recovery
_MANY = 3  # differences that are told


@dataclass(frozen=True)
class Told:
    """A finished study, as the page of many tells it.

    Args:
      label: its folder, from the page's.
      link: to its own page, from the page's folder.
      facts: what its study.json holds.
      summary: what its summary.json holds.
    """

    label: str
    link: str
    facts: Mapping[str, Any]
    summary: Mapping[str, Any]


@dataclass(frozen=True)
class Standing:
    """A model over the studies that it is in.

    Args:
      model: its name.
      final: the mean of its final scores, with their joint interval, as in summary.json.
      studies: how many it is in.
      best: in how many of them no other model's final score is higher, of those with several models.
    """

    model: str
    final: dict[str, Any]
    studies: int
    best: int


def leaderboard(studies: Sequence[Told]) -> list[Standing]:
    """The models of all studies: those in most of them first, and of these the highest mean score.

    A mean over other tasks is another mean: so models that are in fewer studies come after those in more.

    Args:
      studies: at least one.
    """
    scores: dict[str, list[Mapping[str, Any]]] = {}
    best: dict[str, int] = {}
    for study in studies:
        models = study.summary["models"]
        highest = max(model["final"]["value"] for model in models.values())
        for name, model in models.items():
            scores.setdefault(name, []).append(model["final"])
            best[name] = best.get(name, 0) + (len(models) > 1 and model["final"]["value"] == highest)
    board = [Standing(name, mean_score(found), len(found), best[name]) for name, found in scores.items()]
    return sorted(board, key=lambda standing: (-standing.studies, -standing.final["value"], standing.model))


def mean_score(estimates: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The mean of estimates that know nothing of each other, with the interval that theirs come to.

    With values v_i and bounds l_i and u_i of k estimates it is v -+ sqrt(sum (v_i - l_i)^2) / k and the same of u_i:
    for normal estimates exact, whatever their spreads. Of one it is its own.

    Args:
      estimates: values with their intervals, as in summary.json; a bound that is None makes that of the mean None.

    Reference: Zou and Donner (2008), Statistics in Medicine 27(10), 1693-1702.

    >>> mean_score([{"value": 0.5, "low": 0.2, "high": 0.9}, {"value": 0.75, "low": 0.35, "high": 1.05}])
    {'value': 0.625, 'low': 0.375, 'high': 0.875, 'method': 'MOVER'}
    """
    if len(estimates) == 1:
        return dict(estimates[0])
    k = len(estimates)
    value = sum(estimate["value"] for estimate in estimates) / k
    found: dict[str, Any] = {"value": value}
    for side, sign in (("low", -1), ("high", 1)):
        if any(estimate[side] is None for estimate in estimates):
            found[side] = None
        else:
            found[side] = value + sign * math.hypot(*(estimate[side] - estimate["value"] for estimate in estimates)) / k
    return found | {"method": MOVER}


def other_models(studies: Sequence[Told]) -> dict[str, str]:
    """Models of one name that are not the same in all studies, each with what differs.

    Args:
      studies: as they stand on the page; each is held against the first that has the model.
    """
    found = {}
    for name in dict.fromkeys(name for study in studies for name in study.facts["models"]):
        having = [study for study in studies if name in study.facts["models"]]
        if apart := list(_apart(having, name)):
            found[name] = "; ".join(apart)
    return found


def _apart(having: Sequence[Told], name: str) -> Iterator[str]:
    """What of a model differs from the first study's, in which studies; studies that differ alike together."""
    first, alike = having[0], {}
    for study in having[1:]:
        changes = list(differences(*(one.facts["models"][name]["config"] for one in (first, study))))
        if changes or study.facts["sources"][name] != first.facts["sources"][name]:
            shown = changes[:_MANY] + (["..."] if len(changes) > _MANY else [])
            alike.setdefault(listing(shown) if shown else "its source", []).append(study.label)
    for what, labels in alike.items():
        yield f"{what} in {few(labels)}"
