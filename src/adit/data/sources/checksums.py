"""Sizes and checksums of raw files; files are used only after these checks."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from adit.errors import DataError

Algorithm = Literal["md5", "sha256", "git"]
"""Kinds of checksums; ``git`` is the SHA-1 of a git blob."""

BLOCK = 1 << 20
"""Number of bytes that are read at a time."""

WAY_OUT = "give a folder or URL with copies: MIRROR=..."
"""What to do without the file, at the end of messages."""


@dataclass(frozen=True)
class Upstream:
    """A published file.

    Attributes:
        url: its address.
        size: size, bytes; ``None`` if not published.
        algorithm: ``md5``, ``sha256``, or ``git`` for the SHA-1 of a git blob.
        digest: hexadecimal checksum. Empty if none is published: the SHA-256 of the first download is kept beside the
            file, and later ones must agree.
        licence: licence of the file.
    """

    url: str
    size: int | None
    algorithm: Algorithm
    digest: str
    licence: str = ""


def file_digest(path: Path, algorithm: Algorithm) -> str:
    """Return the checksum of a file, hexadecimal.

    ``git`` is the SHA-1 of the text ``blob``, the size, a zero byte, and the content.
    """
    if algorithm == "git":
        digest = hashlib.sha1(usedforsecurity=False)
        digest.update(f"blob {path.stat().st_size}\0".encode())
    else:
        digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def check_download(path: Path, upstream: Upstream, name: str | None = None) -> None:
    """Compare a file with its published size and checksum, if there are any.

    Args:
        path: the file.
        upstream: published size and checksum.
        name: name of the file for messages; its path by default.

    Raises:
        DataError: size or checksum differ; the message names the file and both values.
    """
    name = name or str(path)
    size = path.stat().st_size
    way_out = f"delete it and run again, or {WAY_OUT}"
    if upstream.size is not None and size != upstream.size:
        raise DataError(f"{name}: has {size} bytes, expected {upstream.size}; {way_out}")
    if not upstream.digest:
        return
    digest = file_digest(path, upstream.algorithm)
    if digest != upstream.digest:
        raise DataError(f"{name}: {upstream.algorithm} checksum is {digest}, expected {upstream.digest}; {way_out}")


def first_use(path: Path) -> str:
    """Return the SHA-256 of a file without a published checksum, after comparing it with that of its first download.

    Raises:
        DataError: the file has changed since its first download.
    """
    note = path.with_name(path.name + ".sha256")
    digest = file_digest(path, "sha256")
    if not note.is_file():
        temporary = note.with_name(f".{note.name}.{os.getpid()}")
        temporary.write_text(digest + "\n", encoding="ascii")
        temporary.replace(note)
    expected = note.read_text(encoding="ascii").strip()
    if digest != expected:
        raise DataError(
            f"{path}: sha256 is {digest}, at its first download it was {expected}; delete both if it is new"
        )
    return digest
