"""What surrounds the code is said once and is true: pins, hooks, workflows, the citation, what is never loaded."""

import ast
import configparser
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml  # flax brings it

import attn_jax

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
LOADERS = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "yaml"}
RUNNERS = {"eval", "exec", "compile", "__import__", "exec_module", "import_module"}


def load(path):
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def extras(name):
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return [line for line in config["options.extras_require"][name].splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("tool", ["ruff", "basedpyright"])
def test_tools_are_pinned_and_the_pinned_ones_are_installed(tool):
    assert f"{tool}=={version(tool)}" in extras("test")


def test_hooks_are_the_commands_of_the_readme_and_the_table_of_imports():
    hooks = [hook for repo in load(".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    *tools, imports = [hook["entry"] for hook in hooks]
    second = README.split("```")[1].strip().splitlines()[1]
    assert second.split(" && ")[1:-1] == tools
    *_, words, path = imports.split()
    assert f"def test_imports_{words.strip(chr(34))}(" in (ROOT / path).read_text()
    assert {hook["language"] for hook in hooks} == {"system"}  # another language would have versions of its own


def complaints(workflow):
    """What gives a workflow more than it needs, or lets others change what it runs."""
    if workflow.get("permissions") != {"contents": "read"}:
        yield "permissions"
    for name, job in workflow["jobs"].items():
        if job.get("permissions", {}) not in ({}, {"id-token": "write"}):
            yield f"{name}: permissions"
        if "timeout-minutes" not in job:
            yield f"{name}: no timeout"
        yield from (
            f"{name}: {step['uses']}"
            for step in job["steps"]
            if "uses" in step and not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])
        )


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_may_read_and_run_pinned_actions(path):
    assert list(complaints(load(path))) == []


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (r"@[0-9a-f]{40} # v6.0.2", "@v6", "test: actions/checkout@v6"),
        ("contents: read", "contents: write", "permissions"),
        ("permissions:\n  contents: read\n", "", "permissions"),
        (r" +timeout-minutes: \d+\n", "", "test: no timeout"),
        (r"    timeout", "    permissions: write-all\n    timeout", "test: permissions"),
    ],
)
def test_a_workflow_that_may_more_is_refused(before, after, said):
    text, count = re.subn(before, after, (ROOT / ".github/workflows/ci.yml").read_text())
    assert count
    assert list(complaints(yaml.safe_load(text))) == [said]


def test_ci_runs_what_is_run_here_in_every_python_on_the_oldest_and_the_newest_jax():
    job = load(".github/workflows/ci.yml")["jobs"]["test"]
    assert [step["run"] for step in job["steps"] if "run" in step] == ["bash .ci/run python ${{ matrix.jax }}"]
    oldest = re.search(r"jax>=([\d.]+)", (ROOT / "setup.cfg").read_text())
    assert oldest
    assert job["strategy"]["matrix"]["jax"] == [f"jax=={oldest[1]}", ""]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]


def test_a_release_is_the_wheel_that_was_tried():
    jobs = load(".github/workflows/release.yml")["jobs"]
    assert [step["run"] for step in jobs["build"]["steps"] if "run" in step][-1] == "bash .ci/wheel dist"
    assert jobs["publish"]["needs"] == "build"
    assert not [step for step in jobs["publish"]["steps"] if "run" in step]
    assert "&& bash .ci/wheel .cache/dist)" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("script", [".ci/run", ".ci/wheel", "scripts/slurm_one_node.sh"])
def test_scripts_are_bash(script):
    subprocess.run(["bash", "-n", str(ROOT / script)], check=True)


def test_the_citation_is_of_this_version():
    citation = load("CITATION.cff")
    assert {"message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == attn_jax.__version__
    assert "license = " + citation["license"] in (ROOT / "setup.cfg").read_text()


def loads_code(source):
    """What of a module could run something that it reads."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            yield from LOADERS & {name.partition(".")[0] for name in names}
        elif isinstance(node, ast.Call):
            called = node.func
            yield from RUNNERS & {getattr(called, "id", None), getattr(called, "attr", None)} - _not_python(called)
            yield from (word.arg for word in node.keywords if word.arg == "allow_pickle")


def _not_python(called):
    """`re.compile` and a lowered program's `compile` make no Python code."""
    return {"compile"} if isinstance(called, ast.Attribute) else set()


def test_only_a_python_file_of_the_users_is_run():
    package = ROOT / "attn_jax"
    found = {str(path.relative_to(package)): list(loads_code(path.read_text())) for path in package.rglob("*.py")}
    assert {path: what for path, what in found.items() if what} == {
        "config/own_code.py": ["exec_module", "import_module", "import_module"]
    }


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import pickle", "pickle"),
        ("from cloudpickle import loads", "cloudpickle"),
        ("def f(x):\n    return eval(x)", "eval"),
        ("import importlib\nimportlib.import_module(name)", "import_module"),
        ("np.load(path, allow_pickle=True)", "allow_pickle"),
    ],
)
def test_what_could_run_more_is_found(source, said):
    assert said in list(loads_code(source))
