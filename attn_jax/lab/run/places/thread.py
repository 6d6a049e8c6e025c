"""The place beside an accelerator: a thread of this process, which owns the devices."""

from concurrent.futures import ThreadPoolExecutor

from attn_jax.errors import ConfigError
from attn_jax.lab.run.places.base import Place
from attn_jax.platforms import where_studies_run


def thread(platform: str) -> Place:
    """One thread; the runs of a job are split over the devices of this machine.

    Raises:
      ConfigError: the platform is a CPU, where the command's own process has several threads.
    """
    if platform == "cpu":
        raise ConfigError("--place=thread: got a CPU, wanted an accelerator; on a CPU it is processes")
    import jax

    return Place(ThreadPoolExecutor(1), 1, jax.local_device_count(), words=where_studies_run())
