"""What a study would take: of the right order where it was measured, asked for where it is much."""

import pytest

from attn_jax.errors import ConfigError, MachineError
from attn_jax.lab.plan.limits import Demand, demand, refuse_too_much

# configs/quickstart.py as study.json has it; README: 1 minute 55 seconds on two cores
QUICKSTART = {
    "config": {
        "train": {"steps": 800, "batch_size": 32, "seeds": 8},
        "evaluate": {"every": 50, "num_examples": 128},
    },
    "task": {"train_lengths": [2, 12], "lengths": [2, 4, 8, 12, 16], "validation_lengths": [2, 5, 9, 12]},
    "models": {
        name: {
            "parameters": 27_000,
            "train_flops_per_step": flops,
            "config": {"d_model": 32, "num_layers": 2},
        }
        for name, flops in (("transformer", 102e6), ("gru", 98.5e6), ("lstm", 93.7e6))
    },
    "runs": {name: [[[seed, 1e-3] for seed in range(12)]] * 2 for name in ("transformer", "gru", "lstm")},
}
LAYOUT = {"width": 12, "group": 2, "workers": 2, "platform": "cpu", "num_devices": 1}


def test_an_estimate_is_of_the_order_that_was_measured():
    wanted = demand(QUICKSTART, LAYOUT, list(QUICKSTART["models"]))
    assert 115 / 3 < wanted.seconds < 115 * 3
    alone = demand(QUICKSTART, LAYOUT, ["gru"])
    assert alone.seconds < wanted.seconds / 2
    assert alone.disk < wanted.disk / 2


@pytest.mark.parametrize("wanted", [Demand(3700.0, 1.0, 1.0), Demand(1.0, 11e9, 1.0), Demand(1.0, 1.0, 11e9)])
def test_much_is_asked_for_once(wanted, tmp_path, monkeypatch):
    monkeypatch.setattr("attn_jax.lab.plan.limits.shutil.disk_usage", lambda path: type("Usage", (), {"free": 1e12}))
    monkeypatch.setattr("attn_jax.lab.plan.limits.os.sysconf", lambda name: 10**6)  # 10^12 bytes of memory
    with pytest.raises(ConfigError, match="give --yes if that is meant"):
        refuse_too_much(wanted, tmp_path / "new" / "study", on_cpu=True, confirmed=False)
    refuse_too_much(wanted, tmp_path / "new" / "study", on_cpu=True, confirmed=True)


def test_what_cannot_be_is_refused_whoever_confirms_it(tmp_path):
    for wanted, said in ((Demand(1.0, 1e18, 1.0), "of memory at least"), (Demand(1.0, 1.0, 1e18), "are free")):
        with pytest.raises(MachineError, match=said):
            refuse_too_much(wanted, tmp_path, on_cpu=True, confirmed=True)
