"""MAD's fuzzy in-context recall: keys and values of one to three tokens, drawn again and again.

    inputs     .  . | k3    v1 v5 | k2 k7    v4 | k5 k1 k2    v2 v1 v3 | k3    v1     (. blank, | only for the eye)
    targets    .  .   .     .  .    .  .     .    .  .  .     .  .  .    v1    v5

A key is known by all its tokens, so that a model must first put together what belongs together: k2 k7 is not k2.
MAD has six tasks; the sixth, compression, is a bottleneck in the model and no task of its own, and is left out here.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.counts import as_shares
from attn_jax.tasks.fields import check_at_least
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.laws.fuzzy_law import fuzzy_law
from attn_jax.tasks.make_task import make_task
from attn_jax.tasks.sampling import first_places
from attn_jax.types import IO, Array, Batch, Key

_MOTIF = 3  # the most tokens of a key or a value
_SMALLEST, _LARGEST = 12, 256


@dataclass(frozen=True)
class MADFuzzyRecall(TaskConfig):
    """L tokens: blanks, pairs, and one pair more with a key seen before; the last token is not read.

    Tokens: keys 0 .. num_keys - 1, then values, then the blank. Classes are values counted from 0. A key is 1, 2 or 3
    distinct tokens, a value too: each size alike, and within a size each sequence of tokens alike. Keys are drawn with
    replacement, the value of a key is drawn where it first stands. Pairs follow each other as long as they fit in
    L - 6 tokens; then one of them, drawn uniformly, stands once more, so that every sequence asks at least once. What
    is left is blank, and stands first.

    Asked are all tokens of the value of a key seen before: the first at the key's last token, the next at the first
    ... So places with a target tell that the key has ended, as in the source.

    The source asks for keys of three tokens only in its test, and trains on the next token everywhere; here sizes are
    the same in all splits, and loss and metric are at the same places. It draws the pair that comes last beforehand,
    and plants it; here it is one of those read. It trains on 12,800 fixed examples; here they are fresh by key. Classes
    are symmetric, so that the source's average of accuracy over classes and the plain one agree in expectation.

    Lengths go from 12 to 256. Chance is "value_in_context".

    Args:
      num_keys, num_values: how many tokens keys and values are made of; 7 and 8 of the published vocabulary of 16.
      train_lengths: the shortest and the longest L trained on by default.
      test_lengths: the L asked for by default.

    Raises:
      ValueError: `num_keys` is below 3 or `num_values` below 4.
    """

    num_keys: int = 7
    num_values: int = 8
    train_lengths: tuple[int, int] = (48, 48)
    test_lengths: tuple[int, ...] = (16, 24, 32, 48, 64, 96)

    def __post_init__(self):
        check_at_least(self, _MOTIF, "num_keys")
        check_at_least(self, _MOTIF + 1, "num_values")

    @classmethod
    def published(cls) -> "MADFuzzyRecall":
        """L = 128; Poli et al. 2024. Transformer 29.8, Mamba 6.7, DeltaNet 35.7 %, asked for keys of three tokens.

        >>> MADFuzzyRecall.published().make().spec.train_lengths
        (128, 128)
        """
        return cls(train_lengths=(128, 128), test_lengths=(128,))

    def make(self) -> Task:
        """The task of this configuration; 48 tokens are trained on, and 96 asked for."""
        return make_task(
            self,
            draw,
            answer,
            floors,
            io=IO(num_classes=self.num_values, vocab_size=self.num_keys + self.num_values + 1),
            num_tokens=lambda length: length - 1,  # the last token of the last value is asked for and not read
            lengths={"smallest": _SMALLEST, "largest": _LARGEST},
            chance="value_in_context",
            train_lengths=self.train_lengths,
            test_lengths=self.test_lengths,
            length_unit="tokens",
            source="Poli et al. 2024, arXiv 2403.17844",
        )


def draw(config: MADFuzzyRecall, key: Key, batch_size: int, length: int | Array, max_length: int) -> Batch:
    """Draws sequences of `length` tokens.

    Reference: Poli et al. 2024, arXiv 2403.17844, section 3.1 and github.com/athms/mad-lab.
    """
    num_pairs = (max_length - 2 * _MOTIF) // 2
    # One flat draw for all: each draw of its own costs a compiled program .2 to .5 s.
    drawn = jax.random.uniform(key, (batch_size * (8 * num_pairs + 1),)).reshape(batch_size, -1)
    slots = _fill_slots(*_draw_pairs(config, drawn[:, 1:].reshape(batch_size, 2, -1, 4)), drawn[:, :1], length)
    tokens, is_asked = _lay_out(config, slots, length, max_length)
    valid = first_places(batch_size, max_length - 1, length - 1)
    scored = valid & is_asked[:, 1:]
    return Batch.of(tokens[:, :-1], tokens[:, 1:] - config.num_keys, scored, valid)


class _Pairs(NamedTuple):
    """Keys and values, one pair after the other."""

    tokens: Array  # [B, P, 6]: three of the key, three of the value; of each, those that its size counts
    key_sizes: Array  # [B, P]
    value_sizes: Array  # [B, P]
    is_known: Array  # [B, P]: an earlier pair has this key


def _draw_pairs(config: MADFuzzyRecall, numbers: Array) -> tuple[_Pairs, Array]:
    """(pairs, where each ends [B, P]), from uniform numbers [B, 2, P, 4]."""
    keys, key_sizes = _draw_motifs(numbers[:, 0], config.num_keys)
    values, value_sizes = _draw_motifs(numbers[:, 1], config.num_values)
    first = _first_with_key(keys, config.num_keys)  # the value of the first pair holds for all
    values = jnp.take_along_axis(values, first[..., None], axis=1)
    value_sizes = jnp.take_along_axis(value_sizes, first, axis=1)
    tokens = jnp.concatenate([keys, values + config.num_keys], axis=2)
    is_known = first < jnp.arange(first.shape[1])
    return _Pairs(tokens, key_sizes, value_sizes, is_known), jnp.cumsum(key_sizes + value_sizes, axis=1)


def _fill_slots(pairs: _Pairs, ends: Array, for_last: Array, length: int | Array) -> _Pairs:
    """The pairs that fit, [B, P + 1], then one of them again, and after it pairs of no tokens."""
    num_fit = (ends <= length - 2 * _MOTIF).sum(axis=1, keepdims=True)
    slot = jnp.arange(ends.shape[1] + 1)
    source = jnp.where(slot < num_fit, slot, (for_last * num_fit).astype(jnp.int32))
    tokens = jnp.take_along_axis(pairs.tokens, source[..., None], axis=1)
    key_sizes, value_sizes, is_known = (jnp.take_along_axis(each, source, axis=1) for each in pairs[1:])
    in_use = slot <= num_fit
    is_known = is_known | (slot == num_fit)
    return _Pairs(tokens, jnp.where(in_use, key_sizes, 0), jnp.where(in_use, value_sizes, 0), is_known)


def _lay_out(config: MADFuzzyRecall, slots: _Pairs, length: int | Array, max_length: int) -> tuple[Array, Array]:
    """(tokens [B, max_length], whether each is asked for): blanks, then the slots, so that they end at `length`."""
    ends = jnp.cumsum(slots.key_sizes + slots.value_sizes, axis=1)
    place = jnp.arange(max_length) - (length - ends[:, -1:])
    slot = jnp.minimum((ends[:, None, :] <= place[..., None]).sum(axis=-1), ends.shape[1] - 1)
    pick = partial(jnp.take_along_axis, indices=slot, axis=1)
    in_value = place - pick(ends - slots.value_sizes)
    column = jnp.where(in_value < 0, in_value + pick(slots.key_sizes), in_value + _MOTIF)
    motifs = slots.tokens.reshape(len(ends), -1)
    column = jnp.clip(column, 0, 2 * _MOTIF - 1)  # blanks, before the first slot, and padding lie outside
    tokens = jnp.take_along_axis(motifs, 2 * _MOTIF * slot + column, axis=1)
    is_asked = (place >= 0) & (in_value >= 0) & pick(slots.is_known)
    return jnp.where(place < 0, config.num_keys + config.num_values, tokens), is_asked


def _draw_motifs(numbers: Array, num_symbols: int) -> tuple[Array, Array]:
    """(tokens [B, P, 3], distinct within a motif; how many of them count [B, P]), from uniform numbers [B, P, 4]."""
    drawn = (numbers * jnp.array([_MOTIF, num_symbols, num_symbols - 1, num_symbols - 2])).astype(jnp.int32)
    sizes, first, second, third = jnp.moveaxis(drawn, -1, 0)
    # The n-th symbol that is not yet taken: go past those taken, the smaller first.
    second = second + (second >= first)
    third = third + (third >= jnp.minimum(first, second))
    third = third + (third >= jnp.maximum(first, second))
    tokens = jnp.stack([first, second, third], axis=-1)
    return jnp.where(jnp.arange(_MOTIF) <= sizes[..., None], tokens, -1), sizes + 1


def _first_with_key(keys: Array, num_keys: int) -> Array:
    """[B, P]: the first pair that has the key of this one, itself where it is new."""
    code = (keys + 1) @ (num_keys + 1) ** jnp.arange(_MOTIF)
    return (code[:, :, None] == code[:, None, :]).argmax(axis=-1).astype(jnp.int32)


def answer(config: MADFuzzyRecall, tokens: list[int]) -> list[int]:
    """Reads token by token, and keeps a dictionary from what has been read of a known pair to what comes next.

    At a key that is the beginning of a longer one it says its own value.

    >>> answer(MADFuzzyRecall(), [15, 2, 7, 12, 2, 3, 8, 2, 7])
    [0, 0, 0, 0, 0, 0, 0, 0, 5]
    """
    following: dict[tuple[int, ...], int] = {}
    read: tuple[int, ...] = ()
    blank, said = config.num_keys + config.num_values, []
    for token in tokens:
        if config.num_keys <= token < blank:
            following[read] = token - config.num_keys
        elif read and read[-1] >= config.num_keys:
            read = ()  # the value has ended, and a key begins
        read = () if token == blank else (*read, token)
        said.append(following.get(read, 0))
    return said


def floors(config: MADFuzzyRecall, length: int) -> dict[str, Floor]:
    """What is reached without looking up, exactly (`fuzzy_law`), for V value tokens.

    uniform: 1 / V, ln V. memoryless, which sees that the tokens of a value differ: 1 / V, 1 / (V - 1) and 1 / (V - 2)
    at its first, second and third token. value_in_context: the same, but for the first token that of a value drawn
    uniformly from those read; its loss is left out, for there is no formula.

    >>> {name: round(floor.value, 3) for name, floor in floors(MADFuzzyRecall(), 48).items()}
    {'uniform': 0.125, 'memoryless': 0.138, 'value_in_context': 0.209}
    """
    asked, first_right = fuzzy_law(config.num_keys, config.num_values, length - 2 * _MOTIF)
    left = config.num_values - np.arange(_MOTIF)
    memoryless = float(asked @ (1 / left) / asked.sum())
    in_context = float((first_right + asked[1:] @ (1 / left[1:])) / asked.sum())
    return {
        "uniform": uniform_floor(config.num_values),
        "memoryless": Floor(memoryless, float(asked @ np.log(left) / asked.sum()), partial(_say, config, np.ones_like)),
        "value_in_context": Floor(in_context, None, partial(_say, config, as_shares)),
    }


def _say(config: MADFuzzyRecall, say, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Within a value, any token that it does not hold yet; elsewhere what is said of the first tokens counted."""
    blank = config.num_keys + config.num_values
    is_value = (inputs >= config.num_keys) & (inputs < blank) & valid
    is_token = (inputs[..., None] == config.num_keys + np.arange(config.num_values)) & is_value[..., None]
    is_start = is_value.copy()
    is_start[:, 1:] &= ~is_value[:, :-1]
    weights = say(np.cumsum(is_token & is_start[..., None], axis=1)).astype(np.float64)
    held = is_token.copy()
    for place in range(1, inputs.shape[1]):
        held[:, place] |= held[:, place - 1] & is_value[:, place, None]
    weights = np.where(is_value[..., None], ~held, weights)
    return as_shares(weights)
