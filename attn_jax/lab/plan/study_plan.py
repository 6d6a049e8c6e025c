"""From a study to what is run: matched models, training and evaluation lengths, and how runs fall into blocks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp

from attn_jax.blame import raised, users_code
from attn_jax.config.study import HELD, Study
from attn_jax.errors import ConfigError, UserError
from attn_jax.lab.plan.limits import refuse_too_large
from attn_jax.lab.plan.matching import match_to
from attn_jax.lab.plan.quantities import quantity
from attn_jax.lab.plan.sources import own_classes
from attn_jax.lab.plan.task_contract import check_floors, check_lengths, check_sample, check_strings, made, num_places
from attn_jax.lab.plan.yardstick import Yardstick, yardstick
from attn_jax.lab.record.runs import Run, grid_of, seeds_of
from attn_jax.models import AnyModelConfig
from attn_jax.tasks import Floor, Task, TaskSpec
from attn_jax.training.block_plan import BlockPlan
from attn_jax.training.evaluate import spread_lengths
from attn_jax.training.objective import Objective, answers, strings
from attn_jax.training.optim import learning_rate_schedule, make_optimizer
from attn_jax.training.step import train_batch

_FEWEST_BATCHES = 4  # a validation score of a range of lengths
_MANY_SHORT = 0.2  # of the lengths trained on: then a tenth of the work or more is spared
_LENGTHS_TRACED = 32  # of strings, whose places only the task's own function tells


@dataclass(frozen=True)
class StudyPlan:
    """A study with everything that follows from it."""

    study: Study

    def __post_init__(self):
        refuse_too_large(self.study, self.spec)
        evaluations = self.study.train.steps // self.study.evaluate.every
        if self.spec.threshold is not None and evaluations <= HELD:
            raise ConfigError(
                f"train.steps: got {self.study.train.steps}, wanted at least {(HELD + 1) * self.study.evaluate.every}: "
                f"solved means held for {HELD} more evaluations, and evaluate.every is {self.study.evaluate.every}"
            )

    @cached_property
    def task(self) -> Task:
        """The task's functions."""
        try:
            with users_code():
                return made(self.study.task.make())
        except ValueError as error:  # a text file that is not there
            raise ConfigError(f"task: {error}") from error

    @cached_property
    def yardstick(self) -> Yardstick:
        """What models read, say and are scored by, and the floors of that score."""
        return yardstick(self.task, strings=self.study.strings)

    @property
    def spec(self) -> TaskSpec:
        """The yardstick's description."""
        return self.yardstick.spec

    def check_batches(self) -> None:
        """Refuses, before a worker meets it, a task that cannot give batches of this size: a text that is too short."""
        train, longest = self.study.train, max(self.train_lengths)
        if train.label_smoothing and self.spec.io.num_classes is None:
            raise ConfigError(
                f"train.label_smoothing: got {train.label_smoothing} for answers that are real numbers, wanted 0"
            )
        try:
            with users_code():
                check_sample(self.task, train.batch_size, longest)
                if self.study.strings:
                    check_strings(self.task, train.batch_size, longest)
        except ValueError as error:
            raise ConfigError(f"train.batch_size, train.lengths: {error}") from error

    def floors(self, length: int) -> dict[str, Floor]:
        """The yardstick's floors at a length, by name."""
        with users_code():
            floors = self.yardstick.floors(length)
        check_floors(self.spec, floors, length)
        return floors

    @cached_property
    def train_lengths(self) -> tuple[int, ...]:
        """The allowed lengths between the shortest and the longest trained on."""
        return self._allowed("train.lengths", *(self.study.train.lengths or self.spec.train_lengths))

    @cached_property
    def curve_lengths(self) -> tuple[int, ...]:
        """The lengths of the length curve."""
        lengths = self.study.evaluate.lengths or self.spec.test_lengths
        for length in lengths:
            self._allowed("evaluate.lengths", length, length)
        return lengths

    def _allowed(self, path: str, low: int, high: int) -> tuple[int, ...]:
        try:
            with users_code():
                lengths = check_lengths(self.spec.lengths(low, high), low, high)
        except ValueError as error:
            raise ConfigError(f"{path}: {error}") from error
        if not lengths:
            raise ConfigError(f"{path}: the task has none between {low} and {high} {self.spec.length_unit}")
        return lengths

    @cached_property
    def short_places(self) -> int | None:
        """Half of a batch's places, where many of the lengths trained on need no more; None elsewhere, and of strings.

        A step of no more places is compiled beside the whole one, in up to half of its time, and takes half as long.
        """
        if self.study.strings:
            return None
        places = [num_places(self.spec, length) for length in self.train_lengths]
        half = max(places) // 2
        return half if sum(number <= half for number in places) >= _MANY_SHORT * len(places) else None

    @property
    def longest(self) -> int:
        """The longest length that is trained on or scored."""
        return max(*self.train_lengths, *self.curve_lengths)

    @property
    def max_tokens(self) -> int:
        """T of the longest sequence that is trained on or scored."""
        return num_places(self.spec, self.longest)

    @property
    def tokens_per_step(self) -> float:
        """Tokens of a training step, without padding, in the mean over the lengths drawn; of strings, their places."""
        lengths = spread_lengths(self.train_lengths, min(len(self.train_lengths), _LENGTHS_TRACED))
        if self.study.strings:
            tokens = [sum(self.string_places(length)) for length in lengths]
        else:
            tokens = [num_places(self.spec, length) for length in self.train_lengths]
        return self.study.train.batch_size * sum(tokens) / len(tokens)

    def string_places(self, length: int) -> tuple[int, int]:
        """(S, T): the places of a source and of a target of this length, EOS included."""
        if length not in self._places:
            assert self.task.strings is not None  # the yardstick asked
            strings = partial(self.task.strings, batch_size=1, length=length, max_length=length)
            batch = jax.eval_shape(strings, jax.random.key(0))
            self._places[length] = batch.source.shape[1], batch.target.shape[1]
        return self._places[length]

    @cached_property
    def _places(self) -> dict[int, tuple[int, int]]:
        return {}

    @cached_property
    def batch_shapes(self) -> Any:
        """One step's batch, shapes alone."""
        return jax.eval_shape(partial(train_batch, self.block_plan(self.study.reference_name)), 0, 0)

    def make(self, config: AnyModelConfig) -> Any:
        """A model's functions, with room for the longest sequences: an `EncoderDecoder` where it is over strings."""
        if self.study.strings:
            return config.over_strings(self.spec.io, *self.string_places(self.longest))
        return config.make(self.spec.io, self.max_tokens)

    def objective(self, config: AnyModelConfig) -> Objective:
        """A model on the study's task."""
        make, train = strings if self.study.strings else answers, self.study.train
        return make(self.make(config), self.task, label_smoothing=train.label_smoothing, clip=train.clip)

    @property
    def models(self) -> dict[str, tuple[AnyModelConfig, str | None]]:
        """The models as they run, matched if the study says so, each with a note where 2 % could not be reached."""
        return {name: self.model(name) for name in self.study.models}

    def model(self, name: str) -> tuple[AnyModelConfig, str | None]:
        """One of the models, and its note; a worker has no need of the others."""
        if name not in self._sized:
            study = self.study
            matched = study.models[name], None
            if study.match is not None and name != study.reference_name:
                target = self._target  # what is wrong with the reference is said of it
                with self._blaming(name):
                    matched = match_to(target, study.models[name], quantity(self, study.match))
            with self._blaming(name):
                jax.eval_shape(partial(self._longest_forward, matched[0]))  # what is wrong comes out here
            self._sized[name] = matched
        return self._sized[name]

    @cached_property
    def _sized(self) -> dict[str, tuple[AnyModelConfig, str | None]]:
        return {}

    @cached_property
    def _target(self) -> float:
        """What the others are matched to."""
        study = self.study
        assert study.match is not None
        with self._blaming(study.reference_name):
            return quantity(self, study.match).of(study.models[study.reference_name])

    @contextmanager
    def _blaming(self, name: str) -> Iterator[None]:
        """Says of a model what went wrong with it."""
        try:
            with users_code():
                yield
        except UserError:
            raise
        except Exception as error:
            if any(own_classes(self.study.models[name])):  # it gave what the package could not go on with
                raise UserError(
                    f"models.{name} breaks its contract: {raised(error)}; attn-jax check says more"
                ) from error
            if isinstance(error, ValueError):
                raise ConfigError(f"models.{name}: {error}") from error
            raise

    def _longest_forward(self, config: AnyModelConfig) -> Any:
        """A model's outputs on the longest sequence that it will meet, to be traced only."""
        model, io = self.make(config), self.spec.io
        params = model.init(jax.random.key(0))
        if self.study.strings:
            source, target = (jnp.zeros((1, places), jnp.int32) for places in self.string_places(self.longest))
            return model.apply(params, source, source >= 0, target)
        shape = (1, self.max_tokens)
        return model.apply(
            params, jnp.zeros(shape, jnp.int32) if io.channels is None else jnp.zeros((*shape, io.channels)), None
        )

    @property
    def runs(self) -> list[Run]:
        """The runs of a model, seed by seed and rate by rate, of each start."""
        train = self.study.train
        return grid_of(seeds_of(vars(train)), train.learning_rates, [*self.study.starts])

    def block_plan(self, name: str) -> BlockPlan:
        """What the blocks of one model are made of."""
        return self.block_plan_of(self.model(name)[0])

    def block_plan_of(self, config: AnyModelConfig) -> BlockPlan:
        """What the blocks of a model of this size would be made of."""
        train, evaluate = self.study.train, self.study.evaluate
        schedule = learning_rate_schedule(train.schedule, warmup_steps=train.warmup_steps, steps=train.steps)
        objective = self.objective(config)
        # batches no larger than in training, and enough of them for several of the lengths trained on
        batches = max(-(-evaluate.num_examples // train.batch_size), min(len(self.train_lengths), _FEWEST_BATCHES))
        validation = spread_lengths(self.train_lengths, batches)
        curve = tuple(length for length in self.curve_lengths for _ in range(batches))
        return BlockPlan(
            objective=objective,
            optimizer=make_optimizer(
                schedule,
                optimizer=train.optimizer,
                momentum=train.momentum,
                weight_decay=train.weight_decay,
                clip=train.clip,
                spared=objective.spared,
            ),
            train_batch_size=train.batch_size,
            train_lengths=self.train_lengths,
            every=evaluate.every,
            eval_batch_size=-(-evaluate.num_examples // batches),
            validation_lengths=validation,
            test_lengths=validation + curve,
            num_examples=train.num_examples,
            short=self.short_places,
        )
