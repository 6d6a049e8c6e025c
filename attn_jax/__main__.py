"""`python -m attn_jax`: the `attn-jax` command.

Python imports the package, and with it jax, before this file: until then only the command itself hears a signal.
"""

import sys

from attn_jax_command import main

if __name__ == "__main__":  # worker processes import this file again
    sys.exit(main())
