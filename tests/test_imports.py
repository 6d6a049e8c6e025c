"""Imports go down only (CONTRIBUTING.md, "Layers"); importing the package is cheap and starts no device."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "attn_jax"

_ARRAYS = {"jax", "numpy"}  # of others' packages all that a pure layer may import
_DATA = {"tasks": {"sklearn"}}  # but for digits, inside a function (LAZY)
# layer -> what of the package it may import
ALLOWED = {
    "version": set(),
    "types": set(),
    "pytrees": set(),
    "names": set(),
    "terminal": set(),
    "errors": set(),
    "blame": {"errors"},
    "files": {"errors"},
    "ops": {"types", "pytrees"},
    "ops.recurrence": {"types", "pytrees", "ops"},
    "ops.attention": {"types", "pytrees", "ops"},
    "layers": {"types", "ops", "ops.attention"},
    "mixers": {"types", "names", "ops", "ops.attention", "ops.recurrence", "layers"},
    "models": {"types", "names", "ops", "ops.attention", "ops.recurrence", "layers", "mixers"},
    "tasks": {"types", "names"},
    "training": {
        *("types", "pytrees", "errors", "files"),
        *("lab.cost", "layers.decay", "mixers.base", "models.base", "models.greedy", "ops.placement", "tasks.base"),
    },
    "config": {"errors", "blame", "files", "names", "mixers", "models", "tasks", "training.optim", "training.probes"},
    "lab.record": {"errors", "files"},
    "lab.cost": {"types", "ops.placement", "mixers.base", "models.base"},
    "lab.plan": {
        *("types", "errors", "blame", "files", "names", "version", "config", "lab.cost", "lab.record"),
        *("training", "models", "tasks", "mixers.base", "testing.check_quickly"),
    },
    "lab.run": {"errors", "blame", "files", "names", "platforms", "config", "training", "lab.record", "lab.plan"},
    "lab.outcome": {"errors", "files", "names", "config", "lab.record"},
    "lab.track": {"errors", "blame", "config", "files", "names", "lab.record", "lab.run", "lab.outcome"},
    "lab.claim": {
        *("errors", "blame", "files", "config", "platforms", "tasks", "testing"),
        *("lab", "lab.record", "lab.plan", "lab.outcome", "lab.track"),
    },
    "lab.card": {
        *("errors", "blame", "files", "names", "types", "config", "mixers", "models", "platforms", "tasks", "testing"),
        *("training", "lab", "lab.cost", "lab.record", "lab.plan", "lab.run", "lab.outcome", "lab.track"),
        "lab.measurements",
    },
    "lab.measurements": {
        *("types", "ops", "ops.attention", "mixers", "models", "config", "training"),
        *("lab.cost", "lab.plan"),
    },
    "lab": {
        *("types", "errors", "blame", "config", "files", "names", "platforms", "terminal", "models.base"),
        *("lab.record", "lab.plan", "lab.run", "lab.outcome", "lab.track"),
    },
    "report": {"files", "names", "config.defaults", "lab.outcome"},
    "testing": {"types", "ops", "ops.attention", "layers", "mixers", "models", "tasks", "training"},
    "nn": {"types", "ops", "ops.attention", "layers", "mixers", "models"},
    "platforms": {"errors", "names", "version"},
    "commands": {
        *("blame", "errors", "files", "names", "platforms", "terminal", "version"),
        *("config", "lab", "lab.record", "lab.run", "lab.cost", "lab.outcome", "lab.claim", "lab.card"),
        *("mixers", "report", "tasks", "testing"),
    },
    "cli": {"blame", "commands", "config", "errors", "platforms", "terminal"},
    "__main__": set(),
}
PURE = {"types", "pytrees", "names", "ops", "layers", "mixers", "models", "tasks"}
LAZY = {"matplotlib", "scipy", "sklearn", "pyarrow", "tensorboardX"}  # imported where they are needed, inside functions


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def imported(source: str, *, top_level: bool = False):
    tree = ast.parse(source)
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module


def inside(name: str, room: str) -> bool:
    """Whether a module below attn_jax lies in a room; a room with a row of its own is no part of the one around it."""
    return layer_of(name) == room if room in ALLOWED else name == room or name.startswith(f"{room}.")


def layer_of(name: str) -> str:
    """The innermost room of the table that a module below attn_jax lies in."""
    parts = name.split(".")
    rooms = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next(room for room in rooms if room in ALLOWED)


def complaints(layer: str, source: str):
    """What of a module's imports its layer may not have."""
    allowed = ALLOWED[layer] | {layer}
    room = layer.split(".")[0]
    others = _ARRAYS | _DATA.get(room, set()) if room in PURE else None
    for name in imported(source):
        head, _, inner = name.partition(".")
        if head == "attn_jax" and not any(inside(inner, room) for room in allowed):
            yield f"{layer} imports {name}"
        if head in ("configs", "scripts", "tests"):
            yield f"{layer} imports {name}"
        if others is not None and head not in {"attn_jax", *sys.stdlib_module_names, *others}:
            yield f"{layer} imports {name}"
    for name in imported(source, top_level=True):
        if name.partition(".")[0] in LAZY:
            yield f"{layer} imports {name} at its top level"


