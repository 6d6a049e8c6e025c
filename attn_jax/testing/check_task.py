"""Proves that a task keeps its contract (`attn_jax.tasks.base`), on samples; a task of your own can be checked too."""

from collections.abc import Callable, Iterator
from typing import get_args

import jax
import numpy as np

from attn_jax.tasks.base import Floor, Metric, Split, TaskConfig, TaskSpec
from attn_jax.testing.draws import Arrays, Draws

_NUM_LENGTHS = 4
_NUM_PLACES = 16  # scored places at which causality is tried
_STANDARD_ERRORS = 4
_ROUNDING = 1e-6
_PAIRS: tuple[tuple[Split, Split], ...] = (("train", "validation"), ("train", "test"), ("validation", "test"))


def check_task(config: TaskConfig, *, num_samples: int = 256, floor_samples: int = 20_000, seed: int = 0) -> None:
    """Draws from a task and checks everything that `Task`, `TaskSpec`, `Floor` and `Batch` promise.

    At four lengths spread over those that `spec` trains on and tests: shapes and dtypes; places (valid, weights,
    scored); targets against `solve`, whole and on prefixes that end at an answer; floors against what their predictors
    score. All lengths run in one compiled program and give what they give untraced. Key and split pick the data.

    Splits of a finite set share no sequence. A set is taken for finite where there is no `solve` and most of a new
    batch was drawn before: with an oracle, sequences that come again are as likely short ones drawn afresh.

    A predictor's score is the mean probability that it gives to the right answer at the scored places, and its loss
    the mean of -ln of it over the weights: what an answer drawn from its probabilities scores. Both must lie within
    four standard errors of the floor, on the test split; where no row differs, the floor must be exact.

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
    _check_streams(draws, lengths[-1])
    for length, batch in batches.items():
        _check_untraced(draws, batch, length)
    _check_vmap(draws, lengths[-1])
    if task.solve is None:
        _check_splits(draws, lengths[-1])
    for length, batch in batches.items():
        if task.solve is not None:
            _check_solve(task.solve, batch, length)
            _check_causal(task.solve, batch, length)
        _check_floors(draws, length)


def _require(condition: bool | np.bool_, message: str) -> None:
    """`assert`, which python -O would leave out."""
    if not condition:
        raise AssertionError(message)


def _check_spec(spec: TaskSpec) -> tuple[int, ...]:
    """The default lengths are allowed ones; gives four of them, ascending, the extremes among them."""
    _require(spec.metric in get_args(Metric), f"spec.metric is {spec.metric!r}, wanted one of {get_args(Metric)}")
    _require(0 < spec.best <= 1, f"spec.best is {spec.best}, wanted an accuracy, at most 1")
    threshold = spec.threshold
    _require(threshold is None or 0 < threshold <= 1, f"spec.threshold is {threshold}, wanted None or a share of 1")
    rising = list(spec.test_lengths) == sorted(set(spec.test_lengths))
    _require(rising, f"spec.test_lengths are {spec.test_lengths}, wanted ascending lengths")
    trained = _allowed(spec, *spec.train_lengths)
    for length in spec.test_lengths:
        _require(_allowed(spec, length, length) == (length,), f"test length {length} is not an allowed length")
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
    _require(bool(lengths) and list(lengths) == inside, message)
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


def _check_untraced(draws: Draws, batch: Arrays, length: int) -> None:
    """A plain call of `sample` gives what the compiled program gives for the traced length."""
    plain = draws.untraced(draws.key(0), length, "train")
    for name, traced, untraced in zip(Arrays._fields, batch, plain, strict=True):
        same = traced.shape == untraced.shape and np.allclose(traced, untraced, rtol=0, atol=_ROUNDING)
        _require(same, f"length {length}: {name} differs between a traced and a plain length")


def _check_shapes(spec: TaskSpec, batch: Arrays, shape: tuple[int, int], length: int) -> None:
    """Shapes, dtypes, and the range of classes and tokens."""
    io = spec.io
    first = (shape, "int32") if io.channels is None else ((*shape, io.channels), "float32")
    wanted = (first, (shape, "int32"), (shape, "float32"), (shape, "bool"), (shape, "bool"))
    for name, values, (size, dtype) in zip(Arrays._fields, batch, wanted, strict=True):
        _require(values.shape == size, f"length {length}: {name} has shape {values.shape}, wanted {size}")
        _require(values.dtype == dtype, f"length {length}: {name} has dtype {values.dtype}, wanted {dtype}")
    for name, values, size in (("inputs", batch.inputs, io.vocab_size), ("targets", batch.targets, io.num_classes)):
        outside = size is not None and ((values < 0) | (values >= size)).any()
        _require(
            not outside, f"length {length}: {name} lie in {values.min()} .. {values.max()}, wanted 0 .. below {size}"
        )


def _check_places(spec: TaskSpec, batch: Arrays, length: int) -> None:
    """Which places are in use, and that padding carries nothing."""
    inputs, _, weights, scored, valid = batch
    used = spec.num_tokens(length)
    in_use = np.arange(valid.shape[1]) < used
    for holds, sentence in (
        ((valid == in_use).all(), f"valid is not the first num_tokens = {used} places of each row"),
        (np.isfinite(inputs).all(), "inputs are not finite"),
        (not inputs[:, used:].any(), "inputs at padding are not 0"),
        (np.isfinite(weights).all() and (weights >= 0).all(), "weights are negative or not finite"),
        (not weights[:, used:].any(), "weights on padding: the loss would be averaged over it"),
        (not scored[:, used:].any(), "scored places on padding"),
        (weights.any(axis=1).all(), "a row has no place with a weight"),
        (scored.any(axis=1).all(), "a row has no scored place"),
        ((weights[scored] > 0).all(), "a scored place has no weight: its answer is never trained"),
    ):
        _require(holds, f"length {length}: {sentence}")


def _check_streams(draws: Draws, length: int) -> None:
    """The key decides the batch, and nothing else does; rows, keys and splits differ."""
    first, second = draws.batch(0, length), draws.batch(1, length)
    _require(_equal(first, draws.batch(0, length)), "the same key gives different batches")
    _require(not _equal(first, second), "different keys give the same batch: the key is ignored")
    _require((first.inputs != first.inputs[0]).any(), "all rows of a batch are the same sequence")
    streams = {split: draws.untraced(draws.key(0), length, split) for split in get_args(Split)}
    for a, b in _PAIRS:
        _require(not _equal(streams[a], streams[b]), f"splits {a!r} and {b!r} give the same batch: split is ignored")


def _check_vmap(draws: Draws, length: int) -> None:
    """A key gives the same batch among others and alone."""
    alone = draws.untraced(draws.keys()[0], length, "test")
    same = _equal(next(draws.several(length, "test")), alone)
    _require(same, "vmap over keys gives another batch than the key alone")


def _equal(a: Arrays, b: Arrays) -> bool:
    """Every array the same, up to rounding."""
    return all(np.allclose(x, y, rtol=0, atol=_ROUNDING) for x, y in zip(a, b, strict=True))


def _check_solve(solve: Callable[..., np.ndarray], batch: Arrays, length: int) -> None:
    """The oracle says the same wherever an answer is scored or trained."""
    answers = np.asarray(solve(batch.inputs, batch.valid))
    wanted = batch.targets.shape
    _require(answers.shape == wanted, f"length {length}: solve gives shape {answers.shape}, wanted {wanted}")
    counted = batch.scored | (batch.weights > 0)
    wrong = np.argwhere(counted & (answers != batch.targets))
    if len(wrong):
        row, place = wrong[0]
        raise AssertionError(
            f"length {length}: targets differ from solve at {len(wrong)} of {counted.sum()} counted places, first "
            f"in row {row} at place {place}: {batch.targets[row, place]} against {answers[row, place]}"
        )


def _check_causal(solve: Callable[..., np.ndarray], batch: Arrays, length: int) -> None:
    """`targets[t]` follows from `inputs[..t]`: the oracle finds it where nothing after t is there."""
    places = np.flatnonzero(batch.scored.any(axis=0))
    for place in places[np.linspace(0, len(places) - 1, min(_NUM_PLACES, len(places))).round().astype(int)]:
        answers = np.asarray(solve(batch.inputs[:, : place + 1], batch.valid[:, : place + 1]))[:, place]
        _require(
            (answers == batch.targets[:, place])[batch.scored[:, place]].all(),
            f"length {length}: the target at place {place} depends on later inputs: "
            "solve does not find it in the prefix that ends there",
        )


def _check_floors(draws: Draws, length: int) -> None:
    """Chance is a floor below the best, and each predictor scores what its floor says."""
    floors, spec = draws.task.floors(length), draws.task.spec
    _require(spec.chance in floors, f"spec.chance is {spec.chance!r}, the floors are {', '.join(floors)}")
    below = floors[spec.chance].metric != spec.best
    _require(below, f"length {length}: chance {spec.chance!r} is as good as the best, scores cannot be normalised")
    sums: dict[str, list[np.ndarray]] = {name: [] for name in floors}
    for batch in draws.several(length, "test"):
        used = Arrays(*(values[:, : spec.num_tokens(length)] for values in batch))  # padding only costs time
        for name, floor in floors.items():
            sums[name].append(_row_sums(f"length {length}: floor {name!r}", floor, used, spec.io.num_classes))
    for name, floor in floors.items():
        right, scored, loss, weight = np.concatenate(sums[name]).T
        _check_claim(f"length {length}: metric of floor {name!r}", floor.metric, right, scored)
        if floor.loss is not None:
            _check_claim(f"length {length}: loss of floor {name!r}", floor.loss, loss, weight)


def _row_sums(what: str, floor: Floor, batch: Arrays, num_classes: int) -> np.ndarray:
    """[B, 4]: expected right answers, scored places, loss and weight of each row."""
    probabilities = np.asarray(floor.predict(batch.inputs, batch.valid))
    wanted = (*batch.targets.shape, num_classes)
    _require(probabilities.shape == wanted, f"{what} predicts shape {probabilities.shape}, wanted {wanted}")
    is_mass = (probabilities >= 0).all() and np.allclose(probabilities.sum(axis=-1), 1)
    _require(is_mass, f"{what} predicts no probabilities: they are below 0 or their sum is not 1")
    right = np.take_along_axis(probabilities, batch.targets[..., None], axis=-1)[..., 0]
    with np.errstate(divide="ignore"):
        loss = -np.log(np.where(batch.weights > 0, right, 1))
    columns = (right * batch.scored, batch.scored, loss * batch.weights, batch.weights)
    return np.stack([column.sum(axis=1, dtype=np.float64) for column in columns], axis=1)


def _check_claim(what: str, claimed: float, parts: np.ndarray, wholes: np.ndarray) -> None:
    """`claimed` lies within four standard errors of sum(parts) / sum(wholes), rows being independent."""
    _require(np.isfinite(parts).all(), f"{what}: {claimed:.5f} is claimed, but its predictor gives some answer no mass")
    measured = parts.sum() / wholes.sum()
    error = np.std(parts - measured * wholes) / np.sqrt(len(parts)) / wholes.mean()
    _require(
        abs(measured - claimed) <= _STANDARD_ERRORS * error + _ROUNDING,
        f"{what}: {claimed:.5f} is claimed, its predictor scores {measured:.5f} (standard error {error:.5f})",
    )


def _check_splits(draws: Draws, length: int) -> None:
    """Where the data are a finite set, no sequence lies in two splits."""
    seen = {split: _sequences(draws.several(length, split)) for split in get_args(Split)}
    again = _sequences([draws.batch(0, length)])
    if len(again & seen["train"]) < len(again) / 2:
        return  # fresh sequences by key: there is nothing to be disjoint
    for a, b in _PAIRS:
        shared = len(seen[a] & seen[b])
        _require(not shared, f"the data are a finite set, and splits {a!r} and {b!r} overlap in {shared} sequences")


def _sequences(batches: Iterator[Arrays] | list[Arrays]) -> set[bytes]:
    """The distinct rows of inputs."""
    return {row.tobytes() for batch in batches for row in batch.inputs}
