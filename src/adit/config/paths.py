"""What the folder of the runs may be called: nothing that a shell, an option or a pattern could mean."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

PART_BYTES = 200
"""Bytes of one part of a path; file systems allow 255, and files beside it have longer names."""


def folder_name(text: str) -> str:
    """Return ``text`` where it may name the folder of the runs.

    Raises:
        ValueError: it has other characters than letters of any script, digits, spaces and ``._-/``; a part of it begins
            with ``-`` or ends with a space, or is too long for a file system.
    """
    for character in text:
        if not (character in "._-/ " or unicodedata.category(character)[0] in "LM" or character.isdecimal()):
            raise ValueError(f"has the character {character!r}; letters, digits, spaces and . _ - / are allowed")
    for part in text.split("/"):
        if part.startswith("-"):
            raise ValueError(f"'{part}' begins with -, as options do")
        if part != part.strip():
            raise ValueError(f"'{part}' begins or ends with a space")
        if len(part.encode()) > PART_BYTES:
            raise ValueError(f"a part of it has more than {PART_BYTES} bytes")
    return text


def why_no_folder(path: str) -> str:
    """Return why a folder cannot be made at ``path``, as far as can be seen without making it; empty where it can."""
    place = Path(path)
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        return f"{place} is there and no folder"
    return "" if os.access(place, os.W_OK | os.X_OK) else f"{place} is not writable"
