"""How `check_task` draws from a task: traced, by vmap, and at a plain length, as NumPy arrays."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from attn_jax.tasks.base import Split, Task
from attn_jax.types import Batch


class Arrays(NamedTuple):
    """A `Batch` on the host."""

    inputs: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    scored: np.ndarray
    valid: np.ndarray


class StringArrays(NamedTuple):
    """`StringBatch` on the host."""

    source: np.ndarray
    source_valid: np.ndarray
    target_in: np.ndarray
    target: np.ndarray
    target_valid: np.ndarray


@dataclass(frozen=True)
class Draws:
    """Batches of a task: one by one, many at once by vmap, or of a plain length; in as few programs as will do."""

    task: Task
    num_samples: int
    num_batches: int
    max_length: int
    seed: int
    programs: dict[str, Callable[..., Any]] = field(default_factory=dict)  # each compiled when first asked for

    def batch(self, stream: int, length: int) -> Arrays:
        """The training batch of one key, from the one program of all lengths."""
        return self.alone(self.key(stream), length, "train")

    def alone(self, key: jax.Array, length: int, split: Split) -> Arrays:
        """The batch of one key, for a traced length."""
        return _to_host(self._run(f"alone {split}", self.sampler(split), key, length))

    def plain(self, key: jax.Array, length: int, split: Split) -> Arrays:
        """The same from a program of its own for this length, which it sees as a plain number."""
        sampler = self.sampler(split)
        return _to_host(self._run(f"plain {length} {split}", lambda key, _: sampler(key, length), key, length))

    def several(self, length: int, split: Split) -> Iterator[Arrays]:
        """The batches of `keys`, drawn at once by vmap, given one by one."""
        batches = _to_host(self._run(split, jax.vmap(self.sampler(split), in_axes=(0, None)), self.keys(), length))
        for lane in range(self.num_batches):
            yield Arrays(*(values[lane] for values in batches))

    def strings(self, stream: int, length: int, split: Split) -> StringArrays:
        """The strings of one key, drawn with a traced length."""
        assert self.task.strings is not None
        sampler = partial(_sample, self.task.strings, self.num_samples, self.max_length, split)
        drawn = self._run(f"strings {split}", sampler, self.key(stream), length)
        return StringArrays(*map(np.asarray, drawn))

    def program(self, function: Callable[..., Any], split: Split) -> tuple[str, list[bytes]]:
        """What `sample` or `strings` does for a split: traced, which costs little, and not compiled."""
        sampler = partial(_sample, function, self.num_samples, self.max_length, split)
        traced = jax.make_jaxpr(sampler)(self.key(0), np.int32(self.max_length))
        return str(traced.jaxpr), [_to_bytes(constant) for constant in traced.consts]

    def _run(self, name: str, sampler: Callable[..., Any], key: jax.Array, length: int) -> Any:
        """Calls the compiled `sampler` with a traced length."""
        if name not in self.programs:
            self.programs[name] = jax.jit(sampler).lower(jax.random.clone(key), np.int32(length)).compile()
        return self.programs[name](key, np.int32(length))

    def sampler(self, split: Split) -> Callable[..., Batch]:
        """`sample` as (key, length) -> batch."""
        return partial(_sample, self.task.sample, self.num_samples, self.max_length, split)

    def key(self, stream: int) -> jax.Array:
        """A fresh key object each time: under `jax.debug_key_reuse` one may be used once."""
        return jax.random.fold_in(jax.random.key(self.seed), stream)

    def keys(self) -> jax.Array:
        """One key a batch, none of them that of a stream."""
        return jax.random.split(self.key(2), self.num_batches)


def _sample(sample: Callable[..., Any], num_samples: int, max_length: int, split: Split, key, length) -> Any:
    """`sample` with its static arguments first."""
    return sample(key, num_samples, length, max_length, split=split)


def _to_bytes(constant: Any) -> bytes:
    """The values of an array, or of a key."""
    is_key = jax.dtypes.issubdtype(constant.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(constant) if is_key else constant).tobytes()


def _to_host(batch: Batch) -> Arrays:
    """The batch in NumPy."""
    return Arrays(*(np.asarray(values) for values in batch))
