"""attn_jax."""
from attn_jax.version import __version__ as __version__
