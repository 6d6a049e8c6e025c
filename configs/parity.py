"""Running parity: is the number of ones so far odd? The mirror of the quickstart: what recurrence does in its sleep.

    attn-jax compare --config=configs/parity.py

About 1.5 minutes on 2 cores.

Result, 2026-11-22, 2 cores (x86-64, AVX-512), Python 3.11, jax 0.10.2: LSTM 8/8 seeds at 3e-3 and 1e-2 (162 and 106
steps, restricted mean), 6/8 and one unconfirmed at 1e-3; tanh RNN 8/8 at every rate (162, 112, 106 steps); both right
at length 100, five times the longest trained on. Transformer 0/24 runs within 400 steps: .67 over lengths 2-20, falling
from 1.00 at 2 bits to .35 at 20 and .07 at 100.

Edges of the grid, 2026-11-30: the transformer scores .70 at 1e-3 and 3e-3, less at 3e-4 (.50, 4 seeds) and at 3e-2
(.40). LSTM and RNN solve it at every rate from 3e-3 to 3e-2 within two or three evaluations; that the highest is the
best for them, by 12 steps (100 and 94), is no reason for a wider grid.

What was tried before, 3 seeds a row, 800 steps, rates {1e-3, 3e-3, 1e-2}; normalised score over lengths 2-20 at the
best rate, so that the transformer enters with the LSTM's care:

    transformer: sinusoidal positions .84 (entered), learned .86 with most of its table untrained beyond 20, none .35;
        4 layers .77; 1 layer .69; 4 heads .84; RMS norm .81
    LSTM, GRU and tanh RNN: classic form 1.00 at every rate (entered; 100-350 steps); LSTM in the block form 1.00
        (2 of 3 seeds at 1e-3), RNN in the block form 1.00
"""

from attn_jax.config import EvaluateConfig, Study, TrainConfig, WorkedExample
from attn_jax.mixers import LSTM, RNN, Attention
from attn_jax.models import ModelConfig, classic
from attn_jax.tasks import Parity


def get_config() -> Study:
    return Study(
        name="parity",
        task=Parity(labels="running"),
        models={
            "transformer": ModelConfig(d_model=32, mixers=(Attention(num_heads=2),), positions="sinusoidal"),
            "lstm": classic(LSTM()),
            "rnn": classic(RNN()),
        },
        train=TrainConfig(steps=400, batch_size=32, lengths=(2, 20), seeds=8, learning_rates=(1e-3, 3e-3, 1e-2)),
        evaluate=EvaluateConfig(every=50, num_examples=128, lengths=(2, 5, 10, 15, 20, 25, 30, 40, 60, 100)),
        probes=(WorkedExample(),),
    )
