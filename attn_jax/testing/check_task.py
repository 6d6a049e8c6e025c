"""Proves that a task keeps its contract (`attn_jax.tasks.base`), on samples; a task of your own can be checked too."""

from collections.abc import Callable, Iterator
from typing import get_args

import jax
import numpy as np

from attn_jax.tasks.base import LossPlaces, Metric, Split, TaskConfig, TaskSpec
from attn_jax.testing.check_floors import check_floors
from attn_jax.testing.check_strings import check_splits_of_strings, check_strings
from attn_jax.testing.draws import Arrays, Draws
from attn_jax.testing.require import require

_NUM_LENGTHS = 4
_NUM_PLACES = 16  # scored places at which causality is tried
_ROUNDING = 1e-6
_PAIRS: tuple[tuple[Split, Split], ...] = (("train", "validation"), ("train", "test"), ("validation", "test"))


def check_task(config: TaskConfig, *, num_samples: int = 256, floor_samples: int = 20_000, seed: int = 0) -> None:
    """Draws from a task and checks everything that `Task`, `TaskSpec`, `Floor` and `Batch` promise.

    At four lengths spread over those that `spec` trains on and tests: shapes and dtypes; places (valid, weights,
    scored); targets against `solve`, whole and on prefixes that end at an answer; floors against what their predictors
    score. All lengths run in one compiled program, which gives what a plain length gives. Key and split pick the data.

    Splits of a finite set (`spec.finite`) share no sequence. Where there is no `solve`, a set of which most of a new
    batch was drawn before must be said to be finite; with an oracle, sequences that come again may be short ones drawn
    afresh. What `strings` gives, where there is any, are the strings of `sample`.

    A predictor's score is what answers drawn from its probabilities score in the task's metric, and its loss the mean
    of -ln of them over the weights; of real answers both are squared errors. Both must lie within four standard errors
    of the floor, on the test split; where no row differs, the floor must be exact.

    Args:
      config: the task's configuration.
      num_samples: sequences in a batch.
      floor_samples: sequences on which a floor is measured, rounded up to whole batches.
      seed: of the data.

    Raises:
      AssertionError: a promise is broken; the sentence names it.

    >>> from attn_jax.tasks import Parity
    >>> check_task(Parity(), num_samples=32, floor_samples=64)
    """
    task = config.make()
    lengths = _check_spec(task.spec)
    draws = Draws(task, num_samples, -(-floor_samples // num_samples), lengths[-1], seed)
    batches = {length: _draw_traced(draws, length) for length in lengths}
    for length, batch in batches.items():
        _check_shapes(task.spec, batch, (num_samples, task.spec.num_tokens(lengths[-1])), length)
        _check_places(task.spec, batch, length)
    middle = lengths[len(lengths) // 2]
    _check_keys(draws, lengths[-1])
    _check_streams(draws, batches[middle], middle)
    _check_alone(draws, middle)
    _check_splits(draws, lengths[-1])
    has_strings = task.strings is not None or task.spec.strings_vocab_size is not None
    for length, batch in batches.items():
        if task.solve is not None:
            _check_solve(task.solve, batch, length)
            _check_causal(task.solve, batch, length)
        check_floors(draws, length)
        if has_strings:
            check_strings(draws, length)
    if has_strings:
        check_splits_of_strings(draws)


def _check_spec(spec: TaskSpec) -> tuple[int, ...]:
    """The default lengths are allowed ones; gives four of them, ascending, the extremes among them."""
    require(spec.metric in get_args(Metric), f"spec.metric is {spec.metric!r}, wanted one of {get_args(Metric)}")
    require(spec.loss_places in get_args(LossPlaces), f"spec.loss_places is {spec.loss_places!r}, wanted scored or all")
    if spec.metric in ("accuracy", "exact_match") and spec.best_floor is None:
        require(0 < spec.best <= 1, f"spec.best is {spec.best}, wanted a share, at most 1")
    threshold = spec.threshold
    require(threshold is None or 0 < threshold <= 1, f"spec.threshold is {threshold}, wanted None or a share of 1")
    rising = list(spec.test_lengths) == sorted(set(spec.test_lengths))
    require(rising, f"spec.test_lengths are {spec.test_lengths}, wanted ascending lengths")
    trained = _allowed(spec, *spec.train_lengths)
    for length in spec.test_lengths:
        require(_allowed(spec, length, length) == (length,), f"test length {length} is not an allowed length")
    every = sorted({*trained, *spec.test_lengths})
    places = np.linspace(0, len(every) - 1, min(_NUM_LENGTHS, len(every))).round().astype(int)
    return tuple(every[place] for place in places)


def _allowed(spec: TaskSpec, low: int, high: int) -> tuple[int, ...]:
    """`spec.lengths(low, high)`, ascending and within its bounds."""
    try:
        lengths = tuple(spec.lengths(low, high))
    except ValueError as error:
        raise AssertionError(f"a default length is not an allowed length: {error}") from error
    inside = sorted({length for length in lengths if low <= length <= high})
    message = f"spec.lengths({low}, {high}) is {lengths}, wanted allowed lengths between both, ascending"
    require(bool(lengths) and list(lengths) == inside, message)
    return lengths


def _draw_traced(draws: Draws, length: int) -> Arrays:
    """The first training batch, out of the one program of all lengths."""
    try:
        return draws.batch(0, length)
    except jax.errors.JAXTypeError as error:
        raise AssertionError(
            f"length {length}: sample refuses a traced length ({type(error).__name__}): it would be compiled again "
            "for every length, wanted one program for all"
        ) from error


def _check_shapes(spec: TaskSpec, batch: Arrays, shape: tuple[int, int], length: int) -> None:
    """Shapes, dtypes, and the range of classes and tokens."""
    io = spec.io
    first = (shape, "int32") if io.channels is None else ((*shape, io.channels), "float32")
    second = (shape, "int32") if io.out_channels is None else ((*shape, io.out_channels), "float32")
    wanted = (first, second, (shape, "float32"), (shape, "bool"), (shape, "bool"))
    for name, values, (size, dtype) in zip(Arrays._fields, batch, wanted, strict=True):
        require(values.shape == size, f"length {length}: {name} has shape {values.shape}, wanted {size}")
        require(values.dtype == dtype, f"length {length}: {name} has dtype {values.dtype}, wanted {dtype}")
    for name, values, size in (("inputs", batch.inputs, io.vocab_size), ("targets", batch.targets, io.num_classes)):
        outside = size is not None and ((values < 0) | (values >= size)).any()
        require(
            not outside, f"length {length}: {name} lie in {values.min()} .. {values.max()}, wanted 0 .. below {size}"
        )


def _check_places(spec: TaskSpec, batch: Arrays, length: int) -> None:
    """Which places are in use, and that padding carries nothing."""
    inputs, targets, weights, scored, valid = batch
    elsewhere = ((weights > 0) & ~scored).any()
    used = spec.num_tokens(length)
    in_use = np.arange(valid.shape[1]) < used
    answered = _last_places(spec, used, valid.shape[1])
    for holds, sentence in (
        ((valid == in_use).all(), f"valid is not the first num_tokens = {used} places of each row"),
        (np.isfinite(inputs).all(), "inputs are not finite"),
        (np.isfinite(targets).all(), "targets are not finite"),
        (not inputs[:, used:].any(), "inputs at padding are not 0"),
        (np.isfinite(weights).all() and (weights >= 0).all(), "weights are negative or not finite"),
        (not weights[:, used:].any(), "weights on padding: the loss would be averaged over it"),
        (not scored[:, used:].any(), "scored places on padding"),
        (weights.any(axis=1).all(), "a row has no place with a weight"),
        (scored.any(axis=1).all(), "a row has no scored place"),
        ((weights[scored] > 0).all(), "a scored place has no weight: its answer is never trained"),
        (elsewhere == (spec.loss_places == "all"), f"weights contradict spec.loss_places, {spec.loss_places!r}"),
        (not weights[:, ~answered].any(), "weights before the places that spec.num_answered says hold them all"),
    ):
        require(holds, f"length {length}: {sentence}")


def _last_places(spec: TaskSpec, used: int, length: int) -> np.ndarray:
    """Which of `length` places are among those of a row of `used` ones that may have weights, bool [T]."""
    place, number = np.arange(length), used if spec.num_answered is None else spec.num_answered(used)
    whole = length if spec.num_answered is None else spec.num_answered(length)
    require(0 < number <= used, f"spec.num_answered({used}) is {number}, wanted 1 to {used}")
    require(number <= whole, f"spec.num_answered({length}) is {whole}, wanted at least the {number} of {used} places")
    return (place >= used - number) & (place < used)


def _check_keys(draws: Draws, length: int) -> None:
    """The key decides the batch, and nothing else does; rows and keys differ."""
    first, second = draws.batch(0, length), draws.batch(1, length)
    require(_equal(first, draws.batch(0, length)), "the same key gives different batches")
    require(not _equal(first, second), "different keys give the same batch: the key is ignored")
    require((first.inputs != first.inputs[0]).any(), "all rows of a batch are the same sequence")


def _check_streams(draws: Draws, batch: Arrays, length: int) -> None:
    """Splits differ: train from test by what is drawn, each from the others by the program that draws it."""
    same = {("train", "test")} if _equal(batch, draws.plain(draws.key(0), length, "test")) else set()
    programs = {split: draws.program(draws.task.sample, split) for split in get_args(Split)}
    for a, b in _PAIRS:
        ignored = (a, b) in same or programs[a] == programs[b]
        require(not ignored, f"splits {a!r} and {b!r} give the same batch: split is ignored")


def _check_alone(draws: Draws, length: int) -> None:
    """A key gives the same batch alone, for a length that is a plain number, and among others for a traced one."""
    plain = draws.plain(draws.keys()[0], length, "test")
    if _equal(next(draws.several(length, "test")), plain):
        return
    for name, traced, wanted in zip(Arrays._fields, draws.alone(draws.keys()[0], length, "test"), plain, strict=True):
        require(_close(traced, wanted), f"length {length}: {name} differs between a traced and a plain length")
    raise AssertionError("vmap over keys gives another batch than the key alone")


def _equal(a: Arrays, b: Arrays) -> bool:
    """Every array the same, up to rounding."""
    return all(map(_close, a, b))


def _close(a: np.ndarray, b: np.ndarray) -> bool:
    """The same shape and values, up to rounding."""
    return a.shape == b.shape and np.allclose(a, b, rtol=0, atol=_ROUNDING)


def _check_solve(solve: Callable[..., np.ndarray], batch: Arrays, length: int) -> None:
    """The oracle says the same wherever an answer is scored or trained."""
    answers = np.asarray(solve(batch.inputs, batch.valid))
    wanted = batch.targets.shape
    require(answers.shape == wanted, f"length {length}: solve gives shape {answers.shape}, wanted {wanted}")
    counted = batch.scored | (batch.weights > 0)
    wrong = np.argwhere(counted & _differ(answers, batch.targets))
    if len(wrong):
        row, place = wrong[0]
        raise AssertionError(
            f"length {length}: targets differ from solve at {len(wrong)} of {counted.sum()} counted places, first "
            f"in row {row} at place {place}: {batch.targets[row, place]} against {answers[row, place]}"
        )


def _differ(answers: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Where classes differ, or real answers by more than rounding."""
    differ = np.abs(answers.astype(np.float64) - targets) > _ROUNDING
    return differ if targets.dtype == np.int32 else np.any(differ, axis=-1)


def _check_causal(solve: Callable[..., np.ndarray], batch: Arrays, length: int) -> None:
    """`targets[t]` follows from `inputs[..t]`: the oracle finds it where nothing after t is there."""
    places = np.flatnonzero(batch.scored.any(axis=0))
    for place in places[np.linspace(0, len(places) - 1, min(_NUM_PLACES, len(places))).round().astype(int)]:
        answers = np.asarray(solve(batch.inputs[:, : place + 1], batch.valid[:, : place + 1]))[:, place]
        require(
            not _differ(answers, batch.targets[:, place])[batch.scored[:, place]].any(),
            f"length {length}: the target at place {place} depends on later inputs: "
            "solve does not find it in the prefix that ends there",
        )


def _check_splits(draws: Draws, length: int) -> None:
    """A finite set is called finite, and no sequence of it lies in two splits."""
    finite = draws.task.spec.finite
    if not finite and draws.task.solve is not None:
        return
    seen = {split: _sequences(draws.several(length, split)) for split in get_args(Split)[: 3 if finite else 1]}
    if not finite:
        again = _sequences([draws.batch(0, length)])
        fresh = len(again & seen["train"]) < len(again) / 2
        require(fresh, "most sequences of a new batch were drawn before: a finite set, but spec.finite is False")
        return
    for a, b in _PAIRS:
        shared = len(seen[a] & seen[b])
        require(not shared, f"the data are a finite set, and splits {a!r} and {b!r} overlap in {shared} sequences")


def _sequences(batches: Iterator[Arrays] | list[Arrays]) -> set[bytes]:
    """The distinct rows of inputs."""
    return {row.tobytes() for batch in batches for row in batch.inputs}
