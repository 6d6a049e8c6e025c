"""Markov chains in context: first the frequencies of states, then those of transitions.

    attn-jax claims --ledger 7

About 3 minutes on 2 cores. Reduced: chains of 3 states of 64 places, width 32, 500 steps, evaluated every 10. A phase
is a stay: how many evaluations the loss lies within .01 nats of what counting states gives, against how many it lies as
near to half of the way from there to the best.

Chosen by a pilot (2 seeds from 5000): over 2 states of 40 places the loss slides down all the way, over 3 of 64 it
stays some 100 of 500 steps where states are counted, and then falls.
"""

import numpy as np

from attn_jax.config import Cell, Claim, DeclaredTest, EvaluateConfig, Quantity, Study, TrainConfig
from attn_jax.lab.outcome.by_seed import at_chosen_rate
from attn_jax.mixers import Attention
from attn_jax.models import ModelConfig
from attn_jax.tasks import MarkovChain

SOURCE = "Edelman et al. 2024, arXiv 2402.11004"
PHASES = "uniform, then in-context unigrams, then a rapid transition to in-context bigrams"
NEAR = 0.01  # nats


def stays(found):
    """{place: [S]} evaluations near the loss of counting states, and near the middle of the way to the best."""
    results = found["markov"]
    floors = results.floors[results.train_lengths[1]]
    unigram, best = floors["unigram"]["loss"], floors["bayes"]["loss"]
    losses = {name: of.measured["loss"].validation for name, of in results.models.items()}
    loss = at_chosen_rate(results, losses)["transformer"]
    places = {"unigram": unigram, "half way": (unigram + best) / 2}
    return {name: (np.abs(loss - place) <= NEAR).sum(1).astype(float) for name, place in places.items()}


def get_config() -> Claim:
    return Claim(
        sentence="Attention learns the frequencies of states first, stays there, and then goes over to transitions.",
        source=SOURCE,
        studies={
            "markov": Study(
                name="ledger7_markov",
                task=MarkovChain(num_states=3),
                models={"transformer": ModelConfig(32, mixers=(Attention(num_heads=2, head_positions="rotary"),))},
                train=TrainConfig(500, seeds=12, first_seed=100, learning_rates=(3e-3,), lengths=(64, 64)),
                evaluate=EvaluateConfig(every=10, num_examples=512, lengths=(64,)),
                match=None,
            )
        },
        quantities={"stays": Quantity(stays, ("markov",), "evaluations")},
        tests={"longer at unigrams than on the way": DeclaredTest("stays", "unigram", "half way", expect="more")},
        explain="Counting states is a uniform average, which attention begins with. Counting transitions needs a head "
        "that finds what followed, built by two layers together.",
        published=(Cell(PHASES, "phases", "a transformer", "abstract", SOURCE, measure="stays", model="unigram"),),
        quick={"markov": {"train.seeds": 2, "train.steps": 150}},
    )
