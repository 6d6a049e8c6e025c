"""`python -m attn_jax`: the `attn-jax` command."""

import sys

from attn_jax.cli import main

if __name__ == "__main__":  # worker processes import this file again
    sys.exit(main())
