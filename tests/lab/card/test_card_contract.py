"""What a mixer is where it is none: the future leaked, the input ignored or copied; and its contract point by point."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.lab.card import contract
from attn_jax.lab.card.contract import contract_of, nature_of, sight_of
from attn_jax.mixers.base import Mixer, MixerConfig, zero_padding

X = np.random.default_rng(0).normal(size=(1, 3, 2))
LOWER = np.tril(np.ones((3, 3)))


@pytest.mark.parametrize(
    ("reach", "y", "causal", "wanted"),
    [
        (LOWER, -X, True, "mixes"),
        (np.ones((3, 3)), -X, True, "leaks the future"),
        (np.ones((3, 3)), -X, False, "looks both ways"),
        (LOWER + 1e-9, -X, True, "mixes"),  # rounding is no leak
        (LOWER + 5e-6, -X, True, "mixes"),  # nor is what the contract lets pass
        (LOWER * np.nan, X, True, None),
        (np.eye(3), X, True, "copies its input"),
        (np.eye(3), -X, True, "mixes no places"),
        (np.zeros((3, 3)), X, True, "ignores its input"),
    ],
)
def test_a_mixers_nature_is_read_off_its_jacobian(reach, y, causal, wanted):
    assert nature_of(reach, y, X, causal=causal) == wanted


@dataclass(frozen=True)
class Mean(MixerConfig):
    """The mean of all that was read so far; or, broken, of all, from a length on."""

    leaks: bool = False
    leaks_from: int = 0

    def make(self):
        return Mixer(init, partial(apply, self), init_state, extend, lambda params, x, valid=None: {})


def init(key):
    return {"w": jnp.ones(1)}


def apply(config, params, x, valid=None, *, key=None):
    x = zero_padding(x, valid) * params["w"].astype(x.dtype)
    if config.leaks and x.shape[1] >= config.leaks_from:
        return jnp.broadcast_to(x.mean(1, keepdims=True), x.shape)
    return extend(params, x, init_state(params, *x.shape[:2]), valid)[0]


def init_state(params, batch_size, max_length, *, dtype=jnp.float32):
    return jnp.zeros((batch_size, 1), dtype)


def extend(params, x, state, valid=None):
    return jnp.cumsum(x, 1) / (1 + jnp.arange(x.shape[1]))[:, None].astype(x.dtype), state


@pytest.mark.parametrize(("config", "nature"), [(Mean(), "mixes"), (Mean(leaks=True), "leaks the future")])
def test_what_is_seen_of_a_mixer(config, nature):
    sight = sight_of(config)
    assert sight.nature == nature
    assert not sight.ordered  # a sum forgets who came first


def test_what_leaks_past_the_first_places_alone_is_told(monkeypatch):
    monkeypatch.setattr(contract, "mixer_points", lambda config: [])  # they hold, in some seconds
    (row,) = contract_of(Mean(leaks=True, leaks_from=16), None)
    assert (row["point"], row["holds"]) == ("length", False)
    assert row["said"].startswith("not causal: y depends on a later x")
    assert "a second chunk" in row["fix"]
    (row,) = contract_of(Mean(), None)
    assert row["holds"]
    assert not row["fix"]


@dataclass(frozen=True)
class Raising(Mean):
    """Its apply ends with what it is given."""

    error: type[BaseException] = ValueError

    def make(self):
        def ends(params, x, valid=None, *, key=None):
            raise self.error

        return super().make()._replace(apply=ends)


@pytest.mark.parametrize("error", [ValueError, SystemExit, AssertionError])
def test_of_what_the_users_code_raised_the_line_is_told(error):
    row = contract_of(Raising(error=error), Path(__file__))[-1]
    assert (row["point"], row["holds"]) == ("outputs", False)
    assert f"test_card_contract.py, line {ends_at()}: {error.__name__}" in row["said"]
    assert (row["fix"] == "mend what was raised") == (error is not AssertionError)


def ends_at():
    return 1 + Path(__file__).read_text().splitlines().index("            raise self.error")


@pytest.mark.exhaustive
def test_each_point_is_told_and_what_mends_it():
    rows = {row["point"]: row for row in contract_of(Mean(leaks=True), None)}
    broken = [point for point, row in rows.items() if not row["holds"]]
    assert "sight" in broken
    assert "extend" in broken  # its state knows nothing of what was read
    assert "told" in rows.keys() - broken
    assert rows["sight"]["said"].startswith("not causal: y depends on a later x")
    assert all(bool(row["fix"]) != row["holds"] for row in rows.values())