def dotted(path: Path) -> str:
    """The name below attn_jax of a module in a file."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path):
    if path == PACKAGE / "__init__.py":  # the public names come from the pure layers
        rooms = {name.split(".")[1] for name in imported(path.read_text())}
        assert rooms <= PURE | {"version"}
    else:
        assert not list(complaints(layer_of(dotted(path)), path.read_text()))


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("ops", "from attn_jax.layers.linear import linear"),
        ("ops", "from attn_jax.ops.attention.masks import Causal"),
        ("ops.recurrence", "from attn_jax.ops.attention.masks import Causal"),
        ("ops.attention", "from attn_jax.ops.recurrence.cells import scan_cell"),
        ("ops", "import flax"),
        ("ops.attention", "import flax"),
        ("layers", "import einops"),
        ("tasks", "def f():\n    import pandas"),
        ("tasks", "import sklearn"),
        ("models", "def f():\n    import sklearn"),
        ("tasks", "from attn_jax.models import Model"),
        ("models", "def f():\n    from attn_jax.tasks import TASKS"),
        ("training", "from attn_jax.mixers.gru import GRU"),
        ("lab", "from attn_jax.report.page import write_report"),
        ("lab", "from attn_jax.lab.claim.session import run_claim"),
        ("lab", "from attn_jax.lab.card.session import make_card"),
        ("config", "from attn_jax.lab.outcome.results import Results"),
        ("lab.cost", "from attn_jax.lab.plan.study_plan import StudyPlan"),
        ("lab.plan", "from attn_jax.lab.run.block import Job"),
        ("lab.run", "from attn_jax.lab.outcome.summary import summarize"),
        ("lab.run", "from attn_jax.lab.track.tracking import tracked"),
        ("report", "from attn_jax.models import Model"),
        ("config", "import configs.quickstart"),
        ("report", "import matplotlib"),
        ("nn", "from attn_jax.training.step import train_step"),
    ],
)
def test_an_upward_import_is_caught(layer, source):
    assert list(complaints(layer, source))


@pytest.mark.parametrize("layer", sorted(set(ALLOWED) - {"nn"}))
@pytest.mark.parametrize("source", ["from attn_jax.nn import attention_fn", "def f():\n    import attn_jax.nn.linen"])
def test_nothing_may_import_nn(layer, source):
    assert list(complaints(layer, source))
    assert not list(complaints("nn", source))


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_importing_starts_no_device_and_nothing_heavy():
    heavy = ["flax", "optax", "matplotlib", "scipy", "rich", "sklearn", "jinja2"]
    out = run_python(
        "import sys, jax; before = set(sys.modules)\n"
        "import attn_jax\n"
        "from jax._src import xla_bridge\n"
        f"print(sorted({{m.split('.')[0] for m in set(sys.modules) - before}} & set({heavy!r})), xla_bridge._backends)"
    )
    assert out.strip() == "[] {}"


def test_nn_alone_imports_no_flax():
    out = run_python(
        "import sys, attn_jax.nn\n"
        "from jax._src import xla_bridge\n"
        "print('flax' in sys.modules, xla_bridge._backends)\n"
        "import attn_jax.nn.linen\n"
        "print('flax.linen' in sys.modules, xla_bridge._backends)"
    )
    assert out.splitlines() == ["False {}", "True {}"]
