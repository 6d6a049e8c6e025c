"""In a notebook a study shows itself in one output that is changed in place; IPython is a fake that keeps its rules."""

import io
import sys
from types import ModuleType, SimpleNamespace

import pytest
from rich.console import Console

from attn_jax.lab.record.directory import append_row, block_directory
from attn_jax.lab.run.cell import cell_here
from attn_jax.lab.run.pace import Extent
from attn_jax.lab.run.progress import Watch

SCORES = {"loss": [[1.0]], "metric": [[0.5]], "whole": [[0.5]]}
EXTENT = Extent({"<gru>": 2, "lstm": 2}, 100, [2, 4], 50, 2)
ROW = {"step": 50, "seconds": 2.0, "train_loss": [0.5], "diverged": [False], "validation": SCORES}


class Outputs(list):
    """The bundles of each output of a cell, oldest first."""

    def display(self, bundle, *, raw, display_id):
        assert raw
        assert display_id is True
        shown = [bundle]
        self.append(shown)
        return SimpleNamespace(update=lambda bundle, *, raw: shown.append(bundle))


@pytest.fixture
def notebook(monkeypatch):
    """A kernel that keeps what it is given."""
    outputs, shell, module = Outputs(), SimpleNamespace(kernel=object()), ModuleType("IPython")
    module.get_ipython = lambda: shell
    module.display = ModuleType("IPython.display")
    module.display.display = outputs.display
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", module.display)
    return outputs, shell


def test_a_study_has_one_output_that_is_changed_in_place(notebook, tmp_path, monkeypatch):
    outputs, _ = notebook
    screen = Console(file=io.StringIO(), width=100)
    with Watch(screen, tmp_path, EXTENT) as update:
        monkeypatch.setattr("attn_jax.lab.run.progress._LOOK_SECONDS", 0)
        update()
        folder = block_directory(tmp_path, "lstm", 0)
        folder.mkdir(parents=True)
        append_row(folder / "metrics.jsonl", ROW)
        update()
    (shown,) = outputs
    assert len(shown) == 3  # two looks, and the end
    assert "0 of 400 steps" in shown[0]["text/plain"]
    assert "50 of 400 steps" in shown[-1]["text/plain"]
    assert "&lt;gru&gt;" in shown[-1]["text/html"]
    assert screen.file.getvalue() == ""


def test_ipython_without_a_kernel_is_a_terminal(notebook, tmp_path):
    outputs, shell = notebook
    shell.kernel = None
    assert cell_here() is None
    screen = Console(file=io.StringIO(), width=100)
    with Watch(screen, tmp_path, EXTENT):
        pass
    assert outputs == []
    assert "lstm" in screen.file.getvalue()
