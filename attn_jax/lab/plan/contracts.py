"""Before anything is trained: mixers and models of the user's own keep what makes a comparison fair."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax

from attn_jax.blame import breach, from_here
from attn_jax.config.codec import own_class
from attn_jax.config.own_code import file_of
from attn_jax.errors import UserError
from attn_jax.lab.cost.sizes import floating_bytes
from attn_jax.lab.plan.limits import refuse_memory
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.mixers.base import Mixer, MixerConfig
from attn_jax.models import AnyModelConfig, EncoderDecoder, Model
from attn_jax.testing.check_quickly import check_encoder_decoder_quickly, check_mixer_quickly, check_model_quickly


def check_contracts(plan: StudyPlan, models: Sequence[str]) -> None:
    """Checks, in a second or two each, the mixers and models among these that are not the package's own.

    Raises:
      UserError: one sentence, as `attn-jax check` says it: which promise is broken, or where the user's code raised.
    """
    checked = []
    for name in models:
        config = plan.study.models[name]  # not matched: that would trace it, and raise in jax's words
        for path, mixer in _own_mixers(config, f"models.{name}"):
            if (mixer, config.d_model) not in checked:
                _check(path, mixer, partial(_check_mixer, plan, path, mixer, config.d_model))
                checked.append((mixer, config.d_model))
        if own_class(config) is not None:
            _check(f"models.{name}", config, partial(_check_model, plan, f"models.{name}", config))


def _check_mixer(plan: StudyPlan, path: str, mixer: MixerConfig, d_model: int | None) -> None:
    if mixer.d_model is None:
        mixer = replace(mixer, d_model=d_model if d_model is not None else _near_the_reference(plan, mixer))
    _refuse_too_large(path, mixer.make())
    check_mixer_quickly(mixer, max_length=plan.max_tokens)


def _near_the_reference(plan: StudyPlan, config: MixerConfig | AnyModelConfig) -> int:
    """A width for what is yet to be matched: the admissible one nearest to the reference's."""
    study = plan.study
    return config.divisor * max(1, round(study.models[study.reference_name].width / config.divisor))


def _check_model(plan: StudyPlan, path: str, config: AnyModelConfig) -> None:
    if config.d_model is None:
        config = config.resized(_near_the_reference(plan, config))
    model, io = plan.make(config), plan.spec.io
    _refuse_too_large(path, model)
    if plan.study.strings:
        source, target = plan.string_places(plan.longest)
        check_encoder_decoder_quickly(model, io, source_tokens=source, target_tokens=target)
    else:
        check_model_quickly(model, io, max_length=plan.max_tokens)


def _refuse_too_large(path: str, made: Any) -> None:
    """Refuses parameters that no memory holds, before they are drawn; what is no bundle, the check itself refuses."""
    if isinstance(made, Mixer | Model | EncoderDecoder):
        shapes = jax.eval_shape(made.init, jax.random.key(0))
        refuse_memory(floating_bytes(shapes), f"{path}: its parameters")


def _check(path: str, config: Any, check: Callable[[], None]) -> None:
    try:
        check()
    except UserError:  # of the study, not of this class: lengths that cannot be, more memory than there is
        raise
    except (Exception, SystemExit) as error:  # whatever the user's code does
        file = from_here(Path(file_of(type(config)) or ""))
        raise UserError(f"{path}: {breach(f'{file.name}:{type(config).__name__}', file, error)}") from error


def _own_mixers(value: Any, path: str) -> Iterator[tuple[str, MixerConfig]]:
    """The user's own mixers in a model's config, however deep, and where they stand."""
    if isinstance(value, MixerConfig) and own_class(value) is not None:
        yield path, value
    if is_dataclass(value) and not isinstance(value, type):
        for f in fields(value):
            yield from _own_mixers(getattr(value, f.name), f"{path}.{f.name}")
    elif isinstance(value, tuple):
        for i, item in enumerate(value):
            yield from _own_mixers(item, f"{path}.{i}")
