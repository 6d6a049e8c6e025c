"""The `attn-jax` command: compare, train, report, list, show, check, devices.

Exit codes: 0 done (also when it was done already), 1 a mixer or task that `check` finds to break its contract, 2 a bad
config, name or file, or another study's directory, 3 every run diverged, 4 the environment (a missing platform, a
locked directory, workers that die), 75 interrupted and resumable.
"""

import sys
from argparse import Namespace
from collections.abc import Sequence

from attn_jax.arguments import parse
from attn_jax.checking import check
from attn_jax.comparison import compare, rewrite_report, train
from attn_jax.config_file import load_study
from attn_jax.config_help import print_fields
from attn_jax.errors import InterruptedStudyError, MachineError, UserError
from attn_jax.listing import print_list, show_task
from attn_jax.platforms import device_lines, select_platform, where_studies_run
from attn_jax.terminal import sayable


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns its exit code."""
    with sayable():
        return _exit_code(list(sys.argv[1:] if argv is None else argv))


def _exit_code(argv: list[str]) -> int:
    try:
        _run(parse(argv))
    except UserError as error:
        print(f"attn-jax: {error}", file=sys.stderr)
        return error.exit_code
    except ImportError as error:
        print(f"attn-jax: {error}", file=sys.stderr)
        return MachineError.exit_code
    except BrokenPipeError:  # whoever read has seen enough; a study is kept and goes on when it is asked for again
        trains = argv[:1] in (["compare"], ["train"]) and not {"-h", "--help", "--config.help"} & {*argv}
        return InterruptedStudyError.exit_code if trains else 0
    except KeyboardInterrupt:  # outside of training, where it would be asked to save
        print("attn-jax: stopped; the same command goes on from there", file=sys.stderr)
        return InterruptedStudyError.exit_code
    return 0


def _run(options: Namespace) -> None:
    match options.command:
        case "compare" | "train" if options.help:
            print_fields(load_study(options.config, options.overrides))
        case "compare":
            compare(options.config, options.overrides, options.workdir, options.platform)
        case "train":
            train(options.config, options.overrides, options.model, options.workdir, options.platform)
        case "report":
            rewrite_report(options.directory)
        case "list":
            if options.measure:
                select_platform(options.platform)
            print_list(options.what, as_json=options.json, measure=options.measure)
        case "show":
            show_task(options.name, options.length, options.key)
        case "check":
            check(options.what, options.name, options.platform)
        case "devices":
            select_platform(options.platform)
            print("\n".join([*device_lines(), f"studies run on {where_studies_run()}"]))


if __name__ == "__main__":
    sys.exit(main())
