"""The site, as far as it is text: every public name has a place in the reference, every page in the contents.

Building it takes minutes and other packages: `.ci/run` does.
"""

import ast
import importlib
import re
import sys
from pathlib import Path

import pytest
import yaml  # flax brings it

from attn_jax.config.claim_file import shipped_claims

DOCS = Path(__file__).parent.parent / "docs"
REFERENCE = "\n".join(path.read_text(encoding="utf-8") for path in sorted((DOCS / "reference").glob("*.rst")))
HOUSES = ("config", "lab", "mixers", "models", "nn", "tasks", "testing", "types")
TASKS = ("make_task", "string_task", "strings", "sampling", "floors", "counts", "fields")
PUBLIC = [
    *(
        f"attn_jax{name}"
        for name in ("", ".config", ".lab", ".mixers", ".models", ".nn", ".tasks", ".testing", ".types")
    ),
    *(f"attn_jax.tasks.{name}" for name in TASKS),
    *("attn_jax.config.rules", "attn_jax.lab.outcome.by_seed", "attn_jax.lab.run.places.base"),
    *("attn_jax.nn.linen", "attn_jax.nn.nnx"),
]
NOTEBOOKS = sorted((DOCS / "learn").glob("*.md"))


def names_of(module):
    """What `__all__` says or, where there is none, what is defined in the file itself."""
    path = DOCS.parent / module.replace(".", "/")
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    body = ast.parse(source.read_text(encoding="utf-8")).body
    for node in body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return set(ast.literal_eval(node.value))
    named = [getattr(node, "name", getattr(getattr(node, "target", None), "id", "_")) for node in body]
    return {name for name in named if not name.startswith("_")}


def told(module, reference):
    """The names of a module that the reference has, by directives, or by links to where else they are told."""
    names = re.findall(rf"^\.\. (?:auto(?!module)\w+|py:data):: {re.escape(module)}\.(\w+)$", reference, re.MULTILINE)
    handed_on = re.findall(r"^- :py:obj:`attn_jax\.\w+\.(\w+)`$", reference, re.MULTILINE)
    return {*names, *(handed_on if module == "attn_jax" else ())}


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_has_its_place_in_the_reference(module):
    assert told(module, REFERENCE) == names_of(module)


def test_a_name_that_is_forgotten_is_noticed():
    assert "rotary" not in told("attn_jax", REFERENCE.replace(".. autofunction:: attn_jax.rotary\n", ""))
    assert "IO" not in told("attn_jax", REFERENCE.replace("- :py:obj:`attn_jax.types.IO`\n", ""))
    assert told("attn_jax.types", REFERENCE.replace("types.IO\n", "types.OI\n")) != names_of("attn_jax.types")


def test_every_page_has_one_place_in_the_contents():
    trees = re.findall(r"^```\{toctree\}\n(.*?)^```$", (DOCS / "index.md").read_text(), re.DOTALL | re.MULTILINE)
    listed = [line for tree in trees for line in tree.splitlines() if line and not line.startswith(":")]
    pages = [path.relative_to(DOCS).with_suffix("") for kind in ("md", "rst") for path in DOCS.rglob(f"*.{kind}")]
    assert sorted(listed) == sorted(page.as_posix() for page in pages if page.as_posix() != "index")


def test_the_article_has_every_claim_in_its_order():
    page = (DOCS / "article.md").read_text(encoding="utf-8")
    assert re.findall(r"^```\{claim\} (\d+)\n```$", page, re.MULTILINE) == [*shipped_claims()]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_paired_by_jupytext(path):
    _, head, body = path.read_text(encoding="utf-8").split("---\n", 2)
    told = yaml.safe_load(head)
    assert told["jupytext"]["formats"] == "md:myst,ipynb"
    assert told["jupytext"]["text_representation"] == {"extension": ".md", "format_name": "myst"}  # myst-nb asks for it
    assert {"display_name", "language", "name"} == set(told["kernelspec"])  # Jupyter's own form wants all three
    assert body.count("\n```{code-cell}\n") > 3
    assert body.endswith(f"{{nb-download}}`{path.stem}.ipynb`.\n")


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.md")), ids=lambda path: path.stem)
def test_what_a_page_imports_is_public(path):
    for module, names in re.findall(r"^from (attn_jax[\w.]*) import (.*)$", path.read_text(), re.MULTILINE):
        if module != "attn_jax.cli":  # the command itself
            assert module in PUBLIC
            assert {name.split()[0] for name in names.partition("#")[0].split(",")} <= names_of(module)


@pytest.fixture(scope="module")
def telling():
    """The maker of the article's page, which is no part of the package."""
    sys.path.insert(0, str(DOCS / "extensions"))
    yield importlib.import_module("claim_told")
    sys.path.pop(0)


def test_a_claim_is_told_from_a_results_file_and_else_is_not_run(telling, tmp_path):
    row = "| 3 | Said, \\| so. | holds in part: holds for a; fails for <b> | 8 | 1.1 | not run |"
    tests = "Holds:\n- a: 1 (a) against 1; counted\n\nFails:\n- <b>: 0 (b) against 1: -1 [-2, 0], p .031"
    more = "To know before believing it:\n- nothing"
    file = tmp_path / "RESULTS.md"
    head = "## Claim 3\nSaid, | so.\n\n**holds in part: holds for a; fails for <b>.** Steps & trips."
    file.write_text("\n\n".join([row, head, tests, more, "## Measured on\n- claim 3: here\n"]))
    known = telling.told("3", tmp_path, file)
    assert (known.outcome, known.seeds, known.minutes, len(known.tests)) == ("holds in part", "8", "1.1", 2)
    page = telling.html("3", known)
    assert "fails for &lt;b&gt;" in page
    assert '<p class="explain">Steps &amp; trips.</p>' in page
    assert telling.told("4", tmp_path, file) == telling.NOT_RUN
    page = telling.html("4", telling.NOT_RUN)
    assert ">not run<" in page
    assert telling.declared("4").sentence.split(";")[0] in page
