"""kill -9 at random moments: a small study that dies again and again ends with the bits of one that never did.

    python scripts/torture.py [--kills N] [--seed N] [--steps N] [--seconds N] [--folder DIR]

A study of two models is trained unbroken. Then another is begun and killed, the command, a worker or all at once, while
it starts or while it trains; the same command goes on, is killed again, and so on until it is through, and another is
begun until there were as many kills as wanted. Between two lives `attn-jax doctor` must find nothing damaged, and where
it says that a block goes on the next life must go on; every other time `attn-jax clean` is called. In the end the
summaries without `timing`, every block's last rows without what a clock says, and the last checkpoints must be the
same, byte for byte. What it prints is a line a kill and one in the end; the exit code is 1 where something differs.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from process_group import command_line, members
from script_words import count

from attn_jax.errors import InUseError
from attn_jax.lab.cleaning import clean
from attn_jax.lab.doctor import examine
from attn_jax.lab.record.directory import read_rows

CONFIG = """
from attn_jax.config import EvaluateConfig, Study, TrainConfig
from attn_jax.mixers import GRU, Attention
from attn_jax.models import ModelConfig, classic
from attn_jax.tasks import Parity


def get_config():
    models = {{
        "transformer": ModelConfig(8, 1, (Attention(num_heads=2),), positions="sinusoidal"),
        "gru": classic(GRU(), num_layers=1),
    }}
    train = TrainConfig({steps}, batch_size=4, lengths=(2, 4), seeds=2, learning_rates=(1e-3, 3e-3), warmup_steps=5)
    return Study("torture", Parity(), models, train, EvaluateConfig(every=10, num_examples=8, lengths=(2, 4, 6)))
"""
VICTIMS = ("command", "worker", "both")
_CLOCK = {"seconds", "cpu_seconds", "load", "compile_seconds", "cores"}
_EARLY = 0.3  # of the kills come while the command starts
_STARTS = 6.0  # seconds that it takes


@dataclass
class Torture:
    """One study on its way, and what was done to it."""

    config: Path
    directory: Path
    chance: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    outlived: float = 0.0  # seconds that workers lived on for at most
    predicted: dict[str, int] = field(default_factory=dict)  # block -> step from which it is to go on
    started: Counter[str] = field(default_factory=Counter)  # block -> its rows of a start, before this life

    def live(self, wanting: Callable[[], bool]) -> bool:
        """One life of the command; whether it came to its end. Killed as long as that is wanted."""
        self.started = Counter({name: len(starts) for name, starts in self.starts().items()})
        process = start(self.config, self.directory)
        while wanting() and process.poll() is None:
            self.wait_for_a_moment(process)
            # the command outlives a worker, and may lose another
            if self.kill(process) != "worker" or self.chance.random() < 0.5:
                break
        code = ended(process)
        if code not in (0, 4, -signal.SIGKILL):  # 4: a worker was killed twice
            self.wrong.append(f"the command ended with exit code {code}")
        self.look(process.pid)
        return code == 0

    def wait_for_a_moment(self, process: subprocess.Popen) -> None:
        """A moment while it starts, or within one of its next chunks."""
        if self.chance.random() < _EARLY:
            deadline, rows = time.monotonic() + self.chance.uniform(0, _STARTS), None
        else:
            deadline, rows = time.monotonic() + 60, self.rows() + self.chance.randint(1, 80)
        while process.poll() is None and time.monotonic() < deadline and (rows is None or self.rows() < rows):
            time.sleep(0.005)
        time.sleep(self.chance.uniform(0, 0.05))

    def kill(self, process: subprocess.Popen) -> str:
        """SIGKILL to one of the victims; which one it was."""
        victim = self.chance.choice(VICTIMS)
        workers = [pid for pid in members(process.pid) if b"spawn_main" in command_line(pid)]
        if victim == "worker" and not workers:
            victim = "command"
        if process.poll() is not None:
            return "nobody"
        if victim == "both":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            os.kill(self.chance.choice(workers) if victim == "worker" else process.pid, signal.SIGKILL)
        self.kills[victim] += 1
        print(f"  killed {victim} at {self.rows()} rows", flush=True)
        return victim

    def look(self, group: int) -> None:
        """What doctor finds and clean does, at once or when the workers are gone, too; nothing may be damaged."""
        began = time.monotonic()
        if self.chance.random() < 0.5:
            self.examine()
        if self.chance.random() < 0.5:
            alive = members(group)
            try:
                clean(self.directory)
            except InUseError as error:
                if not alive:
                    self.wrong.append(f"clean: {error}")
            except ValueError as error:
                if "holds no study" not in str(error):
                    self.wrong.append(f"clean: {error}")
        while members(group):
            time.sleep(0.05)
        self.outlived = max(self.outlived, time.monotonic() - began)
        self.check_starts()
        self.predicted = self.examine()

    def examine(self) -> dict[str, int]:
        """What each block would go on from, as doctor says it."""
        try:
            found = examine(self.directory)
        except ValueError as error:
            if "begins one" not in str(error) and "makes it" not in str(error):
                self.wrong.append(f"doctor: {error}")
            return {}
        self.wrong += [f"doctor: {finding.place} {finding.what}" for finding in found.findings if finding.damaged]
        return {name: int(line.split()[-1]) for line in found.then if "from step" in line for name in named(line)}

    def check_starts(self) -> None:
        """Whether the life that ended went on where doctor had said."""
        for name, starts in self.starts().items():
            new = starts[self.started[name] :]
            if new and name in self.predicted and new[0] != self.predicted[name]:
                self.wrong.append(f"{name} went on from step {new[0]}, doctor said {self.predicted[name]}")

    def starts(self) -> dict[str, list[int]]:
        """The steps from which each block was gone on with."""
        return {
            path.parent.name: [row["start"] for row in read_rows(path) if "start" in row]
            for path in self.directory.glob("blocks/*/metrics.jsonl")
        }

    def rows(self) -> int:
        """How many lines the workers have written."""
        return sum(path.read_bytes().count(b"\n") for path in self.directory.glob("blocks/*/metrics.jsonl"))


def start(config: Path, directory: Path) -> subprocess.Popen:
    """The command in a process group of its own."""
    words = [sys.executable, "-m", "attn_jax.cli", "compare", f"--config={config}", f"--workdir={directory}"]
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(config.parent / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.05",
    }
    with (config.parent / "said.txt").open("ab") as said:
        return subprocess.Popen(
            words, stdout=said, stderr=said, start_new_session=True, env=cache | os.environ | {"JAX_PLATFORMS": "cpu"}
        )


def ended(process: subprocess.Popen) -> int:
    """The command's exit code, once it has ended; whoever stops the script stops it."""
    try:
        return process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise


