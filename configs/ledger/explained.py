"""Why numbers of the ledger came out otherwise than they were printed: a paragraph each, and the run that shows it.

Apart from the claims, which do not change once they are declared. A row is

    Explained("09_regular", "RNN: parity", cause="steps", text="...", run="attn-jax compare --config=...")
"""

from attn_jax.config import Explained

EXPLAINED: tuple[Explained, ...] = ()
