"""Multi-query associative recall (MQAR): pairs of a key and a value, then each key once more, at a place of its own.

    inputs    k1 v1 k2 v2 ... kD vD | . . k2 . . . k1 . . . . . k3 . ...     (. filler)
    targets    .  .  .  . ...  .  . | . . v2 . . . v1 . . . . . v3 . ...     (at the query itself)

Zoology's measure of recall: a recurrence needs a state that grows with D, attention does not.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.fields import check_one_of
from attn_jax.tasks.floors import constant_floor, uniform_floor
from attn_jax.tasks.laws.mqar_law import slot_choices
from attn_jax.tasks.make_task import make_task
from attn_jax.tasks.sampling import check_train_lengths, first_places
from attn_jax.types import IO, Array, Batch, Key

_PUBLISHED = ((64, 4), (128, 8), (256, 16), (512, 64))
_SMALLEST = 2


@dataclass(frozen=True)
class MQAR(TaskConfig):
    """D pairs, then D queries in slots of two tokens: D tokens_per_pair tokens, scored and trained at queries only.

    Tokens and classes: 0 the filler, keys 1 .. V / 2 - 1, values V / 2 .. V - 1, V the `vocab_size`. Keys and values
    of a sequence are distinct. After the 2 D tokens of the pairs there are D (tokens_per_pair / 2 - 1) slots; each key
    takes one, and stands on its first token. Keys choose in the order of their pairs, slot i with a probability
    proportional to (i + 1)^(power - 1) among those still free: 1 is uniform, the published .01 puts queries early.

    Lengths go from 2 pairs to V / 2 - 1, which is the number of keys. In the source D and the number of tokens are
    set apart; here their ratio is: 16 in its first three sizes, 8 in the last.

    That keys choose in order, as in the source, gives a little away: the first pair is asked for early. Chance is the
    best predictor that knows the values and the place but no key, "likeliest_pair"; 1 / D is "value_in_context".

    Args:
      vocab_size: V, even. The published 8,192 makes the readout most of a small model; 64 does not.
      tokens_per_pair: tokens of a sequence for each pair, even, at least 4.
      power: the exponent of the power law, above 0.
      fill: what stands elsewhere: "zeros", as in the published runs, or "uniform" tokens of the whole vocabulary,
        among which keys may be that ask for nothing.
      train_lengths: the fewest and the most pairs trained on by default.
      test_lengths: the pairs asked for by default.

    Raises:
      ValueError: a size is too small or odd, `power` is not above 0, `fill` is neither, or `train_lengths` are not
        allowed.
    """

    vocab_size: int = 64
    tokens_per_pair: int = 6
    power: float = 0.01
    fill: Literal["zeros", "uniform"] = "zeros"
    train_lengths: tuple[int, int] = (6, 6)
    test_lengths: tuple[int, ...] = (2, 3, 4, 6, 8, 12, 16)

    def __post_init__(self):
        for name, least in (("vocab_size", 6), ("tokens_per_pair", 4)):
            value = getattr(self, name)
            if value < least or value % 2:
                raise ValueError(f"MQAR: {name} is {value}, wanted an even number of at least {least}")
        if self.power <= 0:
            raise ValueError(f"MQAR: power is {self.power}, wanted a number above 0")
        check_one_of(self, "fill")
        because = f"vocab_size is {self.vocab_size} and holds {self.num_keys} keys"
        check_train_lengths("MQAR", self.train_lengths, smallest=_SMALLEST, largest=self.num_keys, because=because)

    @classmethod
    def published(cls, num_tokens: int, num_pairs: int) -> "MQAR":
        """A size of Arora et al. 2023, figure 2, with V = 8192: (64, 4), (128, 8), (256, 16) or (512, 64).

        >>> MQAR.published(256, 16).make().spec.num_tokens(16)
        256
        """
        if (num_tokens, num_pairs) not in _PUBLISHED:
            sizes = ", ".join(map(str, _PUBLISHED))
            raise ValueError(f"MQAR.published: got ({num_tokens}, {num_pairs}), wanted one of {sizes}")
        return cls(
            vocab_size=8192,
            tokens_per_pair=num_tokens // num_pairs,
            train_lengths=(num_pairs, num_pairs),
            test_lengths=(num_pairs,),
        )

    @property
    def num_keys(self) -> int:
        """V / 2 - 1: the filler 0 takes one place of the lower half."""
        return self.vocab_size // 2 - 1

    def make(self) -> Task:
        """The task of this configuration; 6 pairs in 36 tokens are trained on."""
        return make_task(
            self,
            draw,
            answer,
            floors,
            io=IO(num_classes=self.vocab_size, vocab_size=self.vocab_size),
            num_tokens=lambda length: length * self.tokens_per_pair,
            num_answered=lambda num_tokens: num_tokens - 2 * num_tokens // self.tokens_per_pair,
            lengths={
                "smallest": _SMALLEST,
                "largest": self.num_keys,
                "beyond": f"vocab_size is {self.vocab_size} and holds {self.num_keys} keys, and D pairs want 2 D + 2",
            },
            chance="likeliest_pair",
            train_lengths=self.train_lengths,
            test_lengths=self.test_lengths,
            length_unit="pairs",
            source="Arora et al. 2023, arXiv 2312.04927",
        )


def num_slots(config: MQAR, length: int | Array) -> int | Array:
    """(T - 2 D) / 2: slots of two tokens after the pairs.

    >>> num_slots(MQAR(), 6)
    12
    """
    return length * (config.tokens_per_pair // 2 - 1)


def draw(config: MQAR, key: Key, batch_size: int, length: int | Array, max_length: int) -> Batch:
    """Draws sequences of `length` pairs.

    Reference: Arora et al. 2023, arXiv 2312.04927, section 3 and appendix E.
    """
    num_places, half = max_length * config.tokens_per_pair, config.vocab_size // 2
    sizes = (config.num_keys, half, int(num_slots(config, max_length)), num_places)
    # One flat draw for all four: each draw of its own costs a compiled program .2 to .5 s.
    drawn = jax.random.uniform(key, (batch_size * sum(sizes),)).reshape(batch_size, -1)
    for_keys, for_values, for_slots, for_fill = jnp.split(drawn, np.cumsum(sizes)[:-1], axis=1)
    keys = 1 + jax.lax.top_k(for_keys, max_length)[1]
    values = half + jax.lax.top_k(for_values, max_length)[1]
    pairs = jnp.stack([keys, values], axis=-1).reshape(batch_size, -1)
    slots = _choose_slots(config, for_slots, length, max_length)
    place, is_pair = jnp.arange(num_places), jnp.arange(max_length) < length
    queries = jnp.where(is_pair, 2 * (length + slots), num_places)  # beyond the end: dropped
    row = jnp.arange(batch_size)[:, None]
    filler = (for_fill * config.vocab_size).astype(jnp.int32) if config.fill == "uniform" else 0
    context = jnp.pad(pairs, ((0, 0), (0, num_places - 2 * max_length)))
    valid = first_places(batch_size, num_places, length * config.tokens_per_pair)
    inputs = jnp.where(place < 2 * length, context, filler)
    targets = jnp.zeros_like(inputs).at[row, queries].set(values, mode="drop")
    scored = targets > 0  # a value is at least V / 2
    return Batch.of(inputs.at[row, queries].set(keys, mode="drop"), targets, scored, valid)


def _choose_slots(config: MQAR, numbers: Array, length: int | Array, max_length: int) -> Array:
    """[B, max_length]: a free slot for each key in turn, i with weight (i + 1)^(power - 1); `length` of them count."""
    # Gumbel top-k: log weights plus Gumbel noise, in falling order, are draws one by one without replacement.
    slot = jnp.arange(numbers.shape[1])
    scores = (config.power - 1) * jnp.log1p(slot.astype(jnp.float32)) - jnp.log(-jnp.log(numbers))
    return jax.lax.top_k(jnp.where(slot < num_slots(config, length), scores, -jnp.inf), max_length)[1]


def answer(config: MQAR, tokens: list[int]) -> list[int]:
    """Looks every key up where it first stood: the token after it is its value.

    >>> answer(MQAR(), [3, 40, 5, 33, 0, 0, 5, 0, 3, 0])
    [0, 0, 0, 0, 0, 0, 33, 0, 40, 0]
    """
    first: dict[int, int] = {}
    said = []
    for place, token in enumerate(tokens):
        is_key = 0 < token <= config.num_keys
        said.append(tokens[first[token] + 1] if is_key and token in first else 0)
        if is_key:
            first.setdefault(token, place)
    return said


def floors(config: MQAR, length: int) -> dict[str, Floor]:
    """What is reached without keys, for D pairs.

    uniform: 1 / V, ln V. value_half, any value: 2 / V, ln(V / 2). value_in_context: 1 / D, ln D, for values are
    distinct. likeliest_pair: in each slot the value of the pair whose key most often chooses it,
    sum_i max_j P(key j takes slot i) / D; no loss.

    >>> {name: round(floor.value, 3) for name, floor in floors(MQAR(), 6).items()}
    {'uniform': 0.016, 'value_half': 0.031, 'value_in_context': 0.167, 'likeliest_pair': 0.227}
    """
    half = np.arange(config.vocab_size) >= config.vocab_size // 2
    any_value = half / half.sum()
    choices = slot_choices(int(num_slots(config, length)), length, config.power)
    share, likeliest = float(choices.max(axis=1).sum() / length), choices.argmax(axis=1)
    size = config.vocab_size
    return {
        "uniform": uniform_floor(size),
        "value_half": constant_floor(any_value, any_value),
        "value_in_context": Floor(1 / length, math.log(length), partial(_value_in_context, size, length)),
        "likeliest_pair": Floor(share, None, partial(_likeliest_pair, size, length, likeliest)),
    }


def _value_in_context(vocab_size: int, num_pairs: int, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Each value of the sequence alike."""
    values = inputs[:, 1 : 2 * num_pairs : 2]
    said = (values[..., None] == np.arange(vocab_size)).mean(axis=1)
    return np.broadcast_to(said[:, None], (*inputs.shape, vocab_size))


def _likeliest_pair(
    vocab_size: int, num_pairs: int, likeliest: np.ndarray, inputs: np.ndarray, valid: np.ndarray
) -> np.ndarray:
    """In each slot the value of the pair that most often stands there; in pairs and at padding the first filler."""
    values = inputs[:, 1 : 2 * num_pairs : 2]
    said = np.zeros(inputs.shape, np.int64)
    said[:, 2 * num_pairs : 2 * (num_pairs + len(likeliest)) : 2] = values[:, likeliest]
    return np.eye(vocab_size)[said]
