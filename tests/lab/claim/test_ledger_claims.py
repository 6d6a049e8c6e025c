"""The ledger's claims on invented results: as printed each is a direction, the other way round refuted; none trains."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from invented import invented

from attn_jax.commands.ledger import load_ledger
from attn_jax.config import Sweep
from attn_jax.config.ledger import cells_of
from attn_jax.lab.outcome.claims import pairs_of
from attn_jax.lab.outcome.ledger_rows import ledger_rows

CLAIMS = {name: claim for name, (claim, _) in load_ledger().items()}
STAYS, SAMPLES = "07_markov", "08_modular_sum"


def place(claim, key, name):
    """How many models of a study were printed above this one, at most."""
    reads = lambda test: (test.study,) if test.study else claim.quantities[test.measure].reads  # noqa: E731
    above = [test.a for test in claim.tests.values() if key in reads(test) and test.b == name]
    return max((1 + place(claim, key, one) for one in above), default=0)


def results_of(claim, key, study, as_printed):
    """Scores that fall from place to place, or rise where it is the other way round, and a little by the seed."""
    results = invented(study)

    def scored(name, model):
        below = 0.2 * place(claim, key, name)
        score = 0.9 - below if as_printed else 0.1 + below
        final = np.full(model.final.shape, score) + 1e-3 * np.arange(len(model.final))[:, None]
        return replace(model, final=final, length_score=np.broadcast_to(final[..., None], model.length_score.shape))

    return replace(results, models={name: scored(name, model) for name, model in results.models.items()})


def stay(study, as_printed):
    """A loss that lies at what counting states gives until it is the best, or half way in between."""
    results = invented(study, lambda name, seed, place: 200)
    unigram = 1.895 if as_printed else 2.795
    return replace(results, floors={study.train.lengths[1]: {"unigram": {"loss": unigram}, "bayes": {"loss": 0.995}}})


def sums(sweep, as_printed):
    """Attention needs four times as many sequences as the recurrence, or a quarter."""
    slow = "transformer" if as_printed else "lstm"

    def enough(study, name):
        return study.train.num_examples >= (128 if name == slow else 32)

    points = {
        point: invented(study, lambda name, seed, place, study=study: 100 if enough(study, name) else np.inf)
        for point, study in sweep.points.items()
    }
    return SimpleNamespace(points=points)


def found_in(name, as_printed):
    claim = CLAIMS[name]
    if name == STAYS:
        return {key: stay(study, as_printed) for key, study in claim.studies.items()}
    return {
        key: sums(config, as_printed) if isinstance(config, Sweep) else results_of(claim, key, config, as_printed)
        for key, config in claim.studies.items()
    }


@pytest.fixture(scope="module")
def pairs():
    return {
        way: {name: pairs_of(claim, found_in(name, way)) for name, claim in CLAIMS.items()} for way in (True, False)
    }


@pytest.mark.parametrize(("as_printed", "status"), [(True, "direction"), (False, "refuted")])
def test_what_is_printed_is_a_direction_and_the_contrary_refutes_it(as_printed, status, pairs):
    rows = ledger_rows(CLAIMS, pairs[as_printed], {}, {}, {})
    assert {row.status for row in rows} == {status, "not tried"}
    tried = [row for row in rows if row.status == status]
    assert len(tried) == sum(not cell.reason for claim in CLAIMS.values() for cell in cells_of(claim))
    assert len(tried) >= 40
