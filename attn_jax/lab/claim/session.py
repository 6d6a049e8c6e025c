"""A claim from its file to its verdict: declared, its studies trained as `attn-jax compare` does it, then judged."""

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from attn_jax.blame import users_code
from attn_jax.config import Claim, Measurement, Study, Sweep
from attn_jax.config.claim_file import load_claim
from attn_jax.config.claim_runs import ClaimRun, claim_run
from attn_jax.config.codec import checked
from attn_jax.errors import ConfigError
from attn_jax.files import read_json
from attn_jax.lab.claim.floors import refuse_wrong_floors
from attn_jax.lab.claim.record import claim_directory, declaration, declare, study_directory
from attn_jax.lab.loading import results_in
from attn_jax.lab.outcome.claim_cautions import cautions_of
from attn_jax.lab.outcome.claim_verdict import Verdict, verdict_of
from attn_jax.lab.outcome.claims import judge_claim, refuse_undecidable, try_rule
from attn_jax.lab.plan.numerics import pinned, planned, recorded
from attn_jax.lab.record.directory import locked, write_json
from attn_jax.lab.together import trained_together
from attn_jax.lab.track.protocol import MakeTracker
from attn_jax.lab.workers import platform_at
from attn_jax.platforms import Platform, environment

_TRAINING = "training"  # what the studies took, in the clock of all


class PreparedClaim(NamedTuple):
    """A run of a claim that may begin."""

    name: str
    run: ClaimRun
    claim: Claim
    path: Path
    root: Path

    @property
    def directory(self) -> Path:
        """Where it lives."""
        return claim_directory(self.root, self.name, self.run)


def prepare(path: Path, root: Path, run: ClaimRun) -> PreparedClaim:
    """Loads a claim and declares it: it stands in its folder before anything of it runs.

    Args:
      path: its file.
      root: the folder of all claims.
      run: which of the three.

    Raises:
      ConfigError: what is wrong with it, seeds that cannot decide its tests (unless quick), or another claim's folder.
    """
    claim = load_claim(path)
    try:
        claim = claim_run(claim, run)
        if run != "quick":
            refuse_undecidable(claim)
        with users_code():
            try_rule(claim)
        _check_plans(claim)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    prepared = PreparedClaim(path.stem, run, claim, path, root)
    with pinned():
        declare(prepared.directory, declaration(claim, path))
    return prepared


def run_claim(
    prepared: PreparedClaim,
    *,
    platform: Platform,
    place: str = "auto",
    track: Sequence[str | MakeTracker] = (),
    console: Console,
) -> Verdict:
    """Trains and measures what is not there yet, judges the claim and writes its verdict.

    Args:
      prepared: the claim.
      platform, place, track: of its studies, as `attn_jax.lab.compare` takes them; what is measured is measured here.
      console: shows how far it is.

    Raises:
      UserError: as `attn_jax.lab.compare`: interrupted, a locked directory ...; the same call goes on.
    """
    claim, directory = prepared.claim, prepared.directory
    with locked(directory):
        found = _trained(prepared, platform_at(place, platform), place, track, console)
        for key, measurement in claim.measurements.items():
            found[key] = _measured(directory, key, measurement, console)
        with users_code():
            judgement = judge_claim(claim, found)
            panels = [] if claim.panels is None else claim.panels(found)
        timing = {
            "seconds": {key: one["seconds"] for key, one in _timing(directory).items()},
            "date": time.strftime("%Y-%m-%d"),
            "environment": {key: value for key, value in environment().items() if key != "argv"},
        }
        cautions = cautions_of(found)
        verdict = verdict_of(
            prepared.name, prepared.run, claim, judgement, panels=panels, cautions=cautions, timing=timing
        )
        write_json(directory / "verdict.json", verdict)
        return verdict


def found_of(prepared: PreparedClaim) -> dict[str, Any]:
    """What was found of a claim that has run, by its keys: read, and not trained or measured anew."""
    rows = {key: read_json(_rows_path(prepared.directory, key))["rows"] for key in prepared.claim.measurements}
    return _results(prepared) | rows


def _results(prepared: PreparedClaim) -> dict[str, Any]:
    """Of the studies, which are trained."""
    studies = prepared.claim.studies
    return {key: results_in(study_directory(prepared.root, config), config) for key, config in studies.items()}


def _trained(
    prepared: PreparedClaim, platform: str, place: str, track: Sequence[str | MakeTracker], console: Console
) -> dict[str, Any]:
    """The results of a claim's studies and sweeps, by their keys; what is not trained yet is."""
    studies = prepared.claim.studies
    if not studies:
        return {}
    at = {key: study_directory(prepared.root, config) for key, config in studies.items()}
    first = {folder: key for key, folder in reversed(at.items())}  # two keys may mean the same study
    configs = {key: (config, at[key]) for key, config in studies.items() if first[at[key]] == key}
    if not (prepared.directory / "verdict.json").exists():
        with users_code():
            refuse_wrong_floors(one for config, _ in configs.values() for one in _each(config))
    with (
        _timed(prepared.directory, _TRAINING),
        trained_together(configs, prepared.directory, platform=platform, place=place, track=track, console=console),
    ):
        return _results(prepared)


def _each(config: Study | Sweep) -> Iterable[Study]:
    """A study, or those of a sweep."""
    return config.points.values() if isinstance(config, Sweep) else [config]


def _check_plans(claim: Claim) -> None:
    """Refuses a study that could not be planned, before another one has been trained."""
    for key, config in claim.studies.items():
        for study in _each(config):
            try:
                with planned(partial(checked, study)):
                    pass
            except ConfigError as error:
                raise ConfigError(f"studies.{key}: {error}") from error


def _measured(directory: Path, key: str, measurement: Measurement, console: Console) -> list[dict[str, Any]]:
    """The rows of a measurement: from its file, or measured now where there is none of this machine's numbers."""
    path, numbers = _rows_path(directory, key), recorded()
    if path.exists() and (kept := read_json(path)).get("numbers") == numbers:
        return kept["rows"]
    console.print(f"measuring {key}", markup=False, highlight=False)
    path.parent.mkdir(exist_ok=True)
    seeds = range(measurement.first_seed, measurement.first_seed + measurement.seeds)
    with _timed(directory, key), users_code(), pinned():
        rows = [_plain(row) for row in measurement.measure(seeds)]
        write_json(path, {"numbers": numbers, "rows": rows})
    return rows


def _rows_path(directory: Path, key: str) -> Path:
    return directory / "measurements" / f"{key}.json"


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON has it: numbers of Python's, null where not finite."""
    found = {key: value.item() if hasattr(value, "item") else value for key, value in row.items()}
    return {key: None if isinstance(value, float) and value - value != 0 else value for key, value in found.items()}


@contextlib.contextmanager
def _timed(directory: Path, key: str) -> Iterator[None]:
    """Adds the seconds spent within to those of a study or measurement that is not done yet, however it ends."""
    before = _timing(directory).get(key, {"seconds": 0.0, "done": False})
    begun, done = time.monotonic(), False
    try:
        yield
        done = True
    finally:
        if not before["done"]:
            spent = before["seconds"] + time.monotonic() - begun
            write_json(
                directory / "timing.json", _timing(directory) | {key: {"seconds": round(spent, 1), "done": done}}
            )


def _timing(directory: Path) -> dict[str, Any]:
    path = directory / "timing.json"
    return read_json(path) if path.exists() else {}
