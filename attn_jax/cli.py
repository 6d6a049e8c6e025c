"""The `attn-jax` command: compare, train, report, list, show, check, devices.

Exit codes: 0 done (also when it was done already), 1 a mixer or task that `check` finds to break its contract, 2 a bad
config, name or file, or another study's directory, 3 every run diverged, 4 the environment (a missing platform, a
locked directory, workers that die), 75 interrupted and resumable.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import tyro

from attn_jax.checking import Kind, check
from attn_jax.comparison import compare, rewrite_report, train
from attn_jax.errors import ConfigError, InterruptedStudyError, MachineError, UserError
from attn_jax.listing import print_list, show_task
from attn_jax.platforms import Platform, device_lines, select_platform, where_studies_run


@dataclass(frozen=True)
class Compare:
    """Trains every model of a study, compares them, and writes report.html.

    Args:
      config: a python file with get_config(), JSON, or a shipped config's name (attn-jax list configs). Its fields can
        be overridden: --config.train.steps=500.
      workdir: where the study lives; default results/<study name>.
      platform: what to run on.
    """

    config: Path
    workdir: Path | None = None
    platform: Platform = "auto"


@dataclass(frozen=True)
class Train:
    """Trains one model of a study, matched as there, in the study's directory; compare goes on from it.

    Args:
      config: a python file with get_config(), JSON, or a shipped config's name (attn-jax list configs). Its fields can
        be overridden: --config.train.steps=500.
      model: its name in the study.
      workdir: where the study lives; default results/<study name>.
      platform: what to run on.
    """

    config: Path
    model: str
    workdir: Path | None = None
    platform: Platform = "auto"


@dataclass(frozen=True)
class Report:
    """Writes summary.json and report.html again from a study's directory.

    Args:
      directory: the study's directory.
    """

    directory: Annotated[Path, tyro.conf.Positional]


@dataclass(frozen=True)
class List:
    """Lists what there is.

    Args:
      what: mixers, tasks, or configs: the shipped ones, by name, and those in ./configs.
      json: as JSON.
      measure: of mixers, the time of a token too, a sequence of 1,024 read whole and one by one; takes a minute.
      platform: what to measure on.
    """

    what: Annotated[Literal["mixers", "tasks", "configs", "all"], tyro.conf.Positional] = "all"
    json: bool = False
    measure: bool = False
    platform: Platform = "auto"


@dataclass(frozen=True)
class Show:
    """Shows one example of a task: input over target over weight, and the task's floors.

    Args:
      what: task.
      name: a registered task.
      length: of the example; default the longest trained on.
      key: another key, another example.
    """

    what: Annotated[Literal["task"], tyro.conf.Positional]
    name: Annotated[str, tyro.conf.Positional]
    length: int | None = None
    key: int = 0


@dataclass(frozen=True)
class Check:
    """Checks a mixer or a task, your own too, against its contract, and says what holds or which promise is broken.

    Args:
      what: mixer or task.
      name: FILE.py:ClassName (or an instance in the file), or a registered name.
      platform: what to run on.
    """

    what: Annotated[Kind, tyro.conf.Positional]
    name: Annotated[str, tyro.conf.Positional]
    platform: Platform = "auto"


@dataclass(frozen=True)
class Devices:
    """Says what jax runs on here.

    Args:
      platform: what to ask for.
    """

    platform: Platform = "auto"


Command: TypeAlias = Compare | Train | Report | List | Show | Check | Devices


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns its exit code."""
    words, overrides = split_overrides(sys.argv[1:] if argv is None else argv)
    command = tyro.cli(Command, args=words, prog="attn-jax", description=__doc__)
    try:
        if overrides and not isinstance(command, Compare | Train):
            raise ConfigError(f"{overrides[0]}: only compare and train take overrides of a config")
        _run(command, tuple(overrides))
    except UserError as error:
        print(f"attn-jax: {error}", file=sys.stderr)
        return error.exit_code
    except ImportError as error:
        print(f"attn-jax: {error}", file=sys.stderr)
        return MachineError.exit_code
    except KeyboardInterrupt:  # outside of training, where it would be asked to save
        print("attn-jax: stopped; the same command goes on from there", file=sys.stderr)
        return InterruptedStudyError.exit_code
    return 0


def split_overrides(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """The command's own words, and the `--config.field value ...` ones.

    >>> split_overrides(["compare", "--config=a.py", "--config.train.lengths", "2", "3", "--platform=cpu"])
    (['compare', '--config=a.py', '--platform=cpu'], ['--config.train.lengths', '2', '3'])
    """
    words, overrides = [], []
    into = words
    for word in argv:
        if word.startswith("--"):
            into = overrides if word.startswith("--config.") else words
        into.append(word)
    return words, overrides


def _run(command: Command, overrides: tuple[str, ...]) -> None:
    match command:
        case Compare(config, workdir, platform):
            compare(config, overrides, workdir, platform)
        case Train(config, model, workdir, platform):
            train(config, overrides, model, workdir, platform)
        case Report(directory):
            rewrite_report(directory)
        case List(what, as_json, measure, platform):
            if measure:
                select_platform(platform)
            print_list(what, as_json=as_json, measure=measure)
        case Show(_, name, length, key):
            show_task(name, length, key)
        case Check(what, name, platform):
            check(what, name, platform)
        case Devices(platform):
            select_platform(platform)
            print("\n".join([*device_lines(), f"studies run on {where_studies_run()}"]))


if __name__ == "__main__":
    sys.exit(main())
