"""The `attn-jax` command: compare, train, claims, card, work, report, export, diff, doctor, clean, list, show ...

Exit codes: 0 done (also when it was done already), 1 a mixer or task of the user's that raises or breaks its contract,
or damage that doctor found, 2 a bad config, name or file, or another study's directory, 3 every run diverged, 4 the
environment (a missing platform, a locked or unwritable directory, a full disk, no memory, workers that die), 70 a
defect of attn_jax, 75 interrupted and resumable. ATTN_JAX_TRACEBACK=1 shows where an error comes from.
"""

import contextlib
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import Any

from attn_jax.blame import last_word, users_place
from attn_jax.commands.arguments import parse
from attn_jax.commands.card import baselines, card, list_cards
from attn_jax.commands.check import check
from attn_jax.commands.claims import claims, show_claim
from attn_jax.commands.clean import clean
from attn_jax.commands.compare import compare, train
from attn_jax.commands.diff import diff
from attn_jax.commands.doctor import doctor
from attn_jax.commands.export import export
from attn_jax.commands.ledger import ledger
from attn_jax.commands.listing import print_list, show_task
from attn_jax.commands.plan import print_plan
from attn_jax.commands.studies import report
from attn_jax.commands.work import work
from attn_jax.config import Study, Sweep
from attn_jax.config.file import load_config
from attn_jax.config.help import print_axes, print_fields
from attn_jax.errors import InterruptedStudyError
from attn_jax.platforms import device_lines, select_platform, where_studies_run
from attn_jax.terminal import sayable


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns its exit code."""
    with sayable():
        return _exit_code(list(sys.argv[1:] if argv is None else argv))


def _exit_code(argv: list[str]) -> int:
    try:
        with _ending_as_ctrl_c_does():
            _run(parse(argv))
            if sys.stdout is not None:  # it is where the caller closed it
                sys.stdout.flush()
    except BrokenPipeError:  # whoever read has seen enough; a study is kept and goes on when it is asked for again
        only_said = {"-h", "--help", "--config.help", "--plan"} & {*argv}
        trains = argv[:1] in (["compare"], ["train"], ["claims"], ["card"], ["work"]) and not only_said
        return InterruptedStudyError.exit_code if trains else 0
    except SystemExit as error:
        if users_place(error) is None:  # a help text's
            raise
        return last_word(error)
    except BaseException as error:  # a KeyboardInterrupt, or whatever a user's code raises
        return last_word(error)
    return 0


@contextlib.contextmanager
def _ending_as_ctrl_c_does() -> Iterator[None]:
    """A batch system's SIGTERM ends the command as Ctrl-C does; a thread that is not the main one hears no signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stopped = threading.Event()

    def stop(number: int, frame: Any) -> None:
        del number, frame
        stopped.set()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except Exception as error:
        if stopped.is_set():  # out of a C function it may come as another error
            raise KeyboardInterrupt from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(options: Namespace) -> None:
    match options.command:
        case "compare" | "train" if options.help:
            _print_help(load_config(options.config, options.overrides))
        case "compare" if options.plan:
            print_plan(options.config, options.overrides, options.workdir, options.platform, options.place)
        case "compare":
            compare(**_study(options))
        case "train":
            train(model=options.model, **_study(options))
        case "claims":
            where = {key: getattr(options, key) for key in ("platform", "place", "track")}
            told = ledger if options.ledger else claims
            told(options.names, options.workdir, options.run, **where)
        case "card" if options.list:
            list_cards(options.names, options.workdir)
        case "card":
            make = baselines if options.baselines else card
            where = {key: getattr(options, key) for key in ("platform", "place", "track")}
            make(options.names, options.workdir, **where)
        case "work":
            work(options.path, options.first)
        case "report":
            report(options.directories, options.title, options.output)
        case "export":
            export(options.directory, options.rows, options.format, options.output)
        case "diff":
            diff(options.first, options.second)
        case "doctor":
            doctor(options.directory)
        case "clean":
            clean(options.directory, last=options.all)
        case "list":
            if options.measure:
                select_platform(options.platform)
            print_list(options.what, as_json=options.json, measure=options.measure)
        case "show" if options.what == "claim":
            show_claim(options.name, options.workdir)
        case "show":
            show_task(options.name, options.length, options.key)
        case "check":
            check(options.what, options.name, options.platform)
        case "devices":
            select_platform(options.platform)
            print("\n".join([*device_lines(), f"studies run on {where_studies_run()}"]))


def _study(options: Namespace) -> dict[str, Any]:
    """What both commands that train are given."""
    return {
        key: getattr(options, key) for key in ("config", "overrides", "workdir", "platform", "place", "yes", "track")
    }


def _print_help(config: Study | Sweep) -> None:
    """What can be changed in a config."""
    if isinstance(config, Sweep):
        print_axes(config.axes, config.points)
        config = config.study
    print_fields(config)


if __name__ == "__main__":
    sys.exit(main())
