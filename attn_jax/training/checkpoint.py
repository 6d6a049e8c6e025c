"""Checkpoints of a block of runs, through orbax, behind this one module."""

import shutil
from pathlib import Path

import jax

from attn_jax.errors import MachineError
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
          MachineError: checkpoints are there and none can be read; starting anew is the user's choice.
        """
        damaged: dict[int, Exception] = {}
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                args = self._args.Composite(state=self._args.StandardRestore(like))
                state = self._manager.restore(step, args=args)["state"]
            except Exception as error:  # orbax and tensorstore raise many kinds for a damaged file
                damaged[step] = error
            else:
                self._set_aside(damaged)
                return step, jax.device_get(state)  # bound to no device: the program decides where it runs
        if damaged:
            raise MachineError(
                f"{self._directory}: no checkpoint can be read ({next(iter(damaged.values()))}); "
                "delete this folder to start the block anew"
            )
        return None

    def _set_aside(self, damaged: dict[int, Exception]) -> None:
        """Moves damaged checkpoints out of the way, once an older one has been read, so that they can be saved anew."""
        for step, error in damaged.items():
            aside = self._directory / f"unreadable-{step}"
            shutil.rmtree(aside, ignore_errors=True)
            (self._directory / str(step)).rename(aside)
            print(f"{aside}: checkpoint {step} cannot be read ({type(error).__name__}), set aside", flush=True)
        if damaged:
            self._manager.reload()

    def close(self) -> None:
        """Ends orbax's threads."""
        self._manager.close()
