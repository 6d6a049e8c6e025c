"""What of a study's or a sweep's folder is whole, what is damaged, what its command would do: read alone, not changed.

What a command would say of a damaged file is said in the same words, since the same functions read it.
"""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attn_jax.errors import ConfigError, MachineError
from attn_jax.files import read_json
from attn_jax.lab.examined_block import ExaminedBlock, Finding, examined_block
from attn_jax.lab.outcome.words import few
from attn_jax.lab.plan.numerics import recorded
from attn_jax.lab.record.directory import holder_of, in_use
from attn_jax.lab.record.schema import read_study
from attn_jax.lab.record.sweep_record import is_sweep, point_directory, read_sweep
from attn_jax.lab.run.confirmed import confirmed_models
from attn_jax.lab.run.environment import GONE, refuse_other_numbers
from attn_jax.names import counted

_BEFORE = {"lock", "sources", "study.json.part", "sweep.json.part"}  # what is there before a study is one


@dataclass(frozen=True)
class Examination:
    """What a folder is found to be.

    Args:
      what: "study quickstart", "sweep recall".
      blocks: how many it has, and how many of them are trained to the end.
      findings: what there is to know of single files.
      refused: why its command would end before all is done; of several the first is what it would say.
      then: what it would do, else.
    """

    what: str
    blocks: int
    trained: int
    findings: tuple[Finding, ...]
    refused: tuple[str, ...]
    then: tuple[str, ...]

    @property
    def damaged(self) -> int:
        """How many findings are damage."""
        return sum(finding.damaged for finding in self.findings)


def examine(directory: Path) -> Examination:
    """Examines a folder; the same command is the one that made it, by the config in its study.json or sweep.json.

    Args:
      directory: of a study, a sweep, or one of a sweep's points.

    Raises:
      ConfigError: neither is there; says what a command would do.
      OSError: a file cannot be read.
    """
    if is_sweep(directory):
        return _examine_sweep(directory)
    if (directory / "study.json").exists():
        return _examine_study(directory)
    raise ConfigError(f"{directory}: holds no study (no study.json); {_without_study(directory)}")


def _without_study(directory: Path) -> str:
    """What attn-jax compare does with a folder without one."""
    if not directory.exists():
        return "there is no such folder, and attn-jax compare makes it"
    if not directory.is_dir():
        return "it is a file, and attn-jax compare refuses it"
    names = {path.name for path in directory.iterdir()}
    if not names or (names <= _BEFORE and names != {"sources"}):
        return f"it is {'cut off before it was one' if names else 'empty'}, and attn-jax compare begins one"
    return f"it holds {min(names - _BEFORE or names)}, and attn-jax compare refuses it"


def _examine_sweep(directory: Path) -> Examination:
    findings, refused = [*_stop_file(directory)], [*_held(directory)]
    try:
        facts = read_sweep(directory)
    except ConfigError as error:
        return Examination("sweep", 0, 0, (*findings, Finding("", str(error))), (str(error), *refused), ())
    then, blocks, trained = [], 0, 0
    for point in facts["points"]:
        at = point_directory(directory, point)
        if not (at / "study.json").exists():
            then.append(f"{point}: begins it")
            continue
        one = _examine_study(at)
        findings += [finding._replace(place=f"points/{point}/{finding.place}") for finding in one.findings]
        refused += [f"{point}: {said}" for said in one.refused]
        then += [f"{point}: {said}" for said in one.then if one.trained < one.blocks]
        blocks, trained = blocks + one.blocks, trained + one.trained
    then.append("writes summary.json and report.html")
    name = f"sweep {facts['study']['name']}, {counted(len(facts['points']), 'study', 'studies')}"
    return Examination(name, blocks, trained, tuple(findings), tuple(refused), tuple(then))


