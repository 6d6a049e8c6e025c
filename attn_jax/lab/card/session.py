"""A card from a mixer to what its page says: contract, cost, gradients, eight studies in one queue, tests."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from attn_jax.blame import users_code
from attn_jax.config.codec import to_dict
from attn_jax.lab.card.baselines import Baselines, elsewhere, read_baselines, write_baselines
from attn_jax.lab.card.contract import contract_of, sight_of
from attn_jax.lab.card.flow import flow_of
from attn_jax.lab.card.profile import counted, measured
from attn_jax.lab.card.record import CARD_SCHEMA, kept, study_directory
from attn_jax.lab.card.scores import scores_of
from attn_jax.lab.card.standing import RIVALS, distances, held_against, ranks_of
from attn_jax.lab.card.trials import FIRST_SEED, MOST_SEEDS, SEEDS, TRIALS, fingerprints, sized, studies_of
from attn_jax.lab.card.verdict import verdict_of
from attn_jax.lab.loading import study_in
from attn_jax.lab.plan.numerics import pinned, recorded
from attn_jax.lab.plan.sources import hashed_file
from attn_jax.lab.record.directory import locked, write_json
from attn_jax.lab.run.host import instruction_set
from attn_jax.lab.together import trained_together
from attn_jax.lab.track.protocol import MakeTracker
from attn_jax.lab.workers import platform_at
from attn_jax.mixers import MIXERS, MixerConfig
from attn_jax.models import AnyModelConfig
from attn_jax.platforms import Platform, environment

_LOOKS: dict[str, Callable[[MixerConfig], Any]] = {"counts": counted, "flow": flow_of, "measured": measured}
_KEPT = ("fingerprint", "scores", "limits", "every_run", "lengths")  # of a task, in baselines.json


class Subject(NamedTuple):
    """The mixer that a card is of."""

    name: str
    config: MixerConfig
    path: Path | None = None  # the file of the user's that it comes from

    @property
    def made_of(self) -> dict[str, Any]:
        """What its parts follow from."""
        sources = {} if self.path is None else hashed_file(self.path)
        return {"config": to_dict(self.config), "sources": sources}


class Where(NamedTuple):
    """How a card is run."""

    root: Path
    console: Console
    platform: Platform = "auto"
    place: str = "auto"
    track: Sequence[str | MakeTracker] = ()


def make_card(subject: Subject, where: Where) -> dict[str, Any]:
    """Trains and measures what is not there yet, and writes card.json; what it holds.

    A mixer that breaks its contract, or cannot be asked for a next token, is told as such and not trained.

    Raises:
      UserError: as `attn_jax.lab.compare`: interrupted, a locked directory ...; the same call goes on.
    """
    directory, began = where.root / subject.name, time.monotonic()
    platform = platform_at(where.place, where.platform)
    baselines = read_baselines(where.root)  # one that cannot be read is refused now
    directory.mkdir(parents=True, exist_ok=True)
    with locked(directory):
        with pinned():
            card = _looked_at(subject, where)
        timing = {"measured": card.pop("measured")}
        if card["nature"] in ("mixes", "copies its input", "mixes no places") and _whole(card["contract"]):
            with pinned(), users_code():
                mixer = replace(subject.config, d_model=None)  # an instance may have one: the size is the card's to say
                model, note = sized(subject.name, mixer, ordered=card["ordered"])
            card["model"] = {"config": to_dict(model), "note": note}
            card["tasks"], timing["training_seconds"] = _trained(
                subject.name, model, directory, (SEEDS, FIRST_SEED), where, platform
            )
        card |= _stands(subject, card, baselines)
        card["verdict"] = verdict_of(card)
        timing |= {"seconds": round(time.monotonic() - began, 1), "date": time.strftime("%Y-%m-%d")}
        timing["environment"] = {key: value for key, value in environment().items() if key != "argv"}
        write_json(directory / "card.json", card | {"timing": timing})
        return card | {"timing": timing}


def make_baseline(name: str, where: Where) -> Path:
    """Trains a registered mixer's eight studies, attention, LSTM and GRU with 16 seeds, others with 4; the file of all.

    Raises:
      UserError: as `make_card`.
    """
    directory, platform = where.root / "baselines" / name, platform_at(where.place, where.platform)
    seeds = MOST_SEEDS if name in RIVALS else SEEDS
    directory.mkdir(parents=True, exist_ok=True)
    with locked(directory):
        with pinned():
            model, _ = sized(name, MIXERS[name], ordered=sight_of(MIXERS[name]).ordered)
        tasks, seconds = _trained(name, model, directory, (seeds, 0), where, platform)
        facts = environment()
        entry = {"seeds": seeds, "tasks": {task: {key: one[key] for key in _KEPT} for task, one in tasks.items()}}
        entry |= {"seconds": seconds, "date": time.strftime("%Y-%m-%d"), "machine": facts["machine"]} | _here()
        path = where.root / "baselines.json"
        write_baselines(path, {name: entry})
        return path


def _looked_at(subject: Subject, where: Where) -> dict[str, Any]:
    """Contract, nature, cost and gradients: all that needs no training."""
    where.console.print(f"{subject.name}: contract", markup=False, highlight=False)
    parts, of = where.root / subject.name / "parts", subject.made_of
    # what breaks one may be mended elsewhere, such as a package that was missing: then it is looked at again
    contract = kept(parts, "contract", of, lambda: contract_of(subject.config, subject.path), _whole)
    whole = _whole(contract)
    look = _certain if whole else _if_it_runs
    sight = look(lambda: kept(parts, "sight", of, lambda: sight_of(subject.config)._asdict()))
    where.console.print(f"{subject.name}: cost and gradients at the start", markup=False, highlight=False)
    mine = {key: look(partial(kept, parts, key, of, partial(make, subject.config))) for key, make in _LOOKS.items()}
    beside = {key: _beside(where.root / "beside", key) for key in _LOOKS}
    return {
        "schema": CARD_SCHEMA,
        "name": subject.name,
        "config": of["config"],
        "sources": of["sources"],
        "contract": contract,
        "nature": None if sight is None else sight["nature"],
        "ordered": None if sight is None else sight["ordered"],
        "counts": mine["counts"],
        "flow": mine["flow"],
        "beside": {key: beside[key] for key in ("counts", "flow")},
        "measured": beside["measured"] | {subject.name: mine["measured"]},
        "tasks": {},
    }


def _beside(directory: Path, key: str) -> dict[str, Any]:
    """The same of attention, LSTM and GRU, by the one machine that they are shown for."""
    rivals = {rival: MIXERS[rival] for rival in RIVALS}
    return {
        name: kept(directory, f"{name}-{key}", to_dict(rival), partial(_LOOKS[key], rival))
        for name, rival in rivals.items()
    }


def _stands(subject: Subject, card: Mapping[str, Any], baselines: Baselines) -> dict[str, Any]:
    """Where its scores stand among those that may be compared."""
    tasks, here = card["tasks"], _here()
    own = subject.name if subject.path is None else None  # a card of a registered mixer is not held against itself
    others = {name: entry for name, entry in baselines.mixers.items() if name != own}
    used = {name: entry for name, entry in others.items() if entry["tasks"]}
    notes = [*baselines.notes, *(elsewhere(used, here) if tasks else [])]
    tests, wanted = held_against(tasks, others), len(TRIALS) * len({*RIVALS} - {own})
    if tasks and tests and len(tests) < wanted:
        notes.append(f"{len(tests)} of {wanted} tests: the other baselines are not there")
    return {
        "tests": tests,
        "ranks": ranks_of(tasks, others),
        "nearest": distances(tasks, others),
        "baselines": {name: _told(entry) for name, entry in used.items()},
        "notes": notes,
        "versions": here,
    }


def _trained(
    name: str, model: AnyModelConfig, directory: Path, seeds: Sequence[int], where: Where, platform: str
) -> tuple[dict[str, Any], float]:
    """The scores of the eight studies, by task, and the seconds that they took; what is not trained yet is."""
    studies = studies_of(name, model, seeds=seeds[0], first_seed=seeds[1])
    at = {task: (study, study_directory(directory, task)) for task, study in studies.items()}
    told, terms = {}, fingerprints()
    options = {"platform": platform, "place": where.place, "track": where.track, "console": where.console}
    with trained_together(at, directory, **options):
        seconds = 0.0
        for task, (study, folder) in at.items():
            results = study_in(folder, study)
            told[task] = {
                "asks": TRIALS[task].asks,
                "fingerprint": terms[task],
                "steps": TRIALS[task].steps,
                "train_lengths": list(results.train_lengths),
                "length_unit": results.length_unit,
                **scores_of(results),
            }
            seconds += sum(one.seconds + one.compile_seconds for one in results.models.values())
    return told, round(seconds, 1)


def _told(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What a card says of a baseline."""
    means = {task: round(sum(one["scores"]) / len(one["scores"]), 6) for task, one in entry["tasks"].items()}
    return {"seeds": entry["seeds"], "means": means} | {key: entry[key] for key in ("date", "jaxlib", "device")}


def _here() -> dict[str, Any]:
    """On what scores were made."""
    versions = recorded()["versions"]
    return {key: versions[key] for key in ("attn_jax", "numbers", "jaxlib")} | {"device": instruction_set()}


def _whole(contract: Sequence[Mapping[str, Any]]) -> bool:
    return all(row["holds"] for row in contract)


def _certain(look: Callable[[], Any]) -> Any:
    with users_code():
        return look()


def _if_it_runs(look: Callable[[], Any]) -> Any:
    """Of a mixer that breaks its contract: None where it does not even run."""
    try:
        return look()
    except (Exception, SystemExit):  # whatever the user's code does: the contract has said it
        return None
