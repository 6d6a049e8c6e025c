"""Proves that a task's pairs are what `attn_jax.types.Pairs` says, and the same strings as its batches."""

from itertools import combinations
from typing import get_args

import numpy as np

from attn_jax.tasks.base import Split
from attn_jax.testing.draws import Draws, PairArrays
from attn_jax.testing.require import require


def check_pairs(draws: Draws, length: int) -> None:
    """One vocabulary, BOS first, EOS last, nothing after it; the strings are those of `sample` with the same key.

    A source stands in the inputs from their first place on, or from the second, where a token opens them.

    Args:
      draws: of a task with pairs.
      length: one of its allowed lengths.

    Raises:
      AssertionError: a promise is broken; the sentence names it.
    """
    size = draws.task.spec.pairs_vocab_size
    if size is None or draws.task.pairs is None:
        raise AssertionError("pairs want both Task.pairs and spec.pairs_vocab_size")
    pairs, batch = draws.pairs(0, length, "train"), draws.batch(0, length)
    _check_form(pairs, draws.num_samples, f"length {length}: pairs:")
    _check_vocabulary(pairs, size, f"length {length}: pairs:")
    for row in range(draws.num_samples):
        source = pairs.source[row][pairs.source_valid[row]]
        asked = any((batch.inputs[row, o : o + len(source)] == source).all() for o in (0, 1))
        require(asked, f"length {length}: pairs: the source of row {row} does not begin the inputs of sample")
        answer = pairs.target[row][pairs.target_valid[row]][:-1]
        said = batch.targets[row][batch.scored[row]]
        same = len(said) - len(answer) in (0, 1) and (said[: len(answer)] == answer).all()
        require(
            same,
            f"length {length}: pairs: row {row} answers {answer.tolist()}, sample of the same key "
            f"{said.tolist()}: wanted the same, but for a terminator",
        )


def check_splits_of_pairs(draws: Draws) -> None:
    """The split picks the stream of pairs too.

    Args:
      draws: of a task with pairs.

    Raises:
      AssertionError: two splits' pairs are drawn by the same program.
    """
    assert draws.task.pairs is not None
    programs = [draws.program(draws.task.pairs, split) for split in get_args(Split)]
    differ = all(a != b for a, b in combinations(programs, 2))
    require(differ, "pairs: two splits give the same: split is ignored")


def _check_form(pairs: PairArrays, num_samples: int, what: str) -> None:
    """Shapes, dtypes, and validity that is a prefix with nothing after it."""
    for name, values in zip(PairArrays._fields, pairs, strict=True):
        dtype = "bool" if name.endswith("valid") else "int32"
        require(values.dtype == dtype, f"{what} {name} has dtype {values.dtype}, wanted {dtype}")
        like = pairs.source if name.startswith("source") else pairs.target
        wanted = (num_samples, like.shape[1])
        require(values.shape == wanted, f"{what} {name} has shape {values.shape}, wanted {wanted}")
    for name, tokens, valid in (
        ("source", pairs.source, pairs.source_valid),
        ("target", pairs.target, pairs.target_valid),
        ("target_in", pairs.target_in, pairs.target_valid),
    ):
        is_prefix = (valid == (np.arange(valid.shape[1]) < valid.sum(axis=1, keepdims=True))).all()
        require(is_prefix and valid.any(axis=1).all(), f"{what} the valid places of {name} are no prefix of each row")
        require(not tokens[~valid].any(), f"{what} {name} is not 0 after its end")


def _check_vocabulary(pairs: PairArrays, size: int, what: str) -> None:
    """Letters lie below BOS; BOS begins, EOS ends, and neither is anywhere else."""
    bos, eos = size - 2, size - 1
    place = np.arange(pairs.target.shape[1])
    is_last = place == pairs.target_valid.sum(axis=1, keepdims=True) - 1
    letters = pairs.target_valid & ~is_last
    require((pairs.target[is_last] == eos).all(), f"{what} a target does not end with EOS = {eos}")
    require((pairs.target_in[:, 0] == bos).all(), f"{what} target_in does not begin with BOS = {bos}")
    shifted = np.where(letters, pairs.target, 0)[:, :-1] == pairs.target_in[:, 1:]
    require(shifted.all(), f"{what} target_in is not BOS and then target without its last token")
    for name, tokens in (("source", pairs.source[pairs.source_valid]), ("target", pairs.target[letters])):
        inside = ((tokens >= 0) & (tokens < bos)).all()
        require(inside, f"{what} {name} has tokens outside 0 .. {bos - 1}, the last two ids being BOS and EOS")
