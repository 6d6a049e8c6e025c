"""The words of the `attn-jax` command read: options, overrides of a config, and one sentence for what is wrong."""

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from attn_jax.commands.options import ADD_ARGUMENTS, COMMANDS
from attn_jax.errors import ConfigError
from attn_jax.names import nearest_names
from attn_jax.version import __version__

_ABOUT = """\
Compares transformers with recurrent networks honestly.

  attn-jax compare --config=quickstart
      trains a study, prints its table and writes its page
  attn-jax compare --config=quickstart --config.help
      shows what can be changed in it
  attn-jax compare --config=quickstart --plan
      says what it would take
  attn-jax claims 3
      runs the third of the shipped claims
"""
_CODES = """\
exit codes:
  0   done, also when it was done already
  1   a mixer or task of yours that raises or breaks its contract; damage found
  2   a bad config, name or file, or another study's directory
  3   every run diverged
  4   the environment: no such platform, a locked folder, no room, dying workers
  70  a defect of attn_jax itself
  75  interrupted; the same command goes on from there
ATTN_JAX_TRACEBACK=1 shows where an error comes from.
"""


class _Parser(argparse.ArgumentParser):
    """Raises what argparse would print, and what it would hide of a full disk that help goes to."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message} ({self.prog} --help says more)")

    def _print_message(self, message: str, file: Any = None) -> None:
        print(message, end="", file=file, flush=True)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The command line's options: `command`, its own ones, and the `--config.` words as `overrides`.

    Where help was asked for together with a config, `help` is True and the command's own part has been printed.

    Raises:
      ConfigError: a word that is none, or one that is missing; the nearest is named.
      SystemExit: help or the version was asked for, and has been printed.
    """
    words, overrides = split_overrides(argv)
    parser, commands = _parsers()
    if words[:1] == ["help"]:
        words = [*words[1:2], "--help"]
    if words and not words[0].startswith("-") and words[0] not in commands:
        raise ConfigError(f"{words[0]}: no such command, {nearest_names(words[0], commands)}")
    options, strange = parser.parse_known_args(words or ["--help"])
    if options.command is None:
        raise ConfigError(f"{argv[0]}: got no command before it, wanted one of {', '.join(commands)}")
    options.overrides = tuple(overrides)
    _refuse_strange(strange, options, commands[options.command])
    if options.command in ("compare", "train"):
        _complete(options, commands[options.command])
    elif overrides:
        raise ConfigError(f"{overrides[0]}: only compare and train take overrides of a config")
    return options


def split_overrides(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """The command's own words, and the `--config.field value ...` ones.

    >>> split_overrides(["compare", "--config=a.py", "--config.train.lengths", "2", "3", "--platform=cpu"])
    (['compare', '--config=a.py', '--platform=cpu'], ['--config.train.lengths', '2', '3'])
    """
    words, overrides = [], []
    into = words
    for word in argv:
        if word.startswith("--") or word == "-h":  # -1 is a value
            into = overrides if word.startswith("--config.") else words
        into.append(word)
    return words, overrides


def _parsers() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The command's parser, and one a command."""
    style = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    parser = _Parser("attn-jax", description=_ABOUT, epilog=_CODES, **style)
    parser.add_argument("--version", action="version", version=f"attn_jax {__version__}")
    several = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    commands = {}
    for name, about in COMMANDS.items():
        own_help = name not in ("compare", "train")  # these two show their config's fields too
        commands[name] = several.add_parser(name, help=about, description=f"{about}.", add_help=own_help, **style)
        ADD_ARGUMENTS[name](commands[name])
    return parser, commands


def _refuse_strange(strange: Sequence[str], options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """The first word that the command does not take, with what may have been meant."""
    if not strange:
        return
    word, _, _ = strange[0].partition("=")
    if word.startswith("-"):
        raise ConfigError(
            f"{word}: no such option, {nearest_names(word, re.findall('--[a-z]+', parser.format_help()))}"
        )
    hint = f"did you mean --config={word}?" if getattr(options, "config", word) is None else f"see {parser.prog} --help"
    raise ConfigError(f"{word}: {parser.prog} takes no such word; {hint}")


def _complete(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Prints help if it was asked for, and refuses what lacks a config or a model."""
    options.help = options.help or "--config.help" in options.overrides
    options.overrides = tuple(word for word in options.overrides if word != "--config.help")
    if options.help:
        parser.print_help()
        if options.config is None:
            raise SystemExit(0)
    elif options.config is None:
        raise ConfigError(f"--config is missing: {parser.prog} --config=quickstart, say")
    elif options.command == "train" and options.model is None:
        raise ConfigError("--model is missing: the name of one model of the study")
