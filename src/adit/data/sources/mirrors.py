"""Location of raw files: a mirror folder or URL, then upstream; files are used only once verified."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import tarfile
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from adit import store
from adit.data.sources.checksums import BLOCK, WAY_OUT, Upstream, check_download, first_use
from adit.data.sources.download import download, fetch
from adit.data.sources.registry import Dataverse, Layout, RawFile
from adit.data.sources.sessions import Deadline, new_session
from adit.errors import DataError
from adit.progress import log

if TYPE_CHECKING:
    import requests

ANSWER_S: Final = 60.0
"""Longest time of a repository's answer, s."""

ANSWER_BYTES: Final = 10_000_000
"""Largest size of a repository's answer, bytes."""

PUBLISHED = "as published (checksum verified)"
FIRST_USE = "as at its first download (no checksum is published)"
MIRROR_ONLY = "from the mirror (no published file to compare with)"
DIFFERENT = "from the mirror; differs from the published file"
"""How the content of a file was compared with the published one: the values of ``Location.verified``."""


@dataclass(frozen=True)
class Location:
    """The files of one layout, all from one place.

    Attributes:
        layout: layout of the files.
        paths: name → local file.
        origin: ``mirror`` or ``upstream``.
        verified: name → how the file was compared with the published one.
    """

    layout: Layout
    paths: dict[str, Path]
    origin: str
    verified: dict[str, str]

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of each file by name."""
        return {name: store.sha256(path) for name, path in self.paths.items()}


def locate(dataset: str, layouts: Sequence[Layout], mirror: str | None) -> Location:
    """Return the dataset's files: from the mirror, in the first layout that is complete there, else from upstream.

    Args:
        dataset: name of the dataset, for messages.
        layouts: forms of the dataset, by preference.
        mirror: folder or URL with copies; ``None`` for none.

    Raises:
        DataError: the folder of the mirror does not exist, no source can be reached, or a checksum is wrong.
    """
    if mirror is not None:
        location = _in_url(layouts, mirror) if is_url(mirror) else _in_folder(layouts, Path(mirror))
        if location is not None:
            return location
        log.warning("%s: not in the mirror %s; trying its public source", dataset, mirror)
    layout = next((layout for layout in layouts if all(file.upstream for file in layout)), None)
    if layout is None:
        raise DataError(f"{dataset}: not in the mirror and not published anywhere; {WAY_OUT}")
    folder = cache_folder() / "upstream"
    try:
        paths = {file.name: _fetch(file, folder / file.name) for file in layout}
    except DataError as error:
        lacking = "" if mirror is None else f"not in the mirror {mirror}; "
        raise DataError(f"{dataset}: {lacking}{error}") from error
    return Location(
        layout, paths, "upstream", {file.name: _upstream_outcome(file, paths[file.name]) for file in layout}
    )


def is_url(mirror: str) -> bool:
    """Return whether a mirror is a URL (else it is a folder)."""
    return re.match(r"(https?|file)://", mirror) is not None


def cache_folder() -> Path:
    """Return the folder of downloads: ``$ADIT_CACHE``, else ``~/.cache/adit``."""
    return Path(os.environ.get("ADIT_CACHE") or Path.home() / ".cache" / "adit")


def _in_folder(layouts: Sequence[Layout], folder: Path) -> Location | None:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder (the mirror); check the path, or leave it out to download")
    for layout in layouts:
        paths = {file.name: folder / file.name for file in layout}
        if all(path.is_file() for path in paths.values()):
            return Location(layout, paths, "mirror", _mirror_outcomes(layout, paths))
    return None


def _in_url(layouts: Sequence[Layout], mirror: str) -> Location | None:
    folder = cache_folder() / f"mirror-{hashlib.sha256(mirror.encode()).hexdigest()[:12]}"
    for layout in layouts:
        paths: dict[str, Path] = {}
        for file in layout:
            path = folder / file.name
            size = file.upstream.size if isinstance(file.upstream, Upstream) else None
            address = f"{mirror.rstrip('/')}/{file.name}"
            if not path.is_file() and not download(address, path, missing_ok=True, size=size):
                break
            paths[file.name] = path
        if len(paths) == len(layout):
            return Location(layout, paths, "mirror", _mirror_outcomes(layout, paths))
    return None


def _fetch(file: RawFile, path: Path) -> Path:
    upstream = file.upstream
    if isinstance(upstream, Dataverse):
        if path.is_file():
            return path  # verified when it was downloaded; its first SHA-256 is compared now
        upstream = resolve(upstream)
    return path if upstream is None else fetch(upstream, path)


def resolve(entry: Dataverse) -> Upstream:
    """Return address, size (bytes) and MD5 of a file, as a Dataverse repository lists them.

    Raises:
        DataError: the repository cannot be reached, or has no such file.
    """
    import requests

    try:
        with new_session() as session, session.get(entry.url, timeout=ANSWER_S, stream=True) as response:
            response.raise_for_status()
            files = _json(response)["data"]["latestVersion"]["files"]
        listed = {f["dataFile"]["filename"]: f["dataFile"] for f in files}
        chosen = listed[entry.filename]
        address = f"{entry.server}/api/access/datafile/{int(chosen['id'])}"
        return Upstream(address, int(chosen["filesize"]), "md5", str(chosen["md5"]), entry.licence)
    except (requests.RequestException, OSError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        raise DataError(f"{entry.url}: gives no address of {entry.filename} ({reason}); {WAY_OUT}") from None


def _json(response: requests.Response) -> Any:
    """Return the content of an answer that has a limit of time and of bytes.

    Raises:
        ValueError: it is no JSON, or too long.
        TimeoutError: it does not come in time.
    """
    started, text = time.monotonic(), b""
    with Deadline(response.raw.connection, ANSWER_S):
        while block := response.raw.read1(ANSWER_BYTES):
            text += block
            if len(text) > ANSWER_BYTES or time.monotonic() - started > ANSWER_S:
                raise ValueError(f"sends more than {ANSWER_BYTES:,} bytes, or for more than {ANSWER_S:g} s")
    return json.loads(text)


def _upstream_outcome(file: RawFile, path: Path) -> str:
    if isinstance(file.upstream, Upstream) and file.upstream.digest:
        return PUBLISHED
    first_use(path)
    return PUBLISHED if isinstance(file.upstream, Dataverse) else FIRST_USE


def _mirror_outcomes(layout: Layout, paths: dict[str, Path]) -> dict[str, str]:
    """Compare the mirror's files with the published checksums, if any."""
    outcomes = {file.name: _mirror_outcome(file, paths[file.name]) for file in layout}
    for name, outcome in outcomes.items():
        if outcome == DIFFERENT:
            log.warning("%s: %s", name, outcome)
    return outcomes


def _mirror_outcome(file: RawFile, path: Path) -> str:
    if isinstance(file.upstream, Upstream) and file.upstream.digest:
        check_download(path, file.upstream)  # the same form as published: it must be the published file
        return PUBLISHED
    if file.compressed_of is not None:
        return PUBLISHED if _unpacked_git(path) == file.compressed_of.digest else DIFFERENT
    return MIRROR_ONLY


def _unpacked_git(path: Path) -> str:
    """Return the git checksum of the content of a ``.gz`` file."""
    with reading(path), gzip.open(path) as file:
        size = 0
        while block := file.read(BLOCK):
            size += len(block)
        digest = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
        file.seek(0)
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Within the block, turn exceptions that readers raise at a broken raw file into one line.

    Raises:
        DataError: the file is truncated or of another format.
    """
    broken = (
        OSError,
        EOFError,
        zlib.error,
        gzip.BadGzipFile,
        tarfile.TarError,
        zipfile.BadZipFile,
        pa.ArrowException,
        ValueError,
    )
    try:
        yield
    except broken as error:
        message = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path}: truncated or broken ({message}); copy or download it again") from error
