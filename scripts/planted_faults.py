"""Faults planted in a copy of the package: each must flip or stop the verdict of a claim that rests on what it breaks.

    python scripts/planted_faults.py [NAME ...] [--folder DIR]

A mask that leaks one place, an LSTM without its forget gate, a grid of learning rates that starves one side, a floor
that is off by a factor. For each the claim is run from an honest copy and from the broken one; what it prints is a line
a fault: the test that held and does so no longer, or what the command refused. The exit code is 1 where a fault made no
difference. Some ten minutes on two cores; a folder that is kept goes on where it was stopped.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
Edit = tuple[str, str, str]  # a file, what it says, what it is to say


class Fault(NamedTuple):
    """What is broken, and the claim that must tell."""

    about: str
    claim: str
    planted: tuple[Edit, ...]
    reduced: tuple[Edit, ...] = ()  # in both copies, that it is over soon


_STEPS = "configs/claims/04_steps.py"
FAULTS = {
    "mask": Fault(
        "the causal mask leaks one place",
        "08_mask",
        (
            (
                "attn_jax/ops/attention/masks.py",
                "at_most(k, q, per_batch(self.offset, b))",
                "at_most(k, q, 1 + self.offset)",
            ),
        ),
    ),
    "forget": Fault(
        "the LSTM has no forget gate",
        "01_vanish",
        (  # as it is computed, and as it is computed for a gradient
            ("attn_jax/ops/recurrence/cells.py", "jax.nn.sigmoid(f) * c + ", "c + 0 * f + "),
            ("attn_jax/ops/recurrence/cell_scan.py", "sigmoid(i), jax.nn.sigmoid(f)", "sigmoid(i), jnp.ones_like(f)"),
        ),
    ),
    "rates": Fault(
        "a grid of rates on which the LSTM starves",
        "04_steps",
        ((_STEPS, "(SILENCE, 600, (20, 20), (3e-4, *FAST)", "(SILENCE, 600, (20, 20), (3e-4, 1e-3, 3e-3)"),),
        reduced=((_STEPS, "\nPAIRS = {", '\nTASKS = {"copy_memory": TASKS["copy_memory"]}\nPAIRS = {'),),
    ),
    "floor": Fault(
        "the Bayes floor of Markov chains is off by a fifth",
        "08_mask",
        (("attn_jax/tasks/numbers/markov.py", '"bayes": Floor(bayes, ', '"bayes": Floor(0.8 * bayes, '),),
    ),
}


class Said(NamedTuple):
    """What a run of a claim came to: outcomes by what the tests are about, or the sentence that refused it."""

    outcomes: dict[str, str]
    refused: str


def main() -> int:
    """Plants what was asked for; the number of faults that nobody noticed, at most 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(FAULTS)}; all by default")
    parser.add_argument("--folder", type=Path, help="where the copies and results lie, and stay")
    asked = parser.parse_args()
    if unknown := {*asked.names} - {*FAULTS}:
        parser.error(f"got {', '.join(sorted(unknown))}, wanted of {', '.join(FAULTS)}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        told = [tell(name, folder.resolve()) for name in asked.names or FAULTS]
    return 0 if all(told) else 1


def tell(name: str, folder: Path) -> bool:
    """Runs one fault's claim, honest and broken, and says what the fault changed."""
    fault = FAULTS[name]
    honest = run(fault.claim, copy(folder / name / "honest", fault.reduced))
    broken = run(fault.claim, copy(folder / name / "broken", (*fault.reduced, *fault.planted)))
    said = noticed(honest, broken)
    print(f"{name}: {fault.about}: {said or 'NOBODY NOTICED'}", flush=True)
    return bool(said)


def noticed(honest: Said, broken: Said) -> str:
    """What a fault changed; "" where it changed nothing.

    >>> noticed(Said({"it": "holds"}, ""), Said({"it": "undecided"}, ""))
    'it: holds -> undecided'
    >>> noticed(Said({"it": "holds"}, ""), Said({}, "the floor is wrong"))
    'refused: the floor is wrong'
    >>> noticed(Said({"it": "holds", "more": "fails"}, ""), Said({"it": "holds", "more": "undecided"}, ""))
    ''
    """
    if honest.refused:
        raise SystemExit(f"the honest copy was refused: {honest.refused}")
    if broken.refused:
        return f"refused: {broken.refused}"
    turned = [
        f"{about}: holds -> {broken.outcomes[about]}"
        for about, outcome in honest.outcomes.items()
        if outcome == "holds" != broken.outcomes[about]
    ]
    return "; ".join(turned)


def copy(at: Path, edits: tuple[Edit, ...]) -> Path:
    """The package and its configs, with the edits; once there it is left as it is."""
    if not at.exists():
        part = at.with_name(f"{at.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        for name in ("attn_jax", "configs"):
            shutil.copytree(ROOT / name, part / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "attn_jax_command.py", part)
        for file, old, new in edits:
            text = (part / file).read_text()
            if text.count(old) != 1:
                raise SystemExit(f"{file}: {old!r} stands there {text.count(old)} times, wanted once")
            (part / file).write_text(text.replace(old, new))
        part.rename(at)
    return at


def run(claim: str, at: Path) -> Said:
    """`attn-jax claims` of one claim with the package of that copy."""
    words = ("claims", str(at / "configs" / "claims" / f"{claim}.py"), f"--workdir={at / 'results'}")
    environment: dict[str, Any] = os.environ | {"PYTHONPATH": str(at)}
    done = subprocess.run([sys.executable, "-m", "attn_jax", *words], env=environment, cwd=at, capture_output=True)
    if done.returncode:
        return Said({}, done.stderr.decode().strip().splitlines()[-1])
    verdict = json.loads((at / "results" / claim / "verdict.json").read_text())
    return Said({row["about"]: row["outcome"] for row in verdict["tests"]}, "")


if __name__ == "__main__":
    raise SystemExit(main())
