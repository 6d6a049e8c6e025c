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

from attn_jax.tasks.base import Floor, Split, Task, TaskConfig, TaskSpec
from attn_jax.tasks.counts import as_commonest, as_shares, at_last_place, commonest_share, drawn_share
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.sampling import check_max_length, check_train_lengths, first_places, length_range, split_key
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
        for name, least in (("num_symbols", 2), ("num_unused", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"InductionHeads: {name} is {getattr(self, name)}, wanted at least {least}")
        if self.loss not in ("answers", "all"):
            raise ValueError(f"InductionHeads: loss is {self.loss!r}, wanted 'answers' or 'all'")
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
        """The task of this configuration."""
        return Task(partial(sample, self), partial(floors, self), partial(solve, self), spec(self))


def spec(config: InductionHeads) -> TaskSpec:
    """What a study must know; 8 to 32 symbols are trained on, and 100 asked for.

    >>> spec(InductionHeads()).io.vocab_size, spec(InductionHeads.h3()).loss_places
    (16, 'all')
    """
    return TaskSpec(
        io=IO(num_classes=config.vocab_size, vocab_size=config.vocab_size),
        metric="accuracy",
        chance="most_frequent_symbol",
        best=1.0,
        threshold=0.95,
        train_lengths=config.train_lengths,
        test_lengths=config.test_lengths,
        length_unit="symbols",
        lengths=partial(length_range, smallest=_SMALLEST),
        num_tokens=num_tokens,
        source="Fu et al. 2022, arXiv 2212.14052; Gu & Dao 2023, arXiv 2312.00752",
        loss_places="all" if config.loss == "all" else "scored",
    )


def num_tokens(length: int) -> int:
    """L + 1: the symbols, the first trigger among them, and the second trigger.

    >>> num_tokens(30)
    31
    """
    return length + 1


def sample(
    config: InductionHeads,
    key: Key,
    batch_size: int,
    length: int | Array,
    max_length: int,
    *,
    split: Split = "train",
) -> Batch:
    """Draws sequences of `length` symbols and two triggers, padded to those of `max_length`.

    Args:
      config: the task.
      key: a typed key.
      batch_size: B.
      length: L, 3 <= L <= max_length; may be traced, and is then trusted.
      max_length: static; T = max_length + 1.
      split: picks the stream.

    Returns:
      A batch of inputs and targets [B, T] int32 in [0, vocab_size).

    Raises:
      ValueError: `max_length` is below 3, or `split` is unknown.

    >>> sample(InductionHeads(), jax.random.key(0), 2, 5, 7).inputs.shape
    (2, 8)

    Reference: Fu et al. 2022, arXiv 2212.14052, section 3.1; Gu & Dao 2023, arXiv 2312.00752, section 4.1.
    """
    check_max_length(max_length, smallest=_SMALLEST)
    num_places = num_tokens(max_length)
    drawn = jax.random.uniform(split_key(key, split), (batch_size, num_places))
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
    return Batch(
        inputs=jnp.where(valid, inputs, 0),
        targets=jnp.where(trained, targets, 0),
        weights=trained.astype(jnp.float32),
        scored=scored,
        valid=valid,
    )


def solve(config: InductionHeads, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Walks along each row and holds what it read right after the first trigger; says it at the second.

    Args:
      config: the task.
      inputs: [B, T] int, whole sequences or prefixes.
      valid: [B, T] bool.

    Returns:
      [B, T] int32 classes; elsewhere the next token with loss="all", else 0.

    >>> solve(InductionHeads(), np.array([[4, 15, 7, 2, 15]]), np.ones((1, 5), bool)).tolist()
    [[0, 0, 0, 0, 7]]
    """
    targets = np.zeros(inputs.shape, np.int32)
    for row, tokens in enumerate(inputs.tolist()):
        held = None
        for t in range(int(valid[row].sum())):
            if tokens[t] == config.num_symbols and held is not None:
                targets[row, t] = held
                break
            if t and tokens[t - 1] == config.num_symbols:
                held = tokens[t]
            if config.loss == "all" and t + 1 < len(tokens):
                targets[row, t] = tokens[t + 1]
    return targets


def floors(config: InductionHeads, length: int) -> dict[str, Floor]:
    """What is reached without looking up, for N = L - 1 symbols in a sequence, of V kinds.

    uniform: 1 / vocab_size. symbols: 1 / V, loss ln V. value_in_context, each symbol by its share of the N: accuracy
    1 / N + (1 - 1 / N) / V, loss -E[ln(c / N)]. most_frequent_symbol, ties alike: E[max c] / N; no loss. The last three
    say all classes alike before the last place, which with loss="all" is (L ln(vocab_size) + loss) / (L + 1) a place.

    Args:
      config: the task.
      length: L, symbols.

    Returns:
      The floors by name.

    >>> {name: round(floor.metric, 3) for name, floor in floors(InductionHeads.h3(), 30).items()}
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
