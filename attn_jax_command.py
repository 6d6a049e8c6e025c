"""The command `attn-jax` before anything is imported: jax takes seconds, and whoever stops it then is answered too."""

import os
import signal
import sys
from typing import Any

_STOPPED = b"attn-jax: stopped; the same command goes on from there\n"


def main() -> int:
    """Runs the command line; returns its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)

    try:
        import jax  # noqa: F401 # here what the environment sets is read
    except (ValueError, ImportError) as error:
        print(f"attn-jax: jax cannot be imported: {str(error).splitlines()[0]}", file=sys.stderr)
        return 4

    from attn_jax.cli import main

    return main()


def _leave(number: int, frame: Any) -> None:
    """Ends at once: nothing was begun, and an exception would end somewhere inside an import."""
    del number, frame
    os.write(2, _STOPPED)
    os._exit(75)


if __name__ == "__main__":
    sys.exit(main())