def named(line: str) -> list[str]:
    """The blocks in doctor's "goes on with gru-0, gru-1 and rnn-0 from step 120"."""
    return re.split(", | and ", line.removeprefix("goes on with ").partition(" from step ")[0])


def outcome(directory: Path) -> dict[str, Any]:
    """All of a finished study that no clock decides."""
    summary = json.loads((directory / "summary.json").read_text())
    found: dict[str, Any] = {key: value for key, value in summary.items() if key != "timing"}
    for path in sorted(directory.glob("blocks/*/metrics.jsonl")):
        rows = [row for row in read_rows(path) if "step" in row or "test" in row]
        last = {row.get("step", "test"): {key: row[key] for key in row.keys() - _CLOCK} for row in rows}
        checkpoint = max((path.parent / "checkpoints").glob("*.npz"), key=lambda file: int(file.stem))
        found[path.parent.name] = last, checkpoint.name, checkpoint.read_bytes()
    return found


def tortured(folder: Path, options: argparse.Namespace) -> tuple[Counter[str], float, list[str]]:
    """(kills, seconds that workers outlived a command at most, what was wrong) of as many studies as it takes."""
    config, chance = folder / "torture.py", random.Random(options.seed)
    config.write_text(CONFIG.format(steps=options.steps))
    if ended(start(config, folder / "unbroken")) != 0:
        return Counter(), 0.0, ["the unbroken study did not end"]
    wanted, deadline = outcome(folder / "unbroken"), time.monotonic() + options.seconds
    kills: Counter[str] = Counter()
    wrong: list[str] = []
    studies, outlived = 0, 0.0
    while kills.total() < options.kills and time.monotonic() < deadline:
        studies += 1
        directory = folder / f"study-{options.seed}-{studies}"
        torture = Torture(config, directory, chance)
        print(directory.name, flush=True)
        left = options.kills - kills.total()
        while not torture.live(lambda: torture.kills.total() < left and time.monotonic() < deadline):  # noqa: B023
            pass
        kills += torture.kills
        wrong, outlived = wrong + torture.wrong, max(outlived, torture.outlived)
        if outcome(directory) != wanted:
            wrong.append(f"{directory.name} ends with other numbers")
    return kills, outlived, wrong


def main(words: list[str]) -> int:
    """Tortures and compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=count, default=20)
    parser.add_argument("--seed", type=count, default=1, help="another one, other moments")
    parser.add_argument("--steps", type=count, default=2000, help="of a run, a multiple of 10")
    parser.add_argument("--seconds", type=count, default=3600, help="after these nothing is killed any more")
    parser.add_argument("--folder", type=Path, help="keeps the studies, for another call with another seed")
    options = parser.parse_args(words)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if options.folder is None else options.folder
        folder.mkdir(parents=True, exist_ok=True)
        kills, outlived, wrong = tortured(folder, options)
    for line in wrong:
        print(f"WRONG: {line}")
    each = ", ".join(f"{victim} {kills[victim]}" for victim in VICTIMS)
    print(f"{kills.total()} kills ({each}): {'NOT the same' if wrong else 'the same bits'}")
    print(f"workers lived {outlived:.1f} s longer than their command at most")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
