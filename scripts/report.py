"""`attn-jax report` from a checkout: python scripts/report.py ..."""

import sys

from attn_jax.cli import main

if __name__ == "__main__":  # worker processes import this file again
    sys.exit(main(["report", *sys.argv[1:]]))
