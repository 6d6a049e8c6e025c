"""Parity asked at the end, by one tanh RNN of 256 units: how long a study takes from the command to its page.

    attn-jax compare --config=configs/parity_rnn.py

About 0.5 minutes on 2 cores.

Result, 2026-11-28, 2 cores (x86-64, AVX-512), Python 3.11, jax 0.10.2: 28.3 s by the clock from the command to the
page, 28.4 s of CPU; solved after 450 steps, every one of 512 test sequences right at 20, 40 and 100 bits. One run is
one process on one core. The steps take 18 s of it, 30 ms each, compiling 4 s, starting and the page the rest. A public
lab that unrolls and compiles anew for every length takes 95-150 s for as many steps.

What was tried before, 1 seed, 600 steps: embedded in 64 numbers, with a warm-up of 20 steps, 7e-4, 1e-3 and 1.5e-3 end
at 1.00 and 3e-3 too (entered: 1.5e-3); with one of 100 steps 1e-3 alone of four rates does. Embedded in 16, .21 and .29
at 1e-3 and 5e-4: so small an input hardly moves 256 units. Embedded in 256, 1.00 at 1e-3, in 36 s.
"""

from attn_jax.config import EvaluateConfig, Study, TrainConfig
from attn_jax.mixers import RNN
from attn_jax.models import classic
from attn_jax.tasks import Parity


def get_config() -> Study:
    return Study(
        name="parity_rnn",
        task=Parity(),
        models={"rnn": classic(RNN(d_inner=256), d_model=64, num_layers=1)},
        train=TrainConfig(
            steps=600, batch_size=128, lengths=(1, 40), seeds=1, learning_rates=(1.5e-3,), warmup_steps=20
        ),
        evaluate=EvaluateConfig(every=50, num_examples=512, lengths=(20, 40, 100)),
        match=None,
    )
