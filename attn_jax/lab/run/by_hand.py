"""`attn-jax work`: jobs from files, one after the other, in this process; as many of these as one likes, anywhere."""

from collections.abc import Callable
from pathlib import Path

from attn_jax.errors import ConfigError, InterruptedStudyError, InUseError
from attn_jax.lab.record.holding import is_owner
from attn_jax.lab.run.block import Job
from attn_jax.lab.run.job_file import job_files, read_job
from attn_jax.lab.run.places.base import Terms
from attn_jax.lab.run.session import work
from attn_jax.lab.run.stopping import asked_by_signals


def work_by_hand(path: Path, first: int, say: Callable[[str], None]) -> None:
    """Does the job of a file, or those of a folder that nobody else does.

    Args:
      path: a job file, or a folder of them.
      first: with which of them to begin; those before it come last.
      say: what becomes of each.

    Raises:
      ConfigError: there is no job, or it is an earlier command's.
      InUseError: another process is at the one job that was asked for.
      InterruptedStudyError: Ctrl-C, SIGTERM or the study's stop file; everything is saved.
      Exception: what a job raises.
    """
    files = job_files(path)
    first %= len(files)
    with asked_by_signals() as asked:
        for file in files[first:] + files[:first]:
            job, terms = read_job(file)
            _refuse_late(file, job, terms)
            try:
                done = work(job, terms, wait_seconds=0.0, asked=asked.is_set)
            except InUseError as error:
                if not path.is_dir():
                    raise
                say(f"left alone: {error}")
                continue
            if not done:
                raise InterruptedStudyError(f"block {job}: stopped and saved; the same command goes on from there")
            say(f"block {job} of {job.command}: done")


def _refuse_late(file: Path, job: Job, terms: Terms) -> None:
    if (job.command / "study.json").exists() and not is_owner(job.command, terms.token):
        raise ConfigError(
            f"{file}: another command has taken the study over since; attn-jax compare --place=slurm:array writes "
            "what is left anew"
        )
