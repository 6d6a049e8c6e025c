"""A file of the package has at most 300 lines, a function 60 beside its docstring."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "attn_jax"
FILE, FUNCTION = 300, 60


def too_long(folder):
    """What stands in a folder's files and is longer than that."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        lines = text.count("\n")
        found += [f"{path.name}: {lines} lines"] if lines > FILE else []
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and (length := lines_of(node)) > FUNCTION:
                found.append(f"{path.name}: {node.name}, {length} lines")
    return found


def lines_of(function):
    """From its first line to its last, less the docstring's."""
    length = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function, clean=False) is None:
        return length
    said = function.body[0]
    return length - (said.end_lineno - said.lineno + 1)


def test_nothing_is_longer_than_a_screen():
    assert not too_long(PACKAGE)


def test_what_is_longer_is_named(tmp_path):
    (tmp_path / "long.py").write_text("x = 0\n" * (FILE + 1))
    body = "    x = 0\n" * FUNCTION
    (tmp_path / "function.py").write_text(f'def f():\n{body}\n\ndef g():\n    """\n{body}    """\n    return 0\n')
    (tmp_path / "just.py").write_text("x = 0\n" * (FILE - FUNCTION) + f"def h():\n{body}"[: -len("    x = 0\n")])
    assert too_long(tmp_path) == [f"function.py: f, {FUNCTION + 1} lines", f"long.py: {FILE + 1} lines"]
