"""A study that is taken up again: as it was, or with more of what may grow; anything else is refused.

What may grow: seeds, learning rates and how far they may be widened, models, starts, lengths of the length curve and,
where the schedule is constant, steps. What is there stays, bit for bit: new runs lie in blocks of their own, as wide as
the others.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from attn_jax.config.differences import differences
from attn_jax.config.study import reference_of
from attn_jax.errors import ConfigError, MachineError
from attn_jax.lab.plan.programs import init_program, loss_program
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.directory import block_directory, read_rows
from attn_jax.lab.record.runs import is_tested, missing_blocks, whole_grid
from attn_jax.lab.run.probing import refuse_late
from attn_jax.lab.run.renewal import has_begun
from attn_jax.names import counted

_LAYOUT = ("width", "workers", "platform", "num_devices", "group")


def taken_up(
    directory: Path, plan: StudyPlan, begun: dict[str, Any], wanted: dict[str, Any], anew: Collection[str]
) -> dict[str, Any]:
    """What study.json is to hold from now on.

    Args:
      directory: of the study.
      plan: the study as it is wanted now.
      begun: what study.json holds.
      wanted: what it would hold, were the study begun now.
      anew: models that are trained anew.

    Raises:
      ConfigError: another config, with a difference that is no growth.
      MachineError: another kind of machine.
    """
    grows = begun["fingerprint"] != wanted["fingerprint"]
    if grows:
        _refuse_other_config(directory, begun, wanted)
    _refuse_other_models(directory, begun, wanted, anew)
    _refuse_other_machine(directory, begun, wanted)
    trained = any(has_begun(directory, begun, name) for name in begun["models"] if name not in anew)
    refuse_late(directory, begun["config"]["probes"], plan.study, begun=trained)
    if grows:
        _refuse_longer_models(directory, plan, begun)
    layout = {key: begun[key] for key in _LAYOUT}
    wanted = wanted | {"widened": _widened(begun, wanted)}
    runs = {name: _grown_runs(begun, wanted, name) for name in wanted["models"]}
    looks = begun["looks"]
    if grows or anew:
        looks = [*looks[: len(looks) - (not _was_decided(directory, begun))], wanted["config"]["train"]["seeds"]]
    return wanted | layout | {"runs": runs, "looks": looks}


def growth(begun: dict[str, Any], now: dict[str, Any]) -> str | None:
    """What a study grows by, in words; None where by nothing.

    Args:
      begun: what study.json held.
      now: what it is to hold.
    """
    parts = [*_growth(begun, now)]
    return f"grows by {'; '.join(parts)}; what is there is kept" if parts else None


def _growth(begun: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    old, new = begun["config"]["train"], now["config"]["train"]
    if seeds := new["seeds"] - old["seeds"]:
        yield f"{counted(seeds, 'seed')}, {old['seeds']} -> {new['seeds']}"
    if steps := new["steps"] - old["steps"]:
        yield f"{counted(steps, 'step')}, {old['steps']} -> {new['steps']}"
    for what, before, after in (
        ("learning rate", old["learning_rates"], new["learning_rates"]),
        ("model", begun["models"], now["models"]),
        ("start", begun["config"]["starts"], now["config"]["starts"]),
        ("length", begun["task"]["lengths"], now["task"]["lengths"]),
    ):
        if added := [item for item in after if item not in before]:
            yield f"{what}{'s' * (len(added) > 1)} {', '.join(map(str, added))}"
    if new["widen"] > old["widen"]:
        yield f"what the grid is widened by, {old['widen']} -> {new['widen']} rates"


def _refuse_other_config(directory: Path, begun: dict[str, Any], wanted: dict[str, Any]) -> None:
    if _taken_back(begun, wanted) != begun["config"]:
        changes = list(differences(begun["config"], wanted["config"]))
        shown = "; ".join(changes[:5]) + ("; ..." if len(changes) > 5 else "")
        raise ConfigError(
            f"{directory}: belongs to another config of study {begun['config']['name']!r} ({shown}). "
            "Give another --workdir, or delete the directory."
        )


def _taken_back(begun: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """The wanted config, what has grown as it was; what is less than it was stays, and so differs."""
    old, new = begun["config"], wanted["config"]
    train, models, evaluate = dict(new["train"]), dict(new["models"]), dict(new["evaluate"])
    if train["seeds"] > old["train"]["seeds"]:
        train["seeds"] = old["train"]["seeds"]
    if train["widen"] > old["train"]["widen"]:
        train["widen"] = old["train"]["widen"]
    if train["steps"] > old["train"]["steps"] and train["schedule"] == "constant":
        train["steps"] = old["train"]["steps"]
    if {*train["learning_rates"]} >= {*old["train"]["learning_rates"]}:
        train["learning_rates"] = old["train"]["learning_rates"]
    if {*wanted["task"]["lengths"]} > {*begun["task"]["lengths"]}:
        evaluate["lengths"] = old["evaluate"]["lengths"]
    references = [reference_of(config["reference"], config["models"]) for config in (old, new)]
    if models.keys() >= old["models"].keys() and references[0] == references[1]:
        models = {name: models[name] for name in old["models"]}
    starts = {name: new["starts"].get(name) for name in old["starts"]} or new["starts"]
    kept = {"train": train, "models": models, "evaluate": evaluate, "starts": starts}
    return new | kept | {"probes": old["probes"], "published": old.get("published", [])}


def _refuse_other_models(directory: Path, begun: dict[str, Any], wanted: dict[str, Any], anew: Collection[str]) -> None:
    """Refuses where a model that has begun would go on, or be compared, as another."""
    if begun["task"]["source"] != wanted["task"]["source"]:
        raise ConfigError(
            f"{directory}: its task's data were another's ({begun['task']['source']}); give another --workdir"
        )
    for name in begun["models"]:
        if name not in anew and has_begun(directory, begun, name):
            changes = list(differences(begun["models"][name]["config"], wanted["models"][name]["config"]))
            if changes:  # the reference that it was matched to has another size
                raise ConfigError(f"{directory}: models.{name} was trained at another size ({changes[0]})")


def _was_decided(directory: Path, begun: dict[str, Any]) -> bool:
    """Whether a study was finished: what it came to may be why it grows."""
    end = begun["config"]["train"]["steps"], begun["task"]["lengths"]
    folders = (block_directory(directory, name, k) for name, runs in begun["runs"].items() for k in range(len(runs)))
    return all(is_tested(read_rows(folder / "metrics.jsonl"), *end) for folder in folders)


def _refuse_other_machine(directory: Path, begun: dict[str, Any], wanted: dict[str, Any]) -> None:
    here, there = ((facts["platform"], facts["num_devices"]) for facts in (wanted, begun))
    if here != there:
        option = "cuda" if there[0] == "gpu" else there[0]  # what --platform calls it
        raise MachineError(
            f"{directory}: was begun on {counted(there[1], f'{there[0]} device')} and cannot go on with "
            f"{here[1]} {here[0]}; give --platform={option} or another --workdir"
        )


def _refuse_longer_models(directory: Path, plan: StudyPlan, begun: dict[str, Any]) -> None:
    """Refuses a longer length where a model is made for the longest: of learned positions it has that many."""
    lengths = tuple(begun["task"]["lengths"])
    before = StudyPlan(replace(plan.study, evaluate=replace(plan.study.evaluate, lengths=lengths)))
    if plan.longest == before.longest:
        return
    for name in begun["models"]:
        for program in (init_program, loss_program):
            if program(before, name) != program(plan, name):
                raise ConfigError(
                    f"{directory}: evaluate.lengths: got {plan.longest}, wanted at most {before.longest}: models.{name}"
                    " was made for that many, and trains otherwise with more; or give another --workdir"
                )


def _grown_runs(begun: dict[str, Any], wanted: dict[str, Any], name: str) -> list[Any]:
    """A model's blocks: those that are there, and new ones of what is not."""
    return [*begun["runs"].get(name, []), *missing_blocks(begun, name, whole_grid(wanted))]


def _widened(begun: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """The rates that were added stay; others are looked for again only where more of them may be added."""
    more = wanted["config"]["train"]["widen"] > begun["config"]["train"]["widen"]
    return begun["widened"] | ({"settled": False} if more else {})
