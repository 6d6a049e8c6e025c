"""The three runs of a claim: as it is declared, a second time with other seeds, and in small to see that it works."""

from collections.abc import Mapping, Set
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from attn_jax.config.claim import FIRST_AGAIN, Claim
from attn_jax.config.overrides import with_values
from attn_jax.config.study import Study
from attn_jax.config.sweep import Sweep
from attn_jax.errors import ConfigError

ClaimRun: TypeAlias = Literal["first", "again", "quick"]


def claim_run(claim: Claim, run: ClaimRun) -> Claim:
    """The claim of a run: "again" has all seeds counted from 1000, "quick" what the claim says of it.

    Raises:
      ConfigError: what the claim changes for "quick" leads to no field, or leaves seeds that do not go together.
    """
    if run == "again":
        return _with(claim, {key: {"train.first_seed": FIRST_AGAIN} for key in claim.studies}, first_seed=FIRST_AGAIN)
    if run == "quick":
        try:
            changes = {key: values for key, values in claim.quick.items() if values is not None}
            return _without(_with(claim, changes), claim.quick.keys() - changes.keys())
        except ConfigError as error:
            raise ConfigError(f"quick: {error}") from error
    return claim


def _with(claim: Claim, changes: Mapping[str, Mapping[str, Any]], first_seed: int | None = None) -> Claim:
    """The claim with these fields of its studies changed, and its measurements' seeds, or fewer of them."""
    measurements = {
        key: replace(one, first_seed=first_seed)
        if first_seed is not None
        else replace(
            one,
            seeds=one.seeds if one.quick_seeds is None else one.quick_seeds,
            measure=one.quick or one.measure,
        )
        for key, one in claim.measurements.items()
    }
    studies = {key: _changed(config, changes.get(key, {})) for key, config in claim.studies.items()}
    return replace(claim, studies=studies, measurements=measurements)


def _without(claim: Claim, left_out: Set[str]) -> Claim:
    """The claim without these studies, whatever reads nothing else, and these tests."""
    studies = {key: config for key, config in claim.studies.items() if key not in left_out}
    reads = {name: tuple(key for key in one.reads if key not in left_out) for name, one in claim.quantities.items()}
    quantities = {name: replace(one, reads=reads[name]) for name, one in claim.quantities.items() if reads[name]}
    tests = {
        about: test
        for about, test in claim.tests.items()
        if about not in left_out
        and (test.study.partition("/")[0] in studies if test.study else test.measure in quantities)
    }
    return replace(claim, studies=studies, quantities=quantities, tests=tests, quick={})


def _changed(config: Study | Sweep, values: Mapping[str, Any]) -> Study | Sweep:
    if isinstance(config, Sweep):
        return Sweep(with_values(config.study, dict(values)), config.axes) if values else config
    return with_values(config, dict(values)) if values else config
