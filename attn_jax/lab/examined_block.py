"""One block of a study as its files are: what of it is damaged, and where the study's command would go on with it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from attn_jax.errors import ConfigError
from attn_jax.lab.outcome.collect import block_rows
from attn_jax.lab.outcome.probed import name_of
from attn_jax.lab.record.directory import TRAIN_ANEW, block_directory, holder_of
from attn_jax.lab.record.holding import heard_of_elsewhere
from attn_jax.lab.record.runs import is_tested
from attn_jax.lab.run.host import instruction_set
from attn_jax.lab.run.saved import Saved, saved_in
from attn_jax.names import counted

Rows = list[dict[str, Any]]


class Finding(NamedTuple):
    """Something to know of a file; `damaged` where it is not what was written, else it is no harm."""

    place: str
    what: str
    damaged: bool = True


class ExaminedBlock(NamedTuple):
    """A block: what was found, what the command would do with it, and why it would not."""

    findings: list[Finding]
    does: Literal["nothing", "trains", "goes on", "measures"]
    step: int = 0  # from which it goes on
    refused: str | None = None


def examined_block(directory: Path, facts: dict[str, Any], name: str, k: int) -> ExaminedBlock:
    """Reads all of a block, and changes nothing.

    Args:
      directory: of the study.
      facts: what its study.json holds.
      name: of the model.
      k: which of its blocks.

    Raises:
      OSError: a file cannot be read.
    """
    folder = block_directory(directory, name, k)
    place = str(folder.relative_to(directory))
    saved = saved_in(folder)
    findings = [*_held(folder, place), *_of_checkpoints(saved, place)]
    try:
        rows = block_rows(directory, facts, name, k)
    except ConfigError as error:
        return ExaminedBlock([*findings, Finding(place, str(error))], "nothing", refused=str(error))
    findings += _of_machines(rows, place)
    if torn := _torn(folder / "metrics.jsonl"):
        findings.append(Finding(place, f"metrics.jsonl has {counted(torn, 'torn line')}, which nobody reads", False))
    if is_tested(rows, facts["config"]["train"]["steps"], facts["task"]["lengths"]):
        return _trained(folder, place, facts, rows, saved, findings)
    return _begun(folder, place, facts, rows, saved, findings)


def _trained(
    folder: Path, place: str, facts: dict[str, Any], rows: Rows, saved: Saved, findings: list[Finding]
) -> ExaminedBlock:
    """One that has its test scores: it may lack probes, and those of its end need its last checkpoint."""
    steps = facts["config"]["train"]["steps"]
    if steps not in (*saved.whole, *saved.damaged):
        said = f"its checkpoint of step {steps} is gone: its models cannot be loaded, and more steps train it anew"
        findings.append(Finding(place, said, False))
    lacking = {when for when, step in (("start", 0), ("end", steps)) if _lacks(facts, rows, when, step)}
    if "end" in lacking and steps not in saved.whole:
        said = f"{folder}: the checkpoint of step {steps} is gone; {TRAIN_ANEW.format(folder)}"
        return ExaminedBlock(findings, "measures", steps, said)
    return ExaminedBlock(findings, "measures" if lacking else "nothing", steps)


def _begun(
    folder: Path, place: str, facts: dict[str, Any], rows: Rows, saved: Saved, findings: list[Finding]
) -> ExaminedBlock:
    """One that is not tested, be it that it has no file yet."""
    if saved.damaged and not saved.whole:
        said = f"{folder}: no checkpoint can be read, their files were changed; {TRAIN_ANEW.format(folder)}"
        return ExaminedBlock(findings, "goes on", refused=said)
    findings = [*findings, *_on_another(facts, rows, place)]
    start, every = max(saved.whole, default=0), facts["config"]["evaluate"]["every"]
    seen = {row["step"] for row in rows if "step" in row}
    if start == 0 and seen:
        if max(seen) > every:  # a first one may have been under way
            findings.append(Finding(place, "its checkpoints are gone: it is trained anew from its first step"))
        return ExaminedBlock(findings, "trains")
    if missing := {*range(every, start + 1, every)} - seen:
        path = folder / "metrics.jsonl"
        said = f"{path}: is damaged: step {min(missing)} is missing; {TRAIN_ANEW.format(folder)}"
        return ExaminedBlock([*findings, Finding(place, said)], "goes on", start, said)
    return ExaminedBlock(findings, "goes on" if start else "trains", start)


def _held(folder: Path, place: str) -> Iterator[Finding]:
    """A worker lives for a chunk longer than its command."""
    if holder := holder_of(folder):
        yield Finding(place, f"is held by {holder}, a worker", damaged=False)
    elif heard := heard_of_elsewhere(folder):
        holder, seconds, alive = heard
        said = (
            f"{'is' if alive else 'was'} held by {holder}, a worker on another machine, heard of {seconds:,.0f} s ago"
        )
        yield Finding(place, said if alive else f"{said}: it counts as dead, and the next one takes over", False)


def _of_machines(rows: Rows, place: str) -> Iterator[Finding]:
    """Where it was gone on with on another instruction set, or with another jaxlib, as far as its rows say."""
    for key in ("device", "jaxlib"):
        if len(on := [*dict.fromkeys(str(row[key]) for row in rows if key in row)]) > 1:
            yield Finding(place, f"was trained on one {key} after another, bits may differ: {', '.join(on)}", False)


def _on_another(facts: dict[str, Any], rows: Rows, place: str) -> Iterator[Finding]:
    """Where it would go on here on another instruction set than it was trained on last; another jaxlib is refused."""
    on = [row["device"] for row in rows if "device" in row][-1:]
    if facts["platform"] == "cpu" and on and on != [instruction_set()]:
        yield Finding(place, f"was trained on {on[0]}, here is {instruction_set()}: bits may differ", False)


def _of_checkpoints(saved: Saved, place: str) -> Iterator[Finding]:
    for step in saved.damaged:
        yield Finding(place, f"checkpoint {step} is damaged: its digest is another's")
    for path in saved.aside:
        yield Finding(place, f"{path.name} was damaged and set aside", damaged=False)
    for path in saved.half:
        yield Finding(place, f"{path.name} was cut off while it was written; nobody reads it", damaged=False)


def _torn(path: Path) -> int:
    """How many lines are none: of those that end as a table does, `block_rows` has taken each or refused it."""
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    return sum(bool(line.strip()) and not (line[:1] == b"{" and line[-1:] == b"}") for line in lines)


def _lacks(facts: dict[str, Any], rows: Rows, when: str, step: int) -> bool:
    """Whether a probe that is due at the start or the end has no row of it."""
    found = {row["probe"]: row["config"] for row in rows if "probe" in row and row["at"] == step}
    ways = {when} | ({"chunk"} if when == "end" else set())
    due = [config for config in facts["config"]["probes"] if ways & {*config.get("when", ())}]
    return any(found.get(name_of(config)) != config for config in due)
