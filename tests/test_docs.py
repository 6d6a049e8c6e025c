"""The pages in docs/ and CONTRIBUTING.md: their python runs and prints what is below it, links lead somewhere.

A section's snippets run from top to bottom in one namespace that begins with the names of the page's opening (what
stands before the first `##`). No section rebinds one of these, so the page as a whole runs from top to bottom too.

    ```python             runs; a ```text block right below it is what it prints (figures in MB may differ: XLA's)
    ```python devices=8   runs in a process of its own, with so many CPU devices
    ```python torch       runs where torch is installed
"""

import contextlib
import importlib.util
import io
import os
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path
from typing import NamedTuple

import pytest

from attn_jax.commands.arguments import parse
from attn_jax.config.file import load_config
from attn_jax.config.shipped import shipped_configs
from attn_jax.errors import ConfigError

DOCS = Path(__file__).parent.parent / "docs"
BLOCK = re.compile(r"^```([\w{}-]*)( [^\n]*)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)

PRINTED = re.compile(r"\n```text\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Snippet(NamedTuple):
    """One block of python."""

    page: str
    line: int  # of its first line in the page
    option: str  # what stands behind the word python
    source: str
    printed: str


def snippets(page: str, text: str, first_line: int = 1) -> list[Snippet]:
    """The blocks of python, each with the text block right below it."""
    found = []
    for block in BLOCK.finditer(text):
        if block[1] == "python":
            line = first_line + text[: block.start()].count("\n") + 1
            below = PRINTED.match(text, block.end())
            found.append(Snippet(page, line, (block[2] or "").strip(), block[3], below[1] if below else ""))
    return found


def sections(path: Path) -> dict[str, list[Snippet]]:
    """The snippets of each section by its title; those before the first under ""."""
    text = path.read_text(encoding="utf-8")
    starts = [0, *(match.start() for match in re.finditer(r"^## ", text, re.MULTILINE))]
    parts = {}
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        title = text[start:end].partition("\n")[0].removeprefix("## ") if start else ""
        parts[title] = snippets(path.name, text[start:end], text[:start].count("\n") + 1)
    return parts


def run(snippet: Snippet, names: dict) -> None:
    """Runs a snippet and compares what it prints."""
    if snippet.option.startswith("devices="):
        printed = run_apart(snippet)
    elif snippet.option == "torch" and importlib.util.find_spec("torch") is None:
        return
    else:
        out = io.StringIO()
        with contextlib.redirect_stdout(out), warnings.catch_warnings():
            if snippet.option == "torch":
                warnings.simplefilter("ignore")
            exec(compile("\n" * (snippet.line - 1) + snippet.source, snippet.page, "exec"), names)
        printed = out.getvalue()
    assert without_sizes(printed) == without_sizes(snippet.printed), f"{snippet.page}, line {snippet.line}"


def run_apart(snippet: Snippet) -> str:
    """What a snippet prints in a process with many CPU devices."""
    devices = snippet.option.removeprefix("devices=")
    env = os.environ | {"JAX_NUM_CPU_DEVICES": devices, "NPROC": "16", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-W", "error", "-c", snippet.source]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def without_sizes(printed: str) -> str:
    """Text with its figures in MB left out: they are XLA's, and differ between versions."""
    return re.sub(r"[\d.]+ MB", "# MB", printed)


PAGES = [*sorted(DOCS.rglob("*.md")), DOCS.parent / "CONTRIBUTING.md"]
SECTIONS = {
    f"{path.stem}: {title}": (path, title) for path in PAGES for title, found in sections(path).items() if found
}


@pytest.fixture(scope="module")
def openings():
    """Each page's names before its first section."""
    return {path: opening(path) for path in PAGES}


def opening(path: Path) -> dict:
    names: dict = {}
    for snippet in sections(path).get("", []):
        run(snippet, names)
    return names


@pytest.mark.sampled(3)
@pytest.mark.programs(150)  # what a reader types is eager
@pytest.mark.parametrize(("path", "title"), SECTIONS.values(), ids=SECTIONS)
def test_a_section_runs_and_prints_what_it_shows(path, title, openings):
    before = openings[path]
    names = dict(before)
    for snippet in sections(path)[title] if title else []:
        run(snippet, names)
    assert not [name for name, value in before.items() if names.get(name) is not value], "a name of the opening changed"


def test_what_is_shown_is_compared_twin():
    text = "```python\nx = 1\nprint(x)\n```\n```text\n1\n```\n"
    names: dict = {}
    run(snippets("page", text)[0], names)
    assert names["x"] == 1
    wrong = (text.replace("\n1\n", "\n2\n"), text.partition("```text")[0], text.replace("print(x)", ""))
    for page in wrong:
        with pytest.raises(AssertionError, match="page, line 2"):
            run(snippets("page", page)[0], {})
    with pytest.raises(ZeroDivisionError):
        run(snippets("page", "```python\n1 / 0\n```\n")[0], {})


def commands(text: str) -> list[str]:
    """What follows `attn-jax` in blocks of a terminal, and in a line's code where there is an option."""
    blocks = "".join(block[3] for block in BLOCK.finditer(text) if block[1] in ("", "text"))
    typed = re.findall(r"^(?:\$ )?attn-jax (?!\w+:)([\w-].*?)(?:  +.*| [;#].*)?$", blocks, re.MULTILINE)
    return [*typed, *re.findall(r"`attn-jax ([^`]* --[^`]*)`", BLOCK.sub("", text))]


@pytest.mark.parametrize("path", [*PAGES, DOCS.parent / "README.md"], ids=lambda path: path.name)
def test_its_commands_may_be_typed(path):
    for command in commands(path.read_text(encoding="utf-8")):
        words = shlex.split(command.partition(" && ")[0])
        options = parse(words)
        if options.command in ("compare", "train") and options.config.stem in shipped_configs():
            load_config(options.config, options.overrides)


def test_a_command_that_may_not_be_typed_is_found_twin():
    text = "`attn-jax list --yaml`\n```\n$ attn-jax compare --config=parity --config.train.stops=3  # or so\n```\n"
    assert commands(text) == ["compare --config=parity --config.train.stops=3", "list --yaml"]
    listing = parse(commands(text)[0].split())
    with pytest.raises(ConfigError, match="stops"):
        load_config(listing.config, listing.overrides)
    with pytest.raises(ConfigError, match="yaml"):
        parse(commands(text)[1].split())


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    titles = re.findall(r"^#+ (.*)", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        place, _, anchor = link.partition("#")
        if not place.startswith("http"):
            assert (path.parent / place).exists() if place else anchor in anchors, link
