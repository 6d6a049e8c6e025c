"""Draws for the tests of tasks: compiled, so that a configuration costs a program for each size and not thirty."""

from functools import partial

import jax


@partial(jax.jit, static_argnames=("config", "batch_size", "max_length", "split"))
def sample(config, key, batch_size, length, max_length, *, split="train"):
    """The task's batch; one program for all lengths."""
    return config.make().sample(key, batch_size, length, max_length, split=split)


@partial(jax.jit, static_argnames=("config", "batch_size", "max_length", "split"))
def as_strings(config, key, batch_size, length, max_length, *, split="train"):
    """The task's strings; one program for all lengths."""
    return config.make().strings(key, batch_size, length, max_length, split=split)


def solve(config, inputs, valid):
    """What the task's oracle says."""
    return config.make().solve(inputs, valid)