def _examine_study(directory: Path) -> Examination:
    findings, refused = [*_stop_file(directory)], [*_held(directory)]
    try:
        facts = read_study(directory)
    except ConfigError as error:
        return Examination("study", 0, 0, (*findings, Finding("", str(error))), (str(error), *refused), ())
    blocks = {
        f"{name}-{k}": examined_block(directory, facts, name, k)
        for name, runs in facts["runs"].items()
        for k in range(len(runs))
    }
    trained = sum(block.does in ("nothing", "measures") and block.refused is None for block in blocks.values())
    left = any(block.does != "nothing" for block in blocks.values())
    begun = any((directory / "blocks").glob("*/metrics.jsonl"))
    for said, damage, stops in _of_the_study(directory, facts, begun=begun, left=left):
        findings.append(Finding("", said, damage))
        refused += [said] if stops else []
    findings += [finding for block in blocks.values() for finding in block.findings]
    refused += [block.refused for block in blocks.values() if block.refused is not None]
    name = f"study {facts['config']['name']}"
    return Examination(name, len(blocks), trained, tuple(findings), tuple(refused), tuple(_then(facts, blocks)))


def _then(facts: dict[str, Any], blocks: dict[str, ExaminedBlock]) -> Iterator[str]:
    """What the command would do with the blocks, then with the study."""
    doing = {does: [name for name in blocks if blocks[name].does == does] for does in ("trains", "measures")}
    at: dict[int, list[str]] = {}
    for name, block in blocks.items():
        if block.does == "goes on":
            at.setdefault(block.step, []).append(name)
    if not any((*doing.values(), at)):
        yield "has nothing to train"
    for step in sorted(at, reverse=True):
        yield f"goes on with {few(at[step])} from step {step}"
    if doing["trains"]:
        yield f"trains {few(doing['trains'])} from the first step"
    if doing["measures"]:
        yield f"measures the probes that {few(doing['measures'])} lack"
    if any(facts["sources"].values()):
        yield "trains anew what is of a class of your own whose source changed since"
    if not facts["widened"]["settled"]:
        yield "widens the grid of learning rates where a best one lies on its edge"
    yield "writes summary.json and report.html"


def _of_the_study(
    directory: Path, facts: dict[str, Any], *, begun: bool, left: bool
) -> Iterator[tuple[str, bool, bool]]:
    """(what is to be said of the study's own files, whether it is damage, whether the command stops at it)."""
    try:
        confirmed_models(directory)
    except ConfigError as error:
        yield str(error), True, True
    yield from _of_the_machine(directory, begun=begun, left=left)
    for file in sorted({file for files in facts["sources"].values() for file in files}):
        if not (directory / "sources" / file).is_file():
            yield f"sources/{file} is gone: a model whose source changes cannot be set aside", True, False
    known = {f"{name}-{k}" for name, runs in facts["runs"].items() for k in range(len(runs))}
    strange = sorted({path.name for path in (directory / "blocks").glob("*")} - known)
    if strange:
        yield f"blocks/ holds {few(strange)}, none of the study's; nobody reads that", False, False
    try:
        if (directory / "summary.json").exists():
            read_json(directory / "summary.json")
    except ConfigError as error:
        yield f"{error}; it is written anew", True, False


def _of_the_machine(directory: Path, *, begun: bool, left: bool) -> Iterator[tuple[str, bool, bool]]:
    """The same of environment.json: whether the same config gives the same numbers here."""
    path = directory / "environment.json"
    if not path.exists():
        if begun:
            yield f"{path}: {GONE}", True, True
        return
    try:
        refuse_other_numbers(directory, recorded())
        where = str(read_json(path).get("machine", ""))
    except ConfigError as error:
        yield str(error), True, True
        return
    except MachineError as error:
        yield str(error) if left else f"{error} to train more", False, left
        return
    here = f"{platform.system()} {platform.machine()},"
    if where and not where.startswith(here):
        yield f"was begun on another kind of machine ({where}): bits may differ from here on", False, False


def _held(directory: Path) -> Iterator[str]:
    if holder := holder_of(directory):
        yield in_use(directory, holder)


def _stop_file(directory: Path) -> Iterator[Finding]:
    """Where nobody holds the folder it is left over."""
    if (directory / "stop").exists() and holder_of(directory) is None:
        yield Finding("", "stop is left of a command that ended; the next one removes it", damaged=False)
