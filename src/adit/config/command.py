"""The user's program that writes samples: its placeholders."""

from __future__ import annotations

import re
import shlex
from pathlib import PurePath
from typing import Final

PLACEHOLDERS: Final = ("output", "number", "seed", "kind")
"""Names that are replaced in the arguments of ``sample.command``."""

NEEDED: Final = ("output", "number")
"""Those that have to be there."""

_NAME: Final = re.compile(r"\{([A-Za-z_]+)\}")
"""A placeholder; other braces, such as those of a dictionary, are left alone."""


def checked_words(command: str | None, reads: str | None) -> None:
    """Check a command, and the file that is read in its output.

    Raises:
        ValueError: it cannot be split, lacks a placeholder, has an unknown one, or reads outside its output.
    """
    if command is None:
        return
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ValueError(f"command: cannot be split into arguments ({error})") from None
    if not words:
        raise ValueError("command: is empty; leave it out to sample from this model")
    if not words[0].strip() or words[0].startswith("-"):
        raise ValueError(f"command: '{words[0]}' is no program; name it first")
    names = {name for word in words for name in _NAME.findall(word)}
    placeholders = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    if unknown := sorted(names - set(PLACEHOLDERS)):
        raise ValueError(f"command: {{{unknown[0]}}} is no placeholder; there are {placeholders}")
    if missing := [name for name in NEEDED if name not in names]:
        raise ValueError(f"command: {{{missing[0]}}} is missing; without it the program cannot know it")
    if reads is not None and (PurePath(reads).is_absolute() or ".." in PurePath(reads).parts):
        raise ValueError("command_reads: has to be a path within {output}")


def filled(words: list[str], values: dict[str, str]) -> list[str]:
    """Return the arguments with each placeholder replaced by its value; values are not split or replaced again."""
    return [_NAME.sub(lambda match: values[match.group(1)], word) for word in words]
