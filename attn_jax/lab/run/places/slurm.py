"""Slurm, or any batch system by hand: a command writes what is to be done, hands it over and ends; later it gathers."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

from attn_jax.errors import ConfigError, InterruptedStudyError, MachineError
from attn_jax.files import write_whole
from attn_jax.lab.record.holding import is_owner, take_over
from attn_jax.lab.run.block import Job
from attn_jax.lab.run.job_file import job_files, read_job, same_job, write_job
from attn_jax.lab.run.places.base import Place, Terms
from attn_jax.lab.run.places.processes import PinnedProcesses
from attn_jax.names import counted
from attn_jax.platforms import cpu_cores

_TASKS = 16  # of an array, where the place does not say
_ARRAY = re.compile(r"array(?::([1-9]\d{0,5}))?")
_SCRIPT = """\
#!/bin/bash
#SBATCH --job-name=attn-jax
#SBATCH --array=0-{last}
#SBATCH --ntasks=1 --cpus-per-task=1{gpu}
#SBATCH --output={log}
# Account, partition and time are the site's: sbatch reads SBATCH_ACCOUNT, SBATCH_PARTITION and SBATCH_TIMELIMIT.
# A task takes one block after the other of those that no other task is at, and begins at its own share.
exec {work} --first=$(( SLURM_ARRAY_TASK_ID * {jobs} / {tasks} ))
"""


def slurm(argument: str, platform: str, directory: Path) -> Place:
    """An array of tasks, `array` or `array:64`; this machine only plans.

    Raises:
      ConfigError: the argument is neither.
    """
    del directory  # its tasks say what they do not see
    found = _ARRAY.fullmatch(argument)
    if not found:
        raise ConfigError(f"--place: got 'slurm:{argument}', wanted slurm:array or slurm:array:64, say")
    tasks = int(found[1] or _TASKS)
    hand_over = partial(_hand_over, tasks, platform)
    return Place(PinnedProcesses(cpu_cores()), tasks, words=f"an array of {tasks} in Slurm", hand_over=hand_over)


def _hand_over(tasks: int, platform: str, jobs: Sequence[Job], terms: Terms, directory: Path) -> NoReturn:
    """Writes the jobs, unless they are written, and submits the array, unless it runs.

    Raises:
      InterruptedStudyError: always; says what is left, and who is at it.
      MachineError: Slurm does not take it.
    """
    folder = directory.absolute() / "jobs"
    left = f"{counted(len(jobs), 'block')} of {directory} {'is' if len(jobs) == 1 else 'are'} not done"
    array = _submitted(folder)
    if array and _runs(array):
        raise InterruptedStudyError(f"{left}; Slurm's job {array} is at it, and the same command gathers what it does")
    if not _are_written(folder, jobs, directory):
        _write(folder, jobs, terms._replace(token=take_over(directory)), min(tasks, len(jobs)), platform)
    script = folder / "array.sh"
    if shutil.which("sbatch") is None:
        raise InterruptedStudyError(
            f"{left}; there is no sbatch here: sbatch {script} where there is, or attn-jax work {folder}; then the "
            "same command gathers"
        )
    given = _run(["sbatch", "--parsable", str(script)])
    if given.returncode or not given.stdout.strip():
        raise MachineError(f"sbatch {script}: {(given.stderr or given.stdout).strip() or 'says nothing'}")
    array = given.stdout.strip().split("\n")[-1].split(";")[0]
    write_whole(folder / "array", f"{array}\n")
    raise InterruptedStudyError(f"{left}; submitted to Slurm as {array}, and the same command gathers what it does")


def _are_written(folder: Path, jobs: Sequence[Job], directory: Path) -> bool:
    """Whether the folder has all of them, and their workers would not stop at once."""
    if not folder.is_dir() or not any(folder.glob("*.json")):
        return False
    written = [read_job(file) for file in job_files(folder)]
    if not all(terms.token and is_owner(directory, terms.token) for _, terms in written):
        return False
    known = {str(job): job for job, _ in written}
    return all(str(job) in known and same_job(job, known[str(job)]) for job in jobs)


def _write(folder: Path, jobs: Sequence[Job], terms: Terms, tasks: int, platform: str) -> None:
    """The job files and the script; what was there of earlier ones goes."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    for k, job in enumerate(jobs):
        write_job(folder / f"{k}.json", job, terms)
    work = shlex.join([sys.executable, "-m", "attn_jax", "work", str(folder)])
    gpu = " --gpus-per-task=1" if platform == "gpu" else ""
    log = str(folder / "%a.log").replace(" ", "\\ ")
    script = _SCRIPT.format(last=tasks - 1, gpu=gpu, log=log, work=work, jobs=len(jobs), tasks=tasks)
    write_whole(folder / "array.sh", script)


def _submitted(folder: Path) -> str:
    """The number of the array that was submitted last, "" where none was."""
    file = folder / "array"
    return file.read_text().strip() if file.exists() else ""


def _runs(array: str) -> bool:
    """Whether Slurm has the array, waiting or running."""
    if shutil.which("squeue") is None:
        return False
    said = _run(["squeue", "--noheader", f"--jobs={array}"])
    return said.returncode == 0 and bool(said.stdout.strip())


def _run(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False)
