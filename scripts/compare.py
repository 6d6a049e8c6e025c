"""`attn-jax compare` from a checkout: python scripts/compare.py ..."""

import sys

from attn_jax.cli import main

if __name__ == "__main__":  # worker processes import this file again
    sys.exit(main(["compare", *sys.argv[1:]]))
