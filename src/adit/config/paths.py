"""Names of the folder of the runs: none that a shell, an option parser or a pattern could misread."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

OWN = (".adit", ".snakemake")
"""Hidden folders of this package and of Snakemake."""

SYSTEM = ("/proc", "/sys", "/dev")
"""Folders of the kernel: no files lie there, except in shared memory."""

SHARED_MEMORY = "/dev/shm"
"""The only folder below ``SYSTEM`` that can hold results."""

PART_BYTES = 200
"""Largest size of one part of a path, bytes; file systems allow 255, and derived file names are longer."""


def folder_name(text: str) -> str:
    """Return ``text`` if it is a valid name for the folder of the runs.

    Raises:
        ValueError: it has other characters than letters of any script, digits, spaces and ``._-/``; a part of it begins
            with ``-``, begins or ends with a space, has more than ``PART_BYTES`` bytes, or is a hidden folder of this
            package or of Snakemake, in capitals too; it begins with ``//``.
    """
    for character in text:
        if not (character in "._-/ " or unicodedata.category(character)[0] in "LM" or character.isdecimal()):
            raise ValueError(f"has the character {character!r}; letters, digits, spaces and . _ - / are allowed")
    if text.startswith("//"):
        raise ValueError("begins with //, which is another place than / on some systems; write one /")
    for part in text.split("/"):
        if part.startswith("-"):
            raise ValueError(f"'{part}' begins with -, as options do")
        if part.casefold() in OWN:
            raise ValueError(f"'{part}' is a folder of the program's own; name another")
        if part != part.strip():
            raise ValueError(f"'{part}' begins or ends with a space")
        if len(part.encode()) > PART_BYTES:
            raise ValueError(f"a part of it has more than {PART_BYTES} bytes")
    return text


def why_no_folder(path: str) -> str:
    """Return why the folder ``path`` cannot be created, as far as can be checked beforehand; empty if it can."""
    place = Path(path)
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        return f"{place} exists and is not a folder"
    real = Path("/", os.path.realpath(path).lstrip("/"))  # two slashes at the beginning stay otherwise
    if any(real.is_relative_to(each) for each in SYSTEM) and not real.is_relative_to(SHARED_MEMORY):
        return f"{real} is in a folder of the system"
    return "" if os.access(place, os.W_OK | os.X_OK) else f"{place} is not writable"
