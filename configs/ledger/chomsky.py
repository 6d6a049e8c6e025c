"""Deletang et al. 2023 as three claims: what was printed of thirteen of their fifteen tasks, and reduced runs.

Missing duplicate and binary addition have no cell: their numbers were not seen in the source.

Reduced: hidden size 32 in place of 256, 600 to 1,500 steps of 32 in place of 1,000,000 of 128, trained on up to 20
tokens and asked at up to 40 in place of 40 and 500, one or two rates and the mean over 12 seeds in place of the best of
30 to 180 runs.
The transformer is the source's but for its size: it looks both ways, norms stand behind, 2 layers of 4 heads at width
32; one of its five encodings, rotary, in place of the best of them, and no dropout.
"""

from functools import partial
from typing import NamedTuple

from attn_jax.config import Cell, Claim, DeclaredTest, EvaluateConfig, Quantity, Study, TrainConfig
from attn_jax.config.rules import holds_for
from attn_jax.lab.outcome.by_seed import beyond
from attn_jax.mixers import LSTM, RNN, Attention, StackRNN, TapeRNN
from attn_jax.models import AnyModelConfig, ModelConfig, classic
from attn_jax.tasks.base import TaskConfig

SOURCE = "Deletang et al. 2023, arXiv 2207.02098"
WHERE = "main table, score on lengths 41 to 500"
NAMES = {"rnn": "RNN", "stack": "Stack-RNN", "tape": "Tape-RNN", "transformer": "transformer", "lstm": "LSTM"}
RUNS = {"rnn": 30, "stack": 30, "tape": 180, "transformer": 150, "lstm": 30}
MODELS: dict[str, AnyModelConfig] = {
    "rnn": classic(RNN(), d_model=32, num_layers=1),
    "stack": classic(StackRNN(), d_model=32, num_layers=1),
    "tape": classic(TapeRNN(), d_model=32, num_layers=1),
    "lstm": classic(LSTM(), d_model=32, num_layers=1),
    "transformer": ModelConfig(
        32, mixers=(Attention(num_heads=4, causal=False, head_positions="rotary"),), norm_place="post"
    ),
}


class Words(NamedTuple):
    """A task, and what of it is trained and asked for."""

    task: TaskConfig
    lengths: tuple[int, int]  # trained on
    longer: tuple[int, ...]  # asked for
    steps: int = 600
    rates: tuple[float, ...] = (1e-2,)


def cell(task, model, value, /, **more):
    """What the source printed of a model on a task."""
    of = f"{NAMES[model]}: {task.replace('_', ' ')}"
    return Cell(value, "accuracy, %", of, WHERE, SOURCE, "maximum", RUNS[model], unit=100, **more)


def study(number, name, words):
    return Study(
        name=f"ledger{number}_{name}",
        task=words.task,
        models=MODELS,
        train=TrainConfig(words.steps, seeds=12, first_seed=100, learning_rates=words.rates, lengths=words.lengths),
        evaluate=EvaluateConfig(every=100, lengths=words.longer),
        match=None,
    )


def claim(number, sentence, explain, tasks, printed, over, untried=()):
    """A claim of some tasks.

    Args:
      number: of its file.
      sentence, explain: as a claim's.
      tasks: {name: `Words`}.
      printed: {name: {model: value}}.
      over: {name: pairs of models, the first printed above the second}.
      untried: cells with their reasons.
    """
    told = {(task, model) for task, pairs in over.items() for pair in pairs for model in pair}
    alone = "no contrast of it is tested"
    cells = [
        cell(task, model, value, **({"measure": task, "model": model} if (task, model) in told else {"reason": alone}))
        for task, values in printed.items()
        for model, value in values.items()
    ]
    return Claim(
        sentence=sentence,
        source=SOURCE,
        studies={name: study(number, name, words) for name, words in tasks.items()},
        quantities={name: Quantity(partial(longer, name), (name,)) for name in tasks},
        tests={
            f"{task.replace('_', ' ')}: {a} over {b}": DeclaredTest(task, a, b, expect="more")
            for task, pairs in over.items()
            for a, b in pairs
        },
        rule=holds_for,
        explain=explain,
        published=(*cells, *untried),
        quick={
            name: {"train.seeds": 2, "train.steps": 150, "evaluate.every": 50, "train.learning_rates": (1e-2,)}
            for name in tasks
        },
    )


def longer(name, found):
    """{model: [S]}, scores beyond the trained lengths."""
    return beyond(found[name])
