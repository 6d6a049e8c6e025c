"""What each command is for and takes: its arguments, and the help of each."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from attn_jax.commands.export import FORMATS, ROWS
from attn_jax.names import nearest_names
from attn_jax.platforms import Platform

COMMANDS = {
    "compare": "train every model of a study, compare them, and write report.html",
    "train": "train one model of a study in the study's directory; compare goes on from it",
    "claims": "run the shipped claims, or your own, and write claims.html: whatever the verdicts, it ends with 0",
    "card": "say on one page where a mixer stands, your own too: contract, cost, gradients, eight tasks, a verdict",
    "work": "train blocks by hand, from job files that compare --place=slurm:array wrote",
    "report": "write summary.json and report.html again from a study's directory; of several one page of all, too",
    "export": "write a finished study's runs, curves, lengths or probes as a table for other programs",
    "diff": "say where two studies differ: their configs, then their results, model by model",
    "doctor": "say what of a study's directory is whole, what is damaged, and what its command would do next",
    "clean": "free what a study's trained blocks need no more: all checkpoints but the last",
    "list": "list the mixers, the tasks, the claims, and the configs: the shipped ones, and those in ./configs",
    "show": "show one example of a task, input over target over weight, and its floors; or a claim",
    "check": "check a mixer or a task, your own too, against its contract",
    "devices": "say what jax runs on here",
}
_CONFIG = (
    "a python file with get_config(), the study.json of a study, or a shipped config's name (attn-jax list configs); "
    "--config.train.steps=500 changes a field, and --config.help shows them all"
)
_PLACE = (
    "where blocks are trained: processes (default on a CPU), thread (default beside an accelerator), "
    "dask:tcp://HOST:PORT, dask:local:4, slurm:array, or package.module:function, which returns an executor"
)
_TRACK = "tell tensorboard, or package.module:function, what is measured (docs/lab.md); may be given several times"


def _add_study(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=_path, metavar="FILE", help=_CONFIG)
    parser.add_argument(
        "--workdir", type=_path, metavar="DIR", help="where the study lives; default results/<its name>"
    )
    parser.add_argument("--yes", action="store_true", help="begin even what takes more than an hour or 10 GB")
    parser.add_argument("-h", "--help", action="store_true", help="show this, and with --config its fields")
    _add_training(parser)


def _add_training(parser: argparse.ArgumentParser) -> None:
    """Of every command that trains: where, and who is told."""
    parser.add_argument("--track", action="append", default=[], metavar="NAME", help=_TRACK)
    _add_platform(parser)
    parser.add_argument("--place", default="auto", metavar="PLACE", help=_PLACE)


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--plan", action="store_true", help="say what it would take, from a few timed steps; train and write nothing"
    )
    _add_study(parser)


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="NAME", help="the model's name in the study")
    _add_study(parser)


def _add_claims(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="N", help="numbers or files of claims; default all shipped")
    parser.add_argument("--workdir", type=_path, metavar="DIR", help="where claims live; default results/claims")
    parser.add_argument("--ledger", action="store_true", help="the ledger's: what sources printed beside what came out")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--again", dest="run", action="store_const", const="again", help="a second time, with seeds from 1000 on"
    )
    which.add_argument(
        "--quick", dest="run", action="store_const", const="quick", help="in small, to see that it works; marked so"
    )
    parser.set_defaults(run="first")
    _add_training(parser)


def _add_card(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="MIXER", help="FILE.py:ClassName, or a registered name")
    parser.add_argument("--workdir", type=_path, metavar="DIR", help="where cards live; default results/cards")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--list", action="store_true", help="show the scores that cards are held against")
    which.add_argument(
        "--baselines",
        action="store_true",
        help="train those scores: of these registered mixers, default attention, lstm and gru, then all others",
    )
    _add_training(parser)


def _add_work(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=_path, metavar="JOB", help="a job file; or a folder of them, for all that is left")
    parser.add_argument("--first", type=int, metavar="N", default=0, help="which of a folder to begin with")


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=_path, help="the study's directory")


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directories", type=_path, nargs="+", metavar="directory", help="of a study or a sweep")
    parser.add_argument("--title", metavar="TEXT", help="of the page of several")
    parser.add_argument(
        "--output", type=_path, metavar="FILE", help="that page; default studies.html in the folder that holds them all"
    )


def _add_export(parser: argparse.ArgumentParser) -> None:
    _add_folder(parser)
    _add_choice(parser, "--format", tuple(FORMATS), "of the table; default csv; parquet needs pyarrow", default="csv")
    _add_choice(
        parser,
        "--rows",
        tuple(ROWS),
        "what a row is, a run, an evaluation, a length or a probe's number; default runs",
        default="runs",
    )
    parser.add_argument("--output", type=_path, metavar="FILE", help="where to; default standard output")


def _add_diff(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", type=_path, help="a finished study's directory")
    parser.add_argument("second", type=_path, help="another's, of the same task")


def _add_clean(parser: argparse.ArgumentParser) -> None:
    _add_folder(parser)
    parser.add_argument(
        "--all", action="store_true", help="the last checkpoints too: trained models, more steps and probes are lost"
    )


def _add_list(parser: argparse.ArgumentParser) -> None:
    _add_choice(
        parser,
        "what",
        ("mixers", "tasks", "configs", "claims", "all"),
        "mixers, tasks, configs, claims or all; default all",
        nargs="?",
        default="all",
    )
    parser.add_argument("--json", action="store_true", help="as JSON, with all that is known")
    parser.add_argument(
        "--measure",
        action="store_true",
        help="of mixers, the time of a token too, whole and one by one; takes a minute",
    )
    _add_platform(parser)


def _add_show(parser: argparse.ArgumentParser) -> None:
    _add_choice(parser, "what", ("task", "claim"), "task or claim")
    parser.add_argument("name", help="a registered task (attn-jax list tasks), a claim's number or file")
    parser.add_argument("--length", type=int, metavar="N", help="of the example; default the longest trained on")
    parser.add_argument("--key", type=int, default=0, metavar="N", help="another key, another example; default 0")
    parser.add_argument("--workdir", type=_path, metavar="DIR", help="where claims live; default results/claims")


def _add_check(parser: argparse.ArgumentParser) -> None:
    _add_choice(parser, "what", ("mixer", "task"), "mixer or task")
    parser.add_argument("name", help="FILE.py:ClassName (or an instance in the file), or a registered name")
    _add_platform(parser)


def _add_platform(parser: argparse.ArgumentParser) -> None:
    _add_choice(parser, "--platform", get_args(Platform), "what to run on; default auto", default="auto")


ADD_ARGUMENTS = {
    "compare": _add_compare,
    "train": _add_train,
    "claims": _add_claims,
    "card": _add_card,
    "work": _add_work,
    "report": _add_report,
    "export": _add_export,
    "diff": _add_diff,
    "doctor": _add_folder,
    "clean": _add_clean,
    "list": _add_list,
    "show": _add_show,
    "check": _add_check,
    "devices": _add_platform,
}


def _add_choice(parser, name: str, known: Sequence[str], about: str, **options) -> None:
    """An argument that is one of a few words; a wrong one is answered with the nearest."""

    def one_of(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(f"got {text!r}, {nearest_names(text, known)}")
        return text

    metavar = f"{{{','.join(known)}}}" if name.startswith("-") else None
    parser.add_argument(name, type=one_of, metavar=metavar, help=about, **options)


def _path(text: str) -> Path:
    """A path of the user's; the shell leaves the ~ of --workdir=~/x to us."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise argparse.ArgumentTypeError(f"got {text!r}, and {error}") from error
