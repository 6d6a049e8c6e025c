"""Which field of a config is of another type, where the config's own checks stumbled over it."""

import traceback
from dataclasses import fields, is_dataclass

from attn_jax.config.annotated import decode_fields
from attn_jax.errors import ConfigError


def told_by_type(error: BaseException) -> BaseException:
    """The error that names the field and its type, where a dataclass of the package raised while it checked itself.

    `TrainConfig(learning_rates=1e-3)` compares and iterates before anybody holds it against its annotations, and what
    Python says of that names neither. Any other error is given back as it is: the checks' own name what they refuse.

    >>> from attn_jax.config import TrainConfig
    >>> try:
    ...     TrainConfig(learning_rates=1e-3)
    ... except TypeError as error:
    ...     print(told_by_type(error))
    TrainConfig.learning_rates: got 0.001 (float), wanted a list
    """
    frames = traceback.walk_tb(error.__traceback__) if isinstance(error, TypeError | AttributeError) else ()
    for frame, _ in frames:
        value = frame.f_locals.get("self")
        ours = frame.f_code.co_name == "__post_init__" and type(value).__module__.startswith("attn_jax.")
        if ours and is_dataclass(value):
            given = {f.name: getattr(value, f.name) for f in fields(value) if f.init}
            try:
                decode_fields(type(value), given, type(value).__name__)
            except ConfigError as complaint:
                return complaint.with_traceback(error.__traceback__)
            except Exception:  # the same again: no type is to blame
                return error
    return error
