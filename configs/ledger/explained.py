"""Why numbers of the ledger came out otherwise than they were printed: a paragraph each, and the run that shows it.

Apart from the claims, which do not change once they are declared. A row is

    Explained("09_regular", "RNN: parity", cause="steps", text="...", run="attn-jax compare --config=...")
"""

from attn_jax.config import Explained

EXPLAINED: tuple[Explained, ...] = (
    Explained(
        "09_regular",
        "RNN: modular arithmetic",
        cause="steps",
        text="The sign is the printed one and the amount is not: .02 beyond the trained lengths, where 100 is printed. "
        "After 1,500 steps of 32 it has not learnt it where it is trained. With 6,000 steps of 128, 256 units and a "
        "rate of .001 two seeds of two solve it, after some 1,500 steps, and score .96 at 11 symbols and .84 at 19, "
        "trained on up to 9 (2026-12-01, 2 minutes).",
        run="attn-jax compare --config=parity_rnn --config.task=modular_arithmetic --config.train.lengths=1,9 "
        "--config.evaluate.lengths=11,13,15,17,19 --config.train.steps=6000 --config.evaluate.every=500 "
        "--config.train.learning_rates=0.001 --config.train.seeds=2 --workdir=results/modular_rnn",
    ),
    Explained(
        "11_context_sensitive",
        "Tape-RNN: duplicate",
        cause="other",
        text="100 is printed of the best of 180 runs, .42 is the mean of ours, which is of another kind: three of the "
        "twelve have found the tape and score 1.00, .99 and .99 beyond the trained lengths, four score less than .1. "
        "The best of ours is whole too, at 16 to 26 symbols where the source asks 41 to 500.",
        run="attn-jax claims --ledger 11",
    ),
)
