"""Results and rows as a claim finds them, without training: what comes out is said beforehand."""

import numpy as np

from attn_jax.config import Sweep
from attn_jax.config.codec import to_dict
from attn_jax.lab.outcome.results import Measured, ModelResult, Results


def nothing_solved(name, seed, place):
    """No run solves its task."""
    return np.inf


def invented(study, solved_at=nothing_solved, unsolved=0.1, probes=None, threshold=0.95):
    """The results of a study whose runs are right from `solved_at(model, seed's place, rate's place)` on.

    Until then they score `unsolved`, and a little more by the seed. `probes` [name of a probe][step][name](model) is a
    number or an array of every run.
    """
    assert not isinstance(study, Sweep)
    train, steps = study.train, np.arange(study.evaluate.every, study.train.steps + 1, study.evaluate.every)
    lengths = study.evaluate.lengths or (8,)
    names = [f"{name}@{start}" if start else name for name in study.models for start in study.starts or [None]]
    floors = {n: {"uniform": {"value": 0.25, "loss": 1.4}} for n in {*lengths, *(train.lengths or lengths)}}
    return Results(
        study=study.name,
        task=type(study.task).__name__,
        reference=study.reference_name,
        metric="accuracy",
        loss_places="scored",
        chance="uniform",
        best=dict.fromkeys(floors, 1.0),
        threshold=threshold,
        length_unit="letters",
        train_lengths=train.lengths or (lengths[0], lengths[-1]),
        curve_lengths=lengths,
        floors=floors,
        evaluated_at=steps,
        budget=train.steps,
        schedule=train.schedule,
        workers=1,
        models={name: _model(name, study, steps, solved_at, unsolved, probes or {}) for name in names},
        config=to_dict(study),
        environment={},
        first_seed=train.first_seed,
    )


def _model(name, study, steps, solved_at, unsolved, probes):
    seeds, rates = study.train.seeds, len(study.train.learning_rates)
    first = np.array([[solved_at(name, seed, place) for place in range(rates)] for seed in range(seeds)])
    before = unsolved + 1e-3 * np.arange(seeds)[:, None, None]
    score = np.where(first[..., None] <= steps, 1.0, before)
    final = score[..., -1]
    by_length = np.repeat(final[..., None], len(study.evaluate.lengths or (8,)), -1)
    runs = lambda value: np.broadcast_to(value, (seeds, rates, *np.shape(value))).copy()  # noqa: E731
    return ModelResult(
        name=name,
        description=name,
        parameters=1000,
        parameters_matched=1000,
        match_note=None,
        state_bytes=128,
        train_flops_per_step=1e6,
        depth="linear",
        learning_rates=study.train.learning_rates,
        score=score,
        diverged=np.zeros((seeds, rates), bool),
        final=final,
        length_score=by_length,
        measured={"loss": Measured(2 - score, 2 - final, 2 - by_length)},
        seconds=1.0,
        compile_seconds=1.0,
        start=name.partition("@")[2] or None,
        probes={
            probe: {step: {what: runs(of(name)) for what, of in named.items()} for step, named in at.items()}
            for probe, at in probes.items()
        },
    )
