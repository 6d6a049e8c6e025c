"""What docs/lab.md says of Weights & Biases, with a module in its place that has the same calls and rules."""

import io
import re
import sys
from pathlib import Path
from types import SimpleNamespace

from rich.console import Console
from written_study import write_study

from attn_jax.lab.run.pace import Extent
from attn_jax.lab.track.tracking import tracked

DOCS = Path(__file__).parents[3] / "docs" / "lab.md"


def recipe():
    """The class in docs/lab.md."""
    (source,) = re.findall(
        r"```python\n(import hashlib\n\n\nclass WeightsAndBiases:.*?)```", DOCS.read_text(), re.DOTALL
    )
    names = {}
    exec(source, names)
    return names["WeightsAndBiases"]


class FakeRun:
    """As W&B's: steps ascend, earlier ones are passed over; ids have no slash."""

    def __init__(self, known, *, project, group, name, id, config, resume, reinit):
        assert id.isalnum()
        assert len(id) <= 64
        assert (resume, reinit, project, group) == ("allow", "create_new", "attn_jax", "tiny")
        assert f"/lr={config['learning_rate']}/" in name
        self.name = name
        self.history, self.summary, self.finished = known.setdefault(id, {}), {}, False
        known[id] = self.history

    def log(self, scalars, step):
        if step >= max(self.history, default=0):
            self.history.setdefault(step, {}).update(scalars)

    def finish(self):
        self.finished = True


def test_weights_and_biases_has_each_step_once(tmp_path, monkeypatch):
    histories, runs = {}, []

    def init(**options):
        runs.append(FakeRun(histories, **options))
        return runs[-1]

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    write_study(tmp_path / "s")
    screen = io.StringIO()
    extent = Extent({"transformer": 1, "gru": 1}, 200, [2, 4, 6], 10, 2)
    for _ in range(2):
        with tracked([recipe()], Console(file=screen), concluded=False) as following:
            following.catch_up(tmp_path / "s", extent)
    assert screen.getvalue() == ""
    assert len(histories) == 12
    assert {run.finished for run in runs} == {True}
    history = next(run.history for run in runs if run.name == "gru/lr=0.003/seed=1")
    assert [*history] == [*range(10, 201, 10)]
    assert {"eval/score", "eval/test/score"} <= {*history[200]}
