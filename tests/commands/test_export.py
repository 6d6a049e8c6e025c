"""`attn-jax export`: the tables in every format, to a file and to standard output."""

import csv
import io
import json

import pytest
from written_study import write_study

from attn_jax.cli import main
from attn_jax.lab import load


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished study, written as workers would."""
    folder = tmp_path_factory.mktemp("written") / "study"
    write_study(folder)
    return folder


@pytest.mark.parametrize("rows", ["runs", "curves", "lengths"])
def test_every_format_has_the_rows_that_load_gives(rows, folder, tmp_path, capsys):
    wanted = getattr(load(folder), rows)()
    assert main(["export", str(folder), f"--rows={rows}", "--format=jsonl"]) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == wanted
    output = tmp_path / "table.csv"
    assert main(["export", str(folder), f"--rows={rows}", f"--output={output}"]) == 0
    as_text = [{key: "" if value is None else str(value) for key, value in row.items()} for row in wanted]
    assert list(csv.DictReader(io.StringIO(output.read_text()))) == as_text
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_parquet(folder, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    output = tmp_path / "runs.parquet"
    assert main(["export", str(folder), "--format=parquet", f"--output={output}"]) == 0
    assert parquet.read_table(output).to_pylist() == load(folder).runs()
