"""`attn-jax train` from a checkout: python scripts/train.py ..."""

import sys

from attn_jax.cli import main

if __name__ == "__main__":  # worker processes import this file again
    sys.exit(main(["train", *sys.argv[1:]]))
