"""What the fields of a configuration may be, said in its `__post_init__`."""

from typing import get_args, get_type_hints

from attn_jax.tasks.base import TaskConfig


def check_at_least(config: TaskConfig, least: int, *names: str) -> None:
    """Refuses a field that is smaller.

    Args:
      config: the configuration.
      least: the smallest value allowed.
      names: of the fields.

    Raises:
      ValueError: one of them is below `least`.
    """
    for name in names:
        if getattr(config, name) < least:
            raise ValueError(f"{type(config).__name__}: {name} is {getattr(config, name)}, wanted at least {least}")


def check_one_of(config: TaskConfig, *names: str) -> None:
    """Refuses a field that holds none of the words that its type, a Literal, lists.

    Args:
      config: the configuration.
      names: of the fields.

    Raises:
      ValueError: one of them holds another word.
    """
    for name in names:
        known = get_args(get_type_hints(type(config))[name])
        if getattr(config, name) not in known:
            words = [repr(word) for word in known]
            wanted = " or ".join(words) if len(words) == 2 else f"one of {', '.join(words)}"
            raise ValueError(f"{type(config).__name__}: {name} is {getattr(config, name)!r}, wanted {wanted}")
