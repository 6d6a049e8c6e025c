"""The language models of examples/: they learn, go on where they were interrupted, and write."""

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import gpt
import gpt_nnx
import jax
import numpy as np
import pytest
from flax import nnx
from gpt_text import encode, pack

from attn_jax import Causal, Segments

EXAMPLES = Path(gpt.__file__).parent
SMALL = gpt.Config(context=24, dim=24, layers=2, heads=4, kv_heads=2, hidden=64)
WORDS = ["--context=24", "--dim=16", "--layers=1", "--heads=2", "--kv-heads=1", "--hidden=16", "--rate=0.02"]
WORDS += ["--steps=40", "--save-every=20"]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A file of a hundred documents about few things."""
    path, rng = tmp_path_factory.mktemp("text") / "text.txt", np.random.default_rng(0)
    verbs = ["sees", "hears", "eats"]
    path.write_text("\n\n".join(f"{i} the cat {rng.choice(verbs)} the dog" for i in range(100)))
    return path


@pytest.fixture(scope="module")
def params():
    return jax.jit(lambda: gpt.init(SMALL, jax.random.key(0)))()


def arrays(folder):
    with np.load(folder / "checkpoint.npz") as saved:
        return dict(saved)


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, text):
    """The folder of a run, and what it said."""
    folder, said = tmp_path_factory.mktemp("unbroken"), io.StringIO()
    with contextlib.redirect_stdout(said):
        gpt.main([*WORDS, f"--file={text}", f"--workdir={folder}"])
    return folder, said.getvalue()


def test_it_learns(unbroken):
    _, said = unbroken
    first, second, held_out = (float(number) for number in re.findall(r"loss (\S+)", said))
    assert second < first
    assert held_out < float(re.findall(r"bytes (\S+)", said)[0]) - 0.5


def test_it_writes(unbroken, capsys):
    gpt.main([f"--workdir={unbroken[0]}", "--sample=7 the", "--num=9"])
    written, compared = capsys.readouterr().out.splitlines()
    assert written.startswith("7 the")
    assert float(compared.split()[-3]) < 1e-4


def test_a_folder_holds_one_run(unbroken, text, tmp_path):
    with pytest.raises(SystemExit, match="take another --workdir"):
        gpt.main([*WORDS, f"--file={text}", f"--workdir={unbroken[0]}", "--seed=1"])
    with pytest.raises(SystemExit, match="train first"):
        gpt.main([f"--workdir={tmp_path}", "--sample=7"])


@pytest.mark.exhaustive
def test_an_interrupted_run_ends_as_an_unbroken_one(tmp_path, text, unbroken, monkeypatch, capsys):
    def fail(path, config, step, state):
        save(path, config, step, state)
        if step == 20:
            (path.parent / "checkpoint.part").write_bytes(b"half of one")  # of the next, which is never finished
            raise KeyboardInterrupt

    save, words = gpt.save, [*WORDS, f"--file={text}", f"--workdir={tmp_path}"]
    monkeypatch.setattr(gpt, "save", fail)
    with pytest.raises(KeyboardInterrupt):
        gpt.main(words)
    monkeypatch.undo()
    assert not same(arrays(tmp_path), arrays(unbroken[0]))
    capsys.readouterr()
    gpt.main(words)
    assert "step   20" not in capsys.readouterr().out
    assert same(arrays(tmp_path), arrays(unbroken[0]))


def test_a_text_is_packed_as_shown():
    rows = pack([b"ab", b"cde"], 7)
    assert [row[0].tolist() for row in rows] == [
        [0, 97, 98, 0, 99, 100, 101],
        [97, 98, 0, 99, 100, 101, 0],
        [1, 1, 1, 2, 2, 2, 2],
        [0, 1, 2, 0, 1, 2, 3],
    ]
    with pytest.raises(SystemExit, match="wanted more than the context of 9"):
        pack([b"ab", b"cde"], 9)


@pytest.mark.exhaustive
def test_documents_of_a_row_are_as_alone(params):
    documents = [b"abc", b"defgh", b"i"]
    rows = pack(documents, 12)

    @jax.jit
    def both(params):
        alone = [gpt.forward(params, encode(d)[None], np.arange(len(d) + 1), Causal())[0] for d in documents]
        packed, mixed = (
            gpt.forward(params, rows.tokens, rows.positions, mask)[0]
            for mask in (Causal() & Segments(rows.segments), Causal())
        )
        return jax.numpy.concatenate(alone), packed, mixed

    alone, packed, mixed = both(params)
    np.testing.assert_allclose(packed, alone, atol=1e-5)
    assert np.abs(mixed - alone).max() > 0.01


def test_the_cache_gives_the_logits_of_a_forward_pass(params):
    assert gpt.difference(params, SMALL, b"as long as the context is") < 1e-5


@pytest.mark.exhaustive
def test_the_nnx_model_is_the_same(params, text, capsys):
    losses = gpt_nnx.main(["--steps=20", "--dim=24", "--context=24", f"--file={text}", "--num=3", "--sample=7"])
    assert losses[-1] < losses[0] - 1
    assert "nats a byte\n7" in capsys.readouterr().out

    model, rows = gpt_nnx.GPT(24, 2, rngs=nnx.Rngs(0)), pack([b"abc", b"defgh", b"i"], 12)
    nnx.update(model, as_nnx(params))
    np.testing.assert_allclose(jax.jit(gpt_nnx.loss)(model, rows), jax.jit(gpt.loss)(params, rows), rtol=1e-5)


def as_nnx(params):
    """The parameters by flax's names."""
    blocks = {}
    for i, layer in enumerate(params["layers"]):
        names = {"query": "w_q", "key": "w_k", "value": "w_v", "out": "w_o"}
        blocks[i] = {
            "attention": {ours: {"kernel": layer["attention"][name]} for ours, name in names.items()},
            **{name: {"scale": layer[name]} for name in ("norm_1", "norm_2")},
            **{name: {"kernel": layer["mlp"][name]} for name in ("gate", "up", "down")},
        }
    ends = {"embedding": {"embedding": params["embedding"]}, "readout": {"kernel": params["readout"]}}
    return ends | {"norm": {"scale": params["norm"]}, "blocks": blocks}


@pytest.mark.exhaustive
def test_four_devices_train_what_one_trains(tmp_path, text):
    states = []
    for devices in (1, 4):
        folder = tmp_path / str(devices)
        env = os.environ | {"JAX_NUM_CPU_DEVICES": str(devices), "NPROC": "16", "JAX_PLATFORMS": "cpu"}
        command = [sys.executable, str(EXAMPLES / "gpt.py"), *WORDS, f"--file={text}", f"--workdir={folder}"]
        subprocess.run(command, env=env, capture_output=True, timeout=200, check=True)
        states.append(arrays(folder))
    for name, one in states[0].items():
        if one.dtype.kind == "f":
            np.testing.assert_allclose(states[1][name], one, rtol=1e-2, atol=1e-3)
