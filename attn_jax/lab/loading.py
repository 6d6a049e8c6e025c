"""A finished study from its folder: its results, tables of them, and the models that were trained."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attn_jax.blame import in_sentences
from attn_jax.config import Study, Sweep
from attn_jax.errors import ConfigError
from attn_jax.lab.outcome.collect import read_results
from attn_jax.lab.outcome.judged import judge
from attn_jax.lab.outcome.results import Results
from attn_jax.lab.outcome.rows import Row, curve_rows, length_rows, probe_rows, run_rows
from attn_jax.lab.outcome.sweep_rows import at_points
from attn_jax.lab.record.runs import Run, seeds_of
from attn_jax.lab.record.sweep_record import is_sweep, point_directory, read_sweep
from attn_jax.names import nearest_names

if TYPE_CHECKING:  # what trains is not loaded by what only reads
    from attn_jax.models.base import Model
    from attn_jax.types import Params


@dataclass(frozen=True, kw_only=True)
class StudyResults(Results):
    """The results of a study that lies in a folder: `load` and `compare` give them.

    Its fields are those of the study and its numbers as arrays, `models` by name; its methods are tables and models.

    Args:
      directory: where it lies.
      defined_by: where the study's classes are that are not the package's.
    """

    directory: Path
    defined_by: Study | Sweep | str | Path | None = None

    def runs(self) -> list[Row]:
        """A table of one row a run, as `pandas.DataFrame` takes it; docs/lab.md tells of its columns."""
        return run_rows(self)

    def curves(self) -> list[Row]:
        """A table of one row a run and evaluation."""
        return curve_rows(self)

    def lengths(self) -> list[Row]:
        """A table of one row a run and length."""
        return length_rows(self)

    def probes(self) -> list[Row]:
        """A table of one row a run and number that a probe measured."""
        return probe_rows(self)

    def model(self, name: str, *, seed: int, learning_rate: float | None = None) -> "tuple[Model | Any, Params]":
        """A trained model and its parameters, from the last checkpoint: `model.apply(params, tokens, None)`.

        What the study scored it by is computed as `train.matmul_precision` says; on an accelerator, call it within
        `jax.default_matmul_precision`.

        Args:
          name: of a model of the study; of one of several starts, `model@start`.
          seed: of the run.
          learning_rate: of the run; default that at which this seed is reported.

        Returns:
          (model, params): an `attn_jax.models.Model`, over strings an `EncoderDecoder`, with room for the longest
          sequences of the study, and its parameters.

        Raises:
          ConfigError: no such model, seed or rate; a class of your own that `load` was not told of, or whose source
            changed since.
          MachineError: the checkpoint is gone, or damaged.
        """
        from attn_jax.lab.run.trained import trained_model  # what trains is not loaded by what only reads

        run = self._run(name, seed, learning_rate)
        with in_sentences():
            return trained_model(self.directory, self.models[name].model, run, self.defined_by)

    def _run(self, name: str, seed: int, learning_rate: float | None) -> Run:
        """A run of a model."""
        if name not in self.models:
            raise ConfigError(f"name: got {name!r}, {nearest_names(str(name), list(self.models))}")
        result = self.models[name]
        seeds, rates = seeds_of(self.config["train"]), result.learning_rates
        if isinstance(seed, bool) or seed not in seeds:
            raise ConfigError(f"seed: got {seed!r}, wanted one of {', '.join(map(str, seeds))}")
        if learning_rate is None:
            learning_rate = rates[judge(self, result).choice.places[seeds.index(seed)]]
        if learning_rate not in rates:
            raise ConfigError(f"learning_rate: got {learning_rate!r}, wanted one of {', '.join(map(str, rates))}")
        return (int(seed), learning_rate) if result.start is None else (int(seed), learning_rate, result.start)


@dataclass(frozen=True)
class SweepResults:
    """The results of a sweep that lies in a folder: `load` and `compare` give them.

    Args:
      sweep: its name.
      points: the results of each point's study, by the point's name.
      axes: the value of each axis at each point, as a number or text.
      directory: where it lies.
    """

    sweep: str
    points: dict[str, StudyResults]
    axes: dict[str, dict[str, int | float | str]]
    directory: Path

    def runs(self) -> list[Row]:
        """A table of one row a run, as `StudyResults.runs`, with `point` and a column an axis."""
        return at_points(self.sweep, self.axes, {point: study.runs() for point, study in self.points.items()})

    def curves(self) -> list[Row]:
        """A table of one row a run and evaluation, as `runs`."""
        return at_points(self.sweep, self.axes, {point: study.curves() for point, study in self.points.items()})

    def lengths(self) -> list[Row]:
        """A table of one row a run and length, as `runs`."""
        return at_points(self.sweep, self.axes, {point: study.lengths() for point, study in self.points.items()})

    def probes(self) -> list[Row]:
        """A table of one row a run and number that a probe measured, as `runs`."""
        return at_points(self.sweep, self.axes, {point: study.probes() for point, study in self.points.items()})


def load(directory: str | Path, *, config: Study | Sweep | str | Path | None = None) -> StudyResults | Any:
    """The results of a finished study, from its folder: numbers, tables, and the models that were trained.

    Of a sweep it is those of its points, `SweepResults`: the same tables, and `results.points[name]` is one study's.

        results = attn_jax.lab.load("results/parity")
        pandas.DataFrame(results.runs())
        model, params = results.model("lstm", seed=3)

    A folder is data: nothing in it is run. For models of classes of your own, give the config that they come from.

    Args:
      directory: of the study, `--workdir` or results/<its name>.
      config: the python file with the study's own classes, run where `model` needs it, or its `Study`; only the
        classes count, and their source must be what was trained.

    Returns:
      `StudyResults`: `runs()`, `curves()`, `lengths()` and `probes()` are tables, `models[name]` has the same as
      arrays, `model(name, seed=0)` is a trained model. `SweepResults` where a sweep lies, which no type checker can
      know: hence the `Any` beside it.

    Raises:
      ConfigError: no study there, one that is not finished, or a file of it that is damaged.

    >>> load("nowhere")
    Traceback (most recent call last):
    attn_jax.errors.ConfigError: nowhere: holds no study (no study.json); attn-jax compare makes one
    """
    with in_sentences():
        return results_in(Path(directory).expanduser(), config)


def results_in(directory: Path, defined_by: Study | Sweep | str | Path | None) -> StudyResults | SweepResults:
    """The results in a finished study's or sweep's folder, and where classes of the user's own are found."""
    if not is_sweep(directory):
        return study_in(directory, defined_by)
    facts = read_sweep(directory)
    points = {point: study_in(point_directory(directory, point), defined_by) for point in facts["points"]}
    return SweepResults(facts["study"]["name"], points, facts["points"], directory)


def study_in(directory: Path, defined_by: Study | Sweep | str | Path | None) -> StudyResults:
    """The results in a finished study's folder."""
    return StudyResults(**vars(read_results(directory)), directory=directory, defined_by=defined_by)
