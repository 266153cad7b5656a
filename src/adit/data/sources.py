"""Where raw files come from: a mirror folder or URL, then upstream; nothing is used before its checksum holds."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import tarfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from adit import store
from adit.errors import DataError
from adit.progress import log

_BLOCK = 1 << 20
_TIMEOUT_S = 60.0
_WAY_OUT = "give a folder or URL with copies: MIRROR=..."


@dataclass(frozen=True)
class Upstream:
    """The published file.

    Attributes:
        url: where it is.
        size: bytes.
        algorithm: ``md5``, or ``git`` for the SHA-1 of a git blob.
        digest: hexadecimal checksum.
    """

    url: str
    size: int | None
    algorithm: Literal["md5", "git"]
    digest: str


@dataclass(frozen=True)
class RawFile:
    """One file of a dataset.

    Attributes:
        name: path in a mirror, e.g. ``mp20/train.csv``.
        upstream: where it is published; ``None`` for a form that only mirrors hold.
    """

    name: str
    upstream: Upstream | None = None


Layout = tuple[RawFile, ...]
"""Files that together make a dataset in one of its forms."""


@dataclass(frozen=True)
class Found:
    """The files of one layout, all from one place.

    Attributes:
        layout: which of the layouts it is.
        paths: local files by name.
        origin: ``mirror`` or ``upstream``.
    """

    layout: Layout
    paths: dict[str, Path]
    origin: str

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of each file by name."""
        return {name: store.sha256(path) for name, path in self.paths.items()}


def locate(dataset: str, layouts: Sequence[Layout], mirror: str | None) -> Found:
    """Return the dataset's files: from the mirror in the first layout that is complete there, else from upstream.

    Raises:
        DataError: the mirror folder does not exist, nothing can be reached, or a checksum is wrong.
    """
    if mirror is not None:
        found = _in_url(layouts, mirror) if is_url(mirror) else _in_folder(layouts, Path(mirror))
        if found is not None:
            return found
        log.info("%s: not in the mirror %s; trying upstream", dataset, mirror)
    layout = next((layout for layout in layouts if all(file.upstream for file in layout)), None)
    if layout is None:
        raise DataError(f"{dataset}: not in the mirror and not published anywhere; {_WAY_OUT}")
    folder = cache_folder() / "upstream"
    try:
        paths = {file.name: fetch(file.upstream, folder / file.name) for file in layout if file.upstream}
    except DataError as error:
        lacking = "" if mirror is None else f"not in the mirror {mirror}; "
        raise DataError(f"{dataset}: {lacking}{error}") from error
    return Found(layout, paths, "upstream")


def is_url(mirror: str) -> bool:
    """Return whether a mirror is a URL (else it is a folder)."""
    return re.match(r"(https?|file)://", mirror) is not None


def cache_folder() -> Path:
    """Return where downloads are kept: ``$ADIT_CACHE``, else ``~/.cache/adit``."""
    return Path(os.environ.get("ADIT_CACHE") or Path.home() / ".cache" / "adit")


def _in_folder(layouts: Sequence[Layout], folder: Path) -> Found | None:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder (the mirror); check the path, or leave it out to download")
    for layout in layouts:
        paths = {file.name: folder / file.name for file in layout}
        if all(path.is_file() for path in paths.values()):
            return Found(layout, paths, "mirror")
    return None


def _in_url(layouts: Sequence[Layout], mirror: str) -> Found | None:
    folder = cache_folder() / f"mirror-{hashlib.sha256(mirror.encode()).hexdigest()[:12]}"
    for layout in layouts:
        paths: dict[str, Path] = {}
        for file in layout:
            path = folder / file.name
            if not path.is_file() and not download(f"{mirror.rstrip('/')}/{file.name}", path, missing_ok=True):
                break
            paths[file.name] = path
        if len(paths) == len(layout):
            return Found(layout, paths, "mirror")
    return None


def fetch(upstream: Upstream, path: Path) -> Path:
    """Return ``path``, downloaded if it is not there; its size and checksum hold.

    Raises:
        DataError: it cannot be reached, or size or checksum differ.
    """
    if path.is_file():
        check(path, upstream)
    else:
        download(upstream.url, path, upstream)
    return path


def check(path: Path, upstream: Upstream, name: str | None = None) -> None:
    """Compare a file with what is published.

    Raises:
        DataError: size or checksum differ; names the file, what was expected and what was found.
    """
    name = name or str(path)
    size = path.stat().st_size
    way_out = f"delete it and run again, or {_WAY_OUT}"
    if upstream.size is not None and size != upstream.size:
        raise DataError(f"{name}: has {size} bytes, expected {upstream.size}; {way_out}")
    found = _digest(path, upstream.algorithm)
    if found != upstream.digest:
        raise DataError(f"{name}: {upstream.algorithm} checksum is {found}, expected {upstream.digest}; {way_out}")


def _digest(path: Path, algorithm: str) -> str:
    """Return the checksum of a file; ``git`` is the SHA-1 of the header ``blob``, size, zero byte and the bytes."""
    digest = hashlib.md5(usedforsecurity=False) if algorithm == "md5" else hashlib.sha1(usedforsecurity=False)
    if algorithm == "git":
        digest.update(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def download(url: str, path: Path, upstream: Upstream | None = None, *, missing_ok: bool = False) -> bool:
    """Stream a URL to ``path``; the file appears there only when it is whole and its checksum holds.

    Args:
        url: what to fetch.
        path: where to put it.
        upstream: what to compare it with before it is put into place; ``None``: its announced length only.
        missing_ok: return ``False`` where the server says that there is no such file.

    Raises:
        DataError: the server cannot be reached, the transfer breaks off, or size or checksum differ.
    """
    request = urllib.request.Request(url, headers={"User-Agent": "adit-pipeline"})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if missing_ok and error.code in (403, 404, 410):
            return False
        raise DataError(f"{url}: the server answers {error.code} {error.reason}; {_WAY_OUT}") from error
    except (OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if missing_ok and isinstance(reason, FileNotFoundError):
            return False
        raise DataError(f"{url}: cannot be reached ({reason}); {_WAY_OUT}") from error
    log.info("downloading %s", url)
    with response, store.atomic_path(path) as temporary:
        _stream(response, temporary, url)
        if upstream is not None:
            check(temporary, upstream, url)
    return True


def _stream(response: Any, path: Path, url: str) -> None:
    announced = response.headers.get("Content-Length")
    received = 0
    with path.open("wb") as file:
        while block := _read(response, url):
            received += len(block)
            file.write(block)
    if announced is not None and received != int(announced):
        raise DataError(f"{url}: broke off after {received} of {announced} bytes; run the same command again")


def _read(response: Any, url: str) -> bytes:
    try:
        block: bytes = response.read(_BLOCK)
    except (OSError, HTTPException) as error:
        raise DataError(f"{url}: the transfer broke off ({error}); run the same command again") from error
    return block


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a broken raw file makes its reader raise into one line.

    Raises:
        DataError: the file is cut short or of another format.
    """
    broken = (OSError, EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError, pa.ArrowException, ValueError)
    try:
        yield
    except broken as error:
        message = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path}: cut short or broken ({message}); copy or download it again") from error
