"""Files are written whole, and read back only where they are what could have been written."""

import json

import pytest

from attn_jax.errors import ConfigError
from attn_jax.files import read_json, write_whole


def test_what_is_no_text_is_written_as_a_question_mark(tmp_path):
    write_whole(tmp_path / "page", "results/\udcff ✓")
    assert (tmp_path / "page").read_text(encoding="utf-8") == "results/? ✓"


def test_what_is_nested_deeply_is_refused_before_anybody_walks_through_it(tmp_path):
    path = tmp_path / "my.json"
    path.write_text(json.dumps({"a": 1, "b": [0, {"c": [[]]}]}))
    assert read_json(path) == {"a": 1, "b": [0, {"c": [[]]}]}
    path.write_text('{"a": ' + "[" * 900 + "]" * 900 + "}")
    with pytest.raises(ConfigError, match=r"my.json: not JSON: it is nested too deeply"):
        read_json(path)
