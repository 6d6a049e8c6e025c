"""What tests of several files here share."""

import jax
import pytest


@pytest.fixture
def strict_ranks():
    """Implicit broadcasts of ranks raise, as a user may ask of JAX."""
    with jax.numpy_rank_promotion("raise"):
        yield
