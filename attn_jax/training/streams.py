"""Independent streams of random keys. Data depends on the seed alone, never on the model: comparisons are paired."""

from typing import Literal, TypeAlias

import jax

from attn_jax.types import Array, Key

Stream: TypeAlias = Literal["init", "train", "dropout", "validation", "test", "order", "probe"]
_NUMBER: dict[Stream, int] = {
    "init": 0,
    "train": 1,
    "dropout": 2,
    "validation": 3,
    "test": 4,
    "order": 5,
    "probe": 6,
}


def stream_key(stream: Stream, seed: int | Array, step: int | Array = 0) -> Key:
    """The key of a stream at a step: fold_in(fold_in(fold_in(root, stream), seed), step).

    >>> bool((stream_key("train", 0, 1) == stream_key("train", 0, 2)).all())
    False
    """
    root = jax.random.fold_in(jax.random.key(0), _NUMBER[stream])
    return jax.random.fold_in(jax.random.fold_in(root, seed), step)
