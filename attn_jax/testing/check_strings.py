"""Proves that a task's strings are what `attn_jax.types.StringBatch` says, and the same strings as its batches."""

from itertools import combinations
from typing import get_args

import numpy as np

from attn_jax.tasks.base import Split
from attn_jax.testing.draws import Draws, StringArrays
from attn_jax.testing.require import require


def check_strings(draws: Draws, length: int) -> None:
    """One vocabulary, BOS first, EOS last, nothing after it; the strings are those of `sample` with the same key.

    A source stands in the inputs from their first place on, or from the second, where a token opens them.

    Args:
      draws: of a task whose answers are strings.
      length: one of its allowed lengths.

    Raises:
      AssertionError: a promise is broken; the sentence names it.
    """
    size = draws.task.spec.strings_vocab_size
    if size is None or draws.task.strings is None:
        raise AssertionError("strings want both Task.strings and spec.strings_vocab_size")
    strings, batch = draws.strings(0, length, "train"), draws.batch(0, length)
    _check_form(strings, draws.num_samples, f"length {length}: strings:")
    _check_vocabulary(strings, size, f"length {length}: strings:")
    for row in range(draws.num_samples):
        source = strings.source[row][strings.source_valid[row]]
        asked = any((batch.inputs[row, o : o + len(source)] == source).all() for o in (0, 1))
        require(asked, f"length {length}: strings: the source of row {row} does not begin the inputs of sample")
        answer = strings.target[row][strings.target_valid[row]][:-1]
        said = batch.targets[row][batch.scored[row]]
        same = len(said) - len(answer) in (0, 1) and (said[: len(answer)] == answer).all()
        require(
            same,
            f"length {length}: strings: row {row} answers {answer.tolist()}, sample of the same key "
            f"{said.tolist()}: wanted the same, but for a terminator",
        )


def check_splits_of_strings(draws: Draws) -> None:
    """The split picks the stream of strings too.

    Args:
      draws: of a task whose answers are strings.

    Raises:
      AssertionError: two splits' strings are drawn by the same program.
    """
    assert draws.task.strings is not None
    programs = [draws.program(draws.task.strings, split) for split in get_args(Split)]
    differ = all(a != b for a, b in combinations(programs, 2))
    require(differ, "strings: two splits give the same: split is ignored")


def _check_form(strings: StringArrays, num_samples: int, what: str) -> None:
    """Shapes, dtypes, and validity that is a prefix with nothing after it."""
    for name, values in zip(StringArrays._fields, strings, strict=True):
        dtype = "bool" if name.endswith("valid") else "int32"
        require(values.dtype == dtype, f"{what} {name} has dtype {values.dtype}, wanted {dtype}")
        like = strings.source if name.startswith("source") else strings.target
        wanted = (num_samples, like.shape[1])
        require(values.shape == wanted, f"{what} {name} has shape {values.shape}, wanted {wanted}")
    for name, tokens, valid in (
        ("source", strings.source, strings.source_valid),
        ("target", strings.target, strings.target_valid),
        ("target_in", strings.target_in, strings.target_valid),
    ):
        is_prefix = (valid == (np.arange(valid.shape[1]) < valid.sum(axis=1, keepdims=True))).all()
        require(is_prefix and valid.any(axis=1).all(), f"{what} the valid places of {name} are no prefix of each row")
        require(not tokens[~valid].any(), f"{what} {name} is not 0 after its end")


def _check_vocabulary(strings: StringArrays, size: int, what: str) -> None:
    """Letters lie below BOS; BOS begins, EOS ends, and neither is anywhere else."""
    bos, eos = size - 2, size - 1
    place = np.arange(strings.target.shape[1])
    is_last = place == strings.target_valid.sum(axis=1, keepdims=True) - 1
    letters = strings.target_valid & ~is_last
    require((strings.target[is_last] == eos).all(), f"{what} a target does not end with EOS = {eos}")
    require((strings.target_in[:, 0] == bos).all(), f"{what} target_in does not begin with BOS = {bos}")
    shifted = np.where(letters, strings.target, 0)[:, :-1] == strings.target_in[:, 1:]
    require(shifted.all(), f"{what} target_in is not BOS and then target without its last token")
    for name, tokens in (("source", strings.source[strings.source_valid]), ("target", strings.target[letters])):
        inside = ((tokens >= 0) & (tokens < bos)).all()
        require(inside, f"{what} {name} has tokens outside 0 .. {bos - 1}, the last two ids being BOS and EOS")
