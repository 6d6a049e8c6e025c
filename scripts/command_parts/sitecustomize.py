"""In every process of a command that scripts/bench_command.py starts: CPU seconds by part, into a file of the process.

Python imports this file before anything else where its folder is on the path. Functions are counted from when their
module has been imported; what is done within a part of its own does not count in the one around it.
"""

import builtins
import dataclasses
import importlib.machinery
import json
import os
import sys
import threading
import time
from pathlib import Path

PARTS = {  # module -> (function, or class.method) -> its part
    "attn_jax.lab.comparison": {
        "load_config": "config",
        "check_contracts": "contracts",
        "platform_at": "starting jax",
        "environment": "environment",
    },
    "attn_jax.lab.plan.study_plan": {"StudyPlan.model": "sizes"},
    "attn_jax.lab.run.session": {"study_facts": "facts", "wait": "waiting", "prepare": "starting jax"},
    "attn_jax.lab.run.progress": {"Watch.__call__": "progress"},
    "attn_jax.lab.run.block": {
        "compile_start": "tracing",
        "append_row": "saving",
        "run_chunks": "steps",
        "from_json": "config",
    },
    "attn_jax.lab.run.probing": {"append_row": "saving", "compile_probe": "tracing", "Probing.measure": "probes"},
    "attn_jax.training.checkpoint": {"Checkpoints.save": "saving", "Checkpoints.restore": "saving"},
    "attn_jax.training.loop": {"compiled": "tracing", "from_lowered": "compiling"},
    "attn_jax.training.compiling": {"from_lowered": "compiling"},
    "attn_jax.commands.compare": {
        "results_in": "results",
        "write_study_summary": "statistics",
        "write_report": "page",
        "print_table": "table",
    },
}
_seconds: dict[str, float] = {}
_within = [0.0]
_main = threading.get_ident()


def _counted(call, part):
    def counted(*args, **options):
        if threading.get_ident() != _main:  # they wait for workers
            return call(*args, **options)
        began = time.process_time()
        _within.append(0.0)
        try:
            return call(*args, **options)
        finally:
            taken = time.process_time() - began
            _seconds[part] = _seconds.get(part, 0.0) + taken - _within.pop()
            _within[-1] += taken
            if len(_within) == 1 and part != "imports":
                _write()

    return counted


def _write():
    kind = "workers" if "--multiprocessing-fork" in sys.orig_argv else "command"
    found = {"kind": kind, "parts": _seconds}
    (Path(os.environ["COMMAND_PARTS"]) / f"{os.getpid()}.json").write_text(json.dumps(found))


def _patch(module, functions):
    for name, part in functions.items():
        owner, _, method = name.rpartition(".")
        owner = getattr(module, owner) if owner else module
        if hasattr(owner, method):
            setattr(owner, method, _counted(getattr(owner, method), part))
    if hasattr(module, "compile_programs") and module.__name__.endswith(".block"):
        module.compile_programs = _with_counted_test(module.compile_programs)


def _with_counted_test(compile_programs):
    """The test is part of what compiling returns."""

    def compiled(*args):
        import jax

        programs = compile_programs(*args)
        test = _counted(lambda state: jax.block_until_ready(programs.test(state)), "test")
        return dataclasses.replace(programs, test=test)

    return compiled


class _Finder:
    def find_spec(self, name, path=None, target=None):
        if name not in PARTS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        assert spec is not None  # PARTS are modules of the package
        assert spec.loader is not None
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            _patch(module, PARTS[name])

        spec.loader.exec_module = exec_module
        return spec


if "COMMAND_PARTS" in os.environ:
    _import = builtins.__import__

    def _imported(name, globals=None, locals=None, fromlist=(), level=0):
        there = level == 0 and name in sys.modules
        return (_import if there else _timed)(name, globals, locals, fromlist, level)

    _timed = _counted(_import, "imports")
    builtins.__import__ = _imported
    sys.meta_path.insert(0, _Finder())
