"""Plain functions of places, lifted: whatever a function captured becomes a leaf that is traced and differentiated.

A tracer captured by a function would be an error inside a `custom_jvp` rule, or a constant without a gradient. Tracing
the function once, at the shapes it will be called with, brings every captured array to light.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun
from jax.typing import ArrayLike

from attn_jax.ops.programs import Program, program_of
from attn_jax.pytrees import register_pytree
from attn_jax.types import Array


@register_pytree
@dataclass(frozen=True)
class Lifted:
    """A function traced at fixed shapes, a pytree whose leaves are the arrays that it captured."""

    captured: tuple[Array, ...]
    body: Program = field(repr=False, metadata={"static": True})

    def __call__(self, *arguments: Array) -> Array:
        """What the function returns, at the shapes it was traced with."""
        return jaxpr_as_fun(ClosedJaxpr(self.body.jaxpr, self.captured))(*arguments)[0]


def lift(function: Callable[..., ArrayLike], *shapes: jax.ShapeDtypeStruct) -> Lifted:
    """`function` traced at the given shapes, anew: JAX's own trace of the same object may be of what it was before."""
    traced = jax.make_jaxpr(lambda *arguments: function(*arguments))(*shapes)
    return Lifted(tuple(jnp.asarray(x) for x in traced.consts), program_of(traced))


def trace(tree: Any, *shapes: jax.ShapeDtypeStruct) -> ClosedJaxpr:
    """A pytree that is a function, traced anew at the given shapes; its leaves are the first arguments."""
    leaves, structure = jax.tree.flatten(tree)
    return jax.make_jaxpr(lambda leaves, *arguments: structure.unflatten(leaves)(*arguments))(leaves, *shapes)


def captures(traced: ClosedJaxpr) -> bool:
    """Whether a traced function holds, outside its arguments, an array that is being traced elsewhere."""
    return any(isinstance(x, Tracer) for x in traced.consts)
