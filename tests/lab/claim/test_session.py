"""A claim from its file to its verdict and page by the command, without training; and with a study in its place."""

import contextlib
import json

import pytest
from claim_files import write_claim
from tiny_study import get_config

from attn_jax.cli import main
from attn_jax.config import Claim, DeclaredTest, Quantity
from attn_jax.errors import InterruptedStudyError
from attn_jax.lab.claim import session
from attn_jax.lab.claim.record import read_verdicts
from attn_jax.lab.claim.session import PreparedClaim, run_claim
from attn_jax.terminal import Terminal


def claims(capsys, *words):
    code = main(["claims", *map(str, words)])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_claim_is_measured_judged_told_and_kept(tmp_path, capsys):
    path, root = write_claim(tmp_path), tmp_path / "root"
    code, out, err = claims(capsys, path, f"--workdir={root}")
    assert (code, err) == (0, "")
    assert "claim 1: Small gradients vanish." in out
    assert "holds in part: of 3 tests 2 hold, 1 fails [8 seeds" in out
    assert "+ a tanh network: -1 (tanh) against 0: -1 log10 [-1" in out
    assert "+ depth: 2 (all) against 2; counted" in out
    assert {"claims.html", "RESULTS.md", "01_drop"} == {at.name for at in root.iterdir()}
    verdict = read_verdicts(root)["01_drop"]["first"]
    assert (verdict["outcome"], verdict["explain"]) == ("in part", "It is so for one of them.")
    assert [row["outcome"] for row in verdict["tests"]] == ["holds", "fails", "holds"]
    before = {at: at.read_bytes() for at in root.rglob("*.json")}
    rows = root / "01_drop" / "measurements" / "start.json"
    rows.write_text(rows.read_text().replace("-1.0", "-2.0"))  # it is read, not measured again
    assert claims(capsys, path, f"--workdir={root}")[0] == 0
    assert read_verdicts(root)["01_drop"]["first"]["tests"][0]["difference"] < verdict["tests"][0]["difference"]
    assert {at.name for at in before} == {at.name for at in root.rglob("*.json")}
    said = main(["show", "claim", str(path), f"--workdir={root}"]), capsys.readouterr().out
    assert said[0] == 0
    assert "test a GRU: drop of gru is less than 0 (by more than 0.1)" in said[1]
    assert "printed: tanh, log10 a step: -0.3 (table 1)" in said[1]


def test_a_second_run_agrees_or_is_unstable_and_a_small_one_is_marked(tmp_path, capsys):
    path, root = write_claim(tmp_path, ("seed % 7", "seed // 1000 * 200")), tmp_path / "root"
    assert claims(capsys, path, f"--workdir={root}", "--quick")[0] == 0
    assert "holds in part" not in capsys.readouterr().out
    assert "(quick)" in (root / "RESULTS.md").read_text()
    claims(capsys, path, f"--workdir={root}")
    out = claims(capsys, path, f"--workdir={root}", "--again")[1]  # there the GRU's drop is -1.5
    assert "unstable: with other seeds the outcome turns for a GRU" in out
    assert "Unstable: with other seeds the outcome turns for a GRU" in (root / "claims.html").read_text()


@pytest.mark.parametrize(
    ("words", "changes", "says"),
    [
        ([], [("seeds=8", "seeds=4")], "4 seeds cannot decide it"),
        ([], [("def get_config", "def config")], "has no get_config()"),
        ([], [("drop - 0.01", "1 / 0")], "01_drop.py, line 13: ZeroDivisionError: division by zero"),
        (["--again", "--quick"], [], "not allowed with argument"),
    ],
)
def test_what_is_wrong_is_a_sentence(words, changes, says, tmp_path, capsys):
    code, _, err = claims(capsys, write_claim(tmp_path, *changes), f"--workdir={tmp_path / 'root'}", *words)
    assert code == (1 if "Zero" in says else 2)
    assert says in err
    assert "Traceback" not in err


def test_a_study_that_cannot_be_planned_is_named_before_another_is_trained(tmp_path, capsys):
    study = ("sentence=", "studies={'s': replace(tiny(), train=TrainConfig(20, seeds=2))},\n        sentence=")
    names = ("\n\n\ndef drops", "\nfrom tiny_study import get_config as tiny\n\n\ndef drops")
    config = "from attn_jax.config import Claim"
    more = (config, f"from dataclasses import replace\n{config}, TrainConfig")
    code, _, err = claims(capsys, write_claim(tmp_path, study, names, more), f"--workdir={tmp_path / 'root'}")
    assert code == 2
    assert "01_drop.py: studies.s: train.steps: got 20, wanted at least 30" in err
    assert not (tmp_path / "root").exists()


def of_a_study(root, name):
    """A claim of one study, whose results are made up."""
    tests = {"it": DeclaredTest("final", "gru", 0.0, expect="more")}
    quantities = {"final": Quantity(lambda found: found["s"], ("s",))}
    claim = Claim("So.", "here", "Because.", tests, {"s": get_config(), "same": get_config()}, quantities=quantities)
    return PreparedClaim(name, "quick", claim, root / f"{name}.py", root)


def test_a_study_of_two_claims_is_trained_once_and_an_interrupted_one_goes_on(tmp_path, monkeypatch):
    begun = []

    @contextlib.contextmanager
    def trained(configs, directory, **options):
        begun.append([at for _, at in configs.values()])
        assert (options["platform"], options["place"], options["track"]) == ("gpu", "dask:local:2", ["tensorboard"])
        if len(begun) == 1:
            raise InterruptedStudyError("stopped")
        yield

    monkeypatch.setattr(session, "trained_together", trained)
    monkeypatch.setattr(session, "results_in", lambda directory, config: {"gru": [0.5, 0.25]})
    one, two = of_a_study(tmp_path, "01_one"), of_a_study(tmp_path, "02_two")
    for prepared in (one, two):
        prepared.directory.mkdir(parents=True)
    where = {"platform": "cuda", "place": "dask:local:2", "track": ["tensorboard"], "console": Terminal()}
    with pytest.raises(InterruptedStudyError):
        run_claim(one, **where)
    assert json.loads((one.directory / "timing.json").read_text())["training"]["done"] is False
    verdicts = [run_claim(prepared, **where) for prepared in (one, two)]
    (at,) = begun[0]  # the same study has two keys
    assert at.parent == tmp_path / "studies"
    assert begun == [[at]] * 3
    assert verdicts[0]["tests"] == verdicts[1]["tests"]
    assert verdicts[0]["outcome"] == "undecided"  # of two seeds
    assert verdicts[0]["design"][0] == "s: transformer and gru, 200 steps, learning rates 0.001, 0.003, seeds 0 to 1"
    assert json.loads((one.directory / "timing.json").read_text())["training"]["done"] is True
