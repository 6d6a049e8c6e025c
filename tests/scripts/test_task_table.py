"""docs/tasks.md holds the table that the registry gives, and the check notices when it does not."""

import importlib
import re
import sys
from pathlib import Path

import pytest

from attn_jax.commands.listing import list_tasks
from attn_jax.tasks import TASKS

ROOT = Path(__file__).parent.parent.parent
ROW = {
    "name": "one",
    "config": "One(side='a|b')",
    "about": "One: what is it?",
    "source": "a book of Python 3.1.4, sha256 " + "a" * 64,
    "metric": "bits_per_token",
    "best": 0.0,
    "best_floor": None,
    "threshold": None,
    "loss_places": "all",
    "train_lengths": [3, 3],
    "length_unit": "bits",
    "test_lengths": [2, 3],
    "vocabulary": None,
    "channels": 2,
    "classes": None,
    "out_channels": 1,
    "floors": {"uniform": {"value": 0.123456, "loss": 1.0}, "bigram": {"value": 2.0, "loss": None}},
    "chance": "uniform",
    "strings": True,
    "missing": None,
}


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    yield importlib.import_module("task_table")
    sys.modules.pop("task_table", None)


def page_of(script, *rows):
    return script.with_table(f"# Before\n{script.MARKS[0]}old\n{script.MARKS[1]}\nAfter\n", script.table_of(rows))


def test_the_page_is_not_stale(script):
    rows = list_tasks()
    table = script.table_of(rows)
    assert not script.is_stale((ROOT / "docs" / "tasks.md").read_text(encoding="utf-8"), table), (
        "docs/tasks.md is stale: python scripts/task_table.py"
    )
    assert re.findall(r"^\| `(\w+)`<br>", table, re.MULTILINE) == list(TASKS)


def test_a_row(script):
    line = script.table_of([ROW]).splitlines()[2]
    assert line == (
        r"| `one`<br>`One(side='a\|b')` | One: what is it? | a book of Python 3.1.4, sha256 aaaaaaaaaaaa | "
        r"bits_per_token, best 0 |  | all | 3 bits | 2, 3 | 2 ch. &rarr; 1 ch. | **uniform 0.123**<br>bigram 2 | yes |"
    )
    plain = ROW | {
        "best": None,
        "best_floor": "bayes",
        "threshold": 0.95,
        "train_lengths": [1, 3],
        "vocabulary": 5,
        "classes": 4,
    }
    cells = [cell.strip() for cell in script.table_of([plain]).splitlines()[2].split(" | ")]
    assert cells[3:5] == ["bits_per_token, best bayes", "0.95"]
    assert cells[6] == "1 to 3 bits"
    assert cells[8] == "5 &rarr; 4"


def test_a_table_is_put_between_its_marks(script):
    page = page_of(script, ROW)
    assert page.startswith("# Before\n")
    assert page.endswith(f"{script.MARKS[1]}\nAfter\n")
    assert "old" not in page
    assert page.count("`one`") == 1
    assert not script.is_stale(page, script.table_of([ROW]))
    with pytest.raises(ValueError, match="wants both marks"):
        script.with_table("# No marks\n", "")


@pytest.mark.parametrize(
    "change",
    [{"name": "two"}, {"threshold": 0.5}, {"test_lengths": [2]}, {"floors": {}}, {"about": "Two."}, {"strings": False}],
)
def test_every_change_of_a_row_is_noticed(script, change):
    plain = ROW | {"source": "a book"}
    for row in (ROW, plain):
        assert script.is_stale(page_of(script, row), script.table_of([row | change]))
    assert script.is_stale(page_of(script, ROW, plain), script.table_of([ROW]))
    assert script.is_stale(page_of(script, ROW, plain), script.table_of([plain, ROW]))


def test_a_row_from_other_data_is_not_compared(script):
    other = ROW | {"source": ROW["source"].replace("aaa", "bbb"), "floors": {}}
    assert not script.is_stale(page_of(script, ROW), script.table_of([other]))
    assert script.is_stale(page_of(script, ROW), script.table_of([other | {"name": "two"}]))
    newer = ROW | {"source": ROW["source"].replace("3.1.4", "3.1.5")}
    assert not script.is_stale(page_of(script, ROW), script.table_of([newer]))


def test_check_writes_nothing(script, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(script, "list_tasks", lambda: [ROW])
    page = tmp_path / "tasks.md"
    page.write_text(stale := page_of(script, ROW | {"about": "Old."}), encoding="utf-8")
    words = [f"--page={page}"]
    assert script.main(["--check", *words]) == 1
    assert "is stale: python scripts/task_table.py" in capsys.readouterr().err
    assert page.read_text(encoding="utf-8") == stale
    assert script.main(words) == 0
    assert script.main(["--check", *words]) == 0
    assert page.read_text(encoding="utf-8") == page_of(script, ROW)
    monkeypatch.setattr(script, "list_tasks", lambda: [ROW | {"missing": "needs a thing"}])
    assert script.main(words) == 2
    assert "needs a thing" in capsys.readouterr().err
