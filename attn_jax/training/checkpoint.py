"""Checkpoints of a block of runs, through orbax, behind this one module."""

from pathlib import Path

from attn_jax.types import Params

_KEPT = 2  # the newest, and the one before it should the newest turn out unreadable


class Checkpoints:
    """The checkpoints in one directory, newest last. Only one process may hold a directory at a time."""

    def __init__(self, directory: Path):
        import orbax.checkpoint as ocp  # a third of a second to import, and only training needs it

        self._args = ocp.args
        options = ocp.CheckpointManagerOptions(max_to_keep=_KEPT, enable_async_checkpointing=False)
        self._manager = ocp.CheckpointManager(directory.absolute(), options=options)
        self._directory = directory

    def save(self, step: int, state: Params) -> None:
        """Writes the state whole, or not at all."""
        self._manager.save(step, args=self._args.Composite(state=self._args.StandardSave(state)))

    def restore(self, like: Params) -> tuple[int, Params] | None:
        """The newest (step, state) that can be read, None where nothing was saved; unreadable ones are set aside.

        Raises:
          OSError: checkpoints are there and none can be read; starting anew is the user's choice.
        """
        steps = sorted(self._manager.all_steps(), reverse=True)
        for step in steps:
            try:
                args = self._args.Composite(state=self._args.StandardRestore(like))
                return step, self._manager.restore(step, args=args)["state"]
            except Exception as error:  # orbax and tensorstore raise many kinds for a damaged file
                self._set_aside(step, error)
        if steps:
            raise OSError(f"{self._directory}: no checkpoint can be read; delete this folder to start the block anew")
        return None

    def _set_aside(self, step: int, error: Exception) -> None:
        damaged = self._directory / str(step)
        damaged.rename(self._directory / f"unreadable-{step}")
        print(f"{damaged}: cannot be read ({type(error).__name__}), set aside as unreadable-{step}", flush=True)
        self._manager.reload()

    def close(self) -> None:
        """Ends orbax's threads."""
        self._manager.close()
