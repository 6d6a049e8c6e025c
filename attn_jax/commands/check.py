"""`attn-jax check`: whether a mixer or a task keeps its contract, the user's own too, in words."""

from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeAlias

import jax

from attn_jax.blame import breach, in_words
from attn_jax.config.file import load_module
from attn_jax.errors import ConfigError, MachineError, UserError
from attn_jax.mixers import MIXERS, Mixer, MixerConfig
from attn_jax.names import nearest_names
from attn_jax.platforms import Platform, select_platform
from attn_jax.tasks import TASKS, TaskConfig

Kind: TypeAlias = Literal["mixer", "task"]

_REGISTRIES: dict[Kind, tuple[type, dict[str, Any]]] = {"mixer": (MixerConfig, MIXERS), "task": (TaskConfig, TASKS)}
_EVERY_MIXER = (
    "y has the shape and dtype of x and is finite; bfloat16 in, bfloat16 out, near float32",
    "no row of a batch leaks into another",
    "padding of any content, NaN too, changes no valid output and no gradient",
    "a batch of no rows, and sequences of no places, give an empty y and leave the state as it is",
)
_CAUSAL_MIXER = (
    "y depends on no later x (from the Jacobian)",
    "apply = extend, whole, in 4 + 5 and one by one, in outputs and gradients, padding in the pieces too",
    "the state keeps its shapes and dtypes; a step past max_length is right or NaN",
    "a step from the state that a step returned is not traced again",
)
_MIXER_BOTH_WAYS = ("y depends on earlier and on later x (from the Jacobian); there is no decoding",)
_EVERY_TASK = (
    "shapes, dtypes, weights, scored and valid places are as spec says, at four lengths",
    "one compiled program serves every length, and gives what a plain call gives",
    "key and split alone decide the data; splits of a finite set share no sequence",
    "each floor is what its predictor scores, within four standard errors",
)


@dataclass(frozen=True)
class _Found:
    """What is checked: its configuration, how it was called, and the user's file it comes from."""

    config: Any
    name: str
    path: Path | None = None


def check(kind: Kind, name: str, platform: Platform) -> None:
    """Checks a registered name or FILE.py:ClassName against its contract and prints what holds.

    Raises:
      ConfigError: there is no such file, class or name, or it cannot be made without arguments.
      UserError: a promise is broken, or the user's code raised; one sentence says which and where.
    """
    found = find(kind, name)
    print(f"checking {kind} {found.name} on {select_platform(platform)}", flush=True)
    try:
        promises = _mixer_promises(found.config) if kind == "mixer" else _task_promises(found.config)
    except (Exception, SystemExit) as error:  # whatever the user's code does
        if found.path is None and isinstance(error, ImportError):
            raise MachineError(str(error)) from error  # a task whose data are not installed: it says what to install
        raise UserError(breach(found.name, found.path, error)) from error
    print(f"{found.name} keeps the contract of a {kind}:")
    print("\n".join(f"  {promise}" for promise in promises))


def find(kind: Kind, name: str) -> _Found:
    """The configuration that a registered name or FILE.py:ClassName stands for.

    Raises:
      ConfigError: it stands for none.

    >>> find("mixer", "short_conv").config
    ShortConv(d_model=None, kernel_size=4, activation='silu', use_bias=True)
    """
    base, registry = _REGISTRIES[kind]
    file, colon, attribute = name.rpartition(":")
    if colon and attribute:
        path = Path(file).expanduser()
        return _Found(_instance(kind, path, load_module(path), attribute), name, path)
    if name.endswith((".py", ".py:")):
        own = ", ".join(_own(load_module(Path(name.rstrip(":")).expanduser()), base)) or f"no {kind}"
        raise ConfigError(f"{name}: got no class, wanted {name.rstrip(':')}:ClassName; it has {own}")
    if name not in registry:
        raise ConfigError(f"{kind}: got {name!r}, {nearest_names(name, registry)}")
    return _Found(registry[name], name)


def _instance(kind: Kind, path: Path, module: ModuleType, name: str) -> Any:
    """The configuration of that name in a user's module: an instance, or a class made with its defaults."""
    base, _ = _REGISTRIES[kind]
    if not hasattr(module, name):
        own = _own(module, base)
        raise ConfigError(f"{path}: has no {name!r}, {nearest_names(name, own) if own else f'and no {kind} at all'}")
    value = getattr(module, name)
    if isinstance(value, base):
        return value
    if not (isinstance(value, type) and issubclass(value, base)):
        raise ConfigError(f"{path}: {name} is no {kind}, wanted a subclass of {base.__name__}{_other(value, kind)}")
    try:
        return value()
    except (Exception, SystemExit) as error:  # a field without a default, or what the user's own checks say
        raise ConfigError(f"{path}: {name} cannot be made without arguments: {in_words(path, error)}") from error


def _own(module: ModuleType, base: type) -> list[str]:
    """The names of classes and instances that a module could mean: what it imports it does not."""
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, base)
        or (isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__)
    ]


def _other(value: Any, kind: Kind) -> str:
    """A hint where it is of the other kind."""
    for other, (base, _) in _REGISTRIES.items():
        if other != kind and (isinstance(value, base) or (isinstance(value, type) and issubclass(value, base))):
            return f"; it is a {other}: attn-jax check {other}"
    return ""


def _mixer_promises(config: MixerConfig) -> tuple[str, ...]:
    from attn_jax.testing import check_mixer

    check_mixer(config)
    mixer = replace(config, d_model=16).make()
    return _EVERY_MIXER + (_CAUSAL_MIXER if mixer.causal else _MIXER_BOTH_WAYS) + (_decay(mixer),)


def _decay(mixer: Mixer) -> str:
    """What weight decay pulls to 0 and what it leaves alone: a choice that is easily made unawares."""
    shapes = jax.eval_shape(mixer.init, jax.random.key(0))
    spared = jax.tree_util.tree_flatten_with_path(mixer.spared(shapes))[0]
    names = {
        left: ", ".join(jax.tree_util.keystr(path, simple=True, separator="/") for path, leaf in spared if leaf == left)
        for left in (False, True)
    }
    return f"weight decay pulls at {names[False] or 'nothing'}; it leaves alone {names[True] or 'nothing'}"


def _task_promises(config: TaskConfig) -> tuple[str, ...]:
    from attn_jax.testing import check_task

    check_task(config)
    task = config.make()
    solved = ("solve gives the targets where scored, from what was read so far alone",)
    written = ("strings gives the strings of sample",)
    return _EVERY_TASK + (solved if task.solve else ()) + (written if task.strings else ())
