"""What words the scripts take: kinds for argparse, which says in a line what is wrong before anything is measured."""

import argparse
import re
from pathlib import Path


def pattern(text: str) -> re.Pattern[str]:
    """A regular expression.

    >>> pattern("gru").search("min_gru").group()
    'gru'
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"got {text!r}, wanted a regular expression: {error}") from error


def count(text: str) -> int:
    """A whole number from 1 on.

    >>> count("9")
    9
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, wanted a whole number from 1 on")
    return int(text)


def a_file(text: str) -> Path:
    """A file that is there."""
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"got {text!r}, wanted a file that is there")
    return Path(text)


def to_write(text: str) -> Path:
    """A file that can be written at the end of an hour."""
    if Path(text).is_dir() or not Path(text).parent.is_dir():
        raise argparse.ArgumentTypeError(f"got {text!r}, wanted a file in a folder that is there")
    return Path(text)
