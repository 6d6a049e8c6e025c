"""Induction heads: a trigger comes twice; what followed it the first time must follow it again.

    inputs              s1 s2 ... =>  sj ... sL | =>
    loss="answers"       .  .  .   .  .  ...  . | sj
    loss="all"          s2 s3 ... sj  ...    => | sj      (every next token is trained, the last one scored)

The circuit to which in-context learning was traced: two layers of attention, or one state kept over all that follows.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.counts import as_commonest, as_shares, at_last_place, commonest_share, drawn_share
from attn_jax.tasks.fields import check_at_least, check_one_of
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.make_task import make_task, one_answer
from attn_jax.tasks.sampling import check_train_lengths, first_places
from attn_jax.types import IO, Array, Batch, Key

_SMALLEST = 3


@dataclass(frozen=True)
class InductionHeads(TaskConfig):
    """L symbols of which one place is overwritten by the trigger, then the trigger again: L + 1 tokens, L >= 3.

    Tokens and classes: symbols 0 .. num_symbols - 1, the trigger num_symbols, then `num_unused` that never come. The
    first trigger lies at one of the first L - 2 places, all alike, as in H3's code. Only the last place is scored.

    The public definitions differ in the loss, and the loss decides the winner (state-spaces/mamba issue 62 tells of a
    recurrence that learns with one and not the other): H3's code trains on every next token, of which all but the last
    are noise; Mamba's paper gives no code, and "answers", only the last, is the choice here. `h3()` and `mamba()` are
    the two published forms. Whether Mamba's 256 counts the last trigger is not said; here length does not count it.

    All symbols come alike and one of the L - 1 is the answer, so the commonest of them is the best guess of whoever
    has lost the places: chance is "most_frequent_symbol".

    Args:
      num_symbols: how many symbols there are.
      num_unused: tokens and classes beyond the trigger that never come: H3's vocabulary holds a "." of this kind.
      loss: which places are trained, "answers" (the last) or "all" (every next token).
      train_lengths: the shortest and the longest L trained on by default.
      test_lengths: the L asked for by default.

    Raises:
      ValueError: `num_symbols` is below 2, `num_unused` below 0, `loss` is neither, or `train_lengths` are not allowed.
    """

    num_symbols: int = 15
    num_unused: int = 0
    loss: Literal["answers", "all"] = "answers"
    train_lengths: tuple[int, int] = (8, 32)
    test_lengths: tuple[int, ...] = (4, 8, 16, 24, 32, 48, 64, 100)

    def __post_init__(self):
        check_at_least(self, 2, "num_symbols")
        check_at_least(self, 0, "num_unused")
        check_one_of(self, "loss")
        check_train_lengths("InductionHeads", self.train_lengths, smallest=_SMALLEST)

    @classmethod
    def h3(cls) -> "InductionHeads":
        """Vocabulary 20, length 30, trained on every next token; a guess is right in 5 %. Fu et al. 2022, table 2."""
        return cls(num_symbols=18, num_unused=1, loss="all", train_lengths=(30, 30), test_lengths=(30,))

    @classmethod
    def mamba(cls) -> "InductionHeads":
        """Vocabulary 16, trained at 256, asked up to 2,048 (no length is too long). Gu & Dao 2023, table 11."""
        return cls(train_lengths=(256, 256), test_lengths=(64, 128, 256, 512, 1024, 2048))

    @property
    def vocab_size(self) -> int:
        """Symbols, the trigger, and what never comes."""
        return self.num_symbols + 1 + self.num_unused

    def make(self) -> Task:
        """The task of this configuration; 8 to 32 symbols are trained on, and 100 asked for."""
        return make_task(
            self,
            draw,
            answer,
            floors,
            io=IO(num_classes=self.vocab_size, vocab_size=self.vocab_size),
            num_tokens=lambda length: length + 1,  # the symbols, one of them overwritten, and the second trigger
            num_answered=None if self.loss == "all" else one_answer,
            lengths={"smallest": _SMALLEST},
            chance="most_frequent_symbol",
            train_lengths=self.train_lengths,
            test_lengths=self.test_lengths,
            length_unit="symbols",
            source="Fu et al. 2022, arXiv 2212.14052; Gu & Dao 2023, arXiv 2312.00752",
            loss_places="all" if self.loss == "all" else "scored",
        )


def draw(config: InductionHeads, key: Key, batch_size: int, length: int | Array, max_length: int) -> Batch:
    """Draws sequences of `length` symbols and two triggers.

    Reference: Fu et al. 2022, arXiv 2212.14052, section 3.1; Gu & Dao 2023, arXiv 2312.00752, section 4.1.
    """
    num_places = max_length + 1
    drawn = jax.random.uniform(key, (batch_size, num_places))
    place = jnp.arange(num_places)
    # The last column of the draw is never a symbol: it picks the place of the first trigger.
    trigger = (drawn[:, -1:] * (length - 2)).astype(jnp.int32)
    symbols = (drawn * config.num_symbols).astype(jnp.int32)
    inputs = jnp.where((place == trigger) | (place == length), config.num_symbols, symbols)
    answer = jnp.take_along_axis(inputs, trigger + 1, axis=1)
    valid = first_places(batch_size, num_places, length + 1)
    scored = valid & (place == length)
    trained = valid if config.loss == "all" else scored
    targets = jnp.where(scored, answer, jnp.roll(inputs, -1, axis=1))
    return Batch.of(inputs, targets, scored, valid, trained=trained)


def answer(config: InductionHeads, tokens: list[int]) -> list[int]:
    """Walks along and holds what it read right after the first trigger; says it at the second.

    >>> answer(InductionHeads(), [4, 15, 7, 2, 15])
    [0, 0, 0, 0, 7]
    """
    said, held = [], None
    for place, token in enumerate(tokens):
        if token == config.num_symbols and held is not None:
            return [*said, held]
        if place and tokens[place - 1] == config.num_symbols:
            held = token
        said.append(tokens[place + 1] if config.loss == "all" and place + 1 < len(tokens) else 0)
    return said


def floors(config: InductionHeads, length: int) -> dict[str, Floor]:
    """What is reached without looking up, for N = L - 1 symbols in a sequence, of V kinds.

    uniform: 1 / vocab_size. symbols: 1 / V, loss ln V. value_in_context, each symbol by its share of the N: accuracy
    1 / N + (1 - 1 / N) / V, loss -E[ln(c / N)]. most_frequent_symbol, ties alike: E[max c] / N; no loss. The last three
    say all classes alike before the last place, which with loss="all" is (L ln(vocab_size) + loss) / (L + 1) a place.

    >>> {name: round(floor.value, 3) for name, floor in floors(InductionHeads.h3(), 30).items()}
    {'uniform': 0.05, 'symbols': 0.056, 'value_in_context': 0.088, 'most_frequent_symbol': 0.147}
    """
    metric, loss = drawn_share(length - 1, config.num_symbols)
    symbols = _mean_loss(config, length, float(np.log(config.num_symbols)))
    commonest = commonest_share(length - 1, config.num_symbols)
    predictor = {
        say: partial(at_last_place, say, np.arange(config.num_symbols), config.vocab_size)
        for say in (np.ones_like, as_shares, as_commonest)
    }
    return {
        "uniform": uniform_floor(config.vocab_size),
        "symbols": Floor(1 / config.num_symbols, symbols, predictor[np.ones_like]),
        "value_in_context": Floor(metric, _mean_loss(config, length, loss), predictor[as_shares]),
        "most_frequent_symbol": Floor(commonest, None, predictor[as_commonest]),
    }


def _mean_loss(config: InductionHeads, length: int, at_answer: float) -> float:
    """The loss a unit of weight of who says all classes alike before the answer."""
    if config.loss == "answers":
        return at_answer
    return (length * float(np.log(config.vocab_size)) + at_answer) / (length + 1)
