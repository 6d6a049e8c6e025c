"""`attn-jax claims --ledger` from its files to its page, without training: entered, told, resumed, refused."""

import json

import pytest

from attn_jax.cli import main
from attn_jax.config import ledger as config_ledger
from attn_jax.lab.claim.ledger import read_ledger

TEXT = '''
"""A drop."""

from attn_jax.config import Cell, Claim, DeclaredTest, Measurement, Quantity
from attn_jax.lab.outcome.by_seed import from_rows


def rows(seeds):
    return [{"cell": cell, "seed": seed, "score": score - 0.001 * (seed % 7)}
            for cell, score in (("gru", 0.97), ("rnn", 0.5)) for seed in seeds]


def get_config():
    cell = {"where": "table 1", "source": "A 2020", "functional": "maximum", "runs": 10, "unit": 100}
    return Claim(
        sentence="Gates help.",
        source="A 2020",
        explain="Because of this. And that.",
        tests={"a GRU over an RNN": DeclaredTest("score", "gru", "rnn", expect="more")},
        measurements={"m": Measurement(rows, seeds=12, quick_seeds=2)},
        quantities={"score": Quantity(lambda found: from_rows(found["m"], "score", "cell"), ("m",), limits=(0, 1))},
        published=(
            Cell(97.0, "accuracy, %", "a GRU", **cell, measure="score", model="gru", same_size=True),
            Cell(60.0, "accuracy, %", "an RNN", **cell, measure="score", model="rnn"),
            Cell(99.0, "accuracy, %", "an LSTM", **cell, reason="a week"),
        ),
    )
'''


@pytest.fixture
def file(tmp_path, monkeypatch):
    folder = tmp_path / "ledger"
    folder.mkdir()
    path = folder / "1_gates.py"
    path.write_text(TEXT.lstrip())
    monkeypatch.setattr(config_ledger, "shipped_files", lambda: {})
    for module in ("attn_jax.config.ledger", "attn_jax.commands.ledger"):
        monkeypatch.setattr(f"{module}.ledger_claims", lambda: {"1": path})
    monkeypatch.setattr("attn_jax.commands.ledger.claim_path", lambda name, folder: path)
    return path


def run(capsys, root, *words):
    code = main(["claims", "--ledger", f"--workdir={root}", *words])
    return code, *capsys.readouterr()


def test_it_is_entered_and_told_and_the_same_command_goes_on(file, tmp_path, capsys):
    root = tmp_path / "root"
    code, out, err = run(capsys, root)
    assert (code, err) == (0, "")
    assert "ledger: 1 reproduced, 1 direction, 1 not tried" in out
    text, page = (root / "LEDGER.md").read_text(), (root / "ledger.html").read_text()
    assert "| a GRU | accuracy, % 97, maximum of 10 runs | A 2020, table 1 | reproduced |" in text
    assert "maximum of 10 runs of ours lies in [" in text
    assert "| an LSTM | accuracy, % 99, maximum of 10 runs | A 2020, table 1 | not tried | a week |" in text
    assert "a GRU over an RNN: .97 against .50" in page and "<script" not in page
    assert "attn-jax claims --ledger 1" in (root / "claims.html").read_text()
    before = (root / "ledger.json").read_bytes()
    assert run(capsys, root, "1")[0] == 0
    assert (root / "ledger.json").read_bytes() == before


def test_what_is_run_in_small_is_not_entered(file, tmp_path, capsys):
    root = tmp_path / "root"
    assert run(capsys, root, "--quick")[0] == 0
    assert not (root / "ledger.json").exists()


def test_results_of_what_is_declared_otherwise_now_do_not_count(file, tmp_path, capsys):
    root = tmp_path / "root"
    run(capsys, root)
    kept = json.loads((root / "ledger.json").read_text())
    kept["claims"]["1_gates"]["fingerprint"] = "another"
    (root / "ledger.json").write_text(json.dumps(kept))
    from attn_jax.commands.ledger import load_ledger, rows_in

    assert {row.status for row in rows_in(root / "ledger.json", load_ledger())} == {"not tried"}


def test_what_is_wrong_is_a_sentence(file, tmp_path, capsys):
    root = tmp_path / "root"
    file.write_text(TEXT.lstrip().replace("seeds=12", "seeds=5"))
    code, _, err = run(capsys, root)
    assert (code, "1_gates: tests.a GRU over an RNN: 5 seeds cannot decide it: over the 1 tests" in err) == (2, True)
    file.write_text(TEXT.lstrip())
    root.mkdir()
    (root / "ledger.json").write_text("{}")
    code, _, err = run(capsys, root)
    assert (code, "is not of this version" in err) == (2, True)


def test_a_ledger_that_is_not_there_is_empty(tmp_path):
    assert read_ledger(tmp_path / "ledger.json") == {}
