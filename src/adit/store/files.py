"""Files in general: atomic writes, text, JSON, hashes, cached results."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from adit.errors import DataError, from_os_error, why_no_file
from adit.limits import LIMITS, check_file
from adit.outputs import manifest
from adit.outputs.manifest import is_made_here
from adit.outputs.parts import link_into_place, temporary_beside


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; move it into place if the block ends without error, else remove it.

    The file gets the permissions that the umask allows.

    Raises:
        DataError: the file cannot be written (no space, no permission), or is not a plain file (a folder, a device).
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise DataError(f"writing {path}: exists and is not a plain file; give another name")
    try:
        with temporary_beside(path) as temporary:
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
    except OSError as error:
        raise from_os_error(error, f"writing {path}") from error


def require_file(path: Path | str) -> Path:
    """Return the path of a required file.

    Raises:
        DataError: it does not exist, or is not a plain file.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: {why_no_file(path)}; run the stage that makes it, or check the path")
    return path


def unreadable(path: Path, error: Exception) -> DataError:
    """Return the error for an unreadable file, whose message says what to do."""
    made_here = is_made_here(path)
    way = "delete it and run the stage that makes it again" if made_here else "give another file, or make it again"
    return DataError(f"{path}: not readable ({error}); {way}")


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` as UTF-8, atomically.

    Raises:
        DataError: the file cannot be written (no space, no permission), or is not a plain file.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write JSON with sorted keys, atomically.

    Raises:
        ValueError: the value has NaN or infinity, which are not valid JSON.
        DataError: the file cannot be written (no space, no permission), or is not a plain file.
    """
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n")


def write_zip(path: Path | str, texts: Mapping[str, str]) -> None:
    """Write a zip archive of texts by name; equal texts give equal bytes.

    Raises:
        DataError: it cannot be written (no space, no permission).
    """
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            info = zipfile.ZipInfo(name)  # of 1980, not of today
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, text)


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises:
        LimitError: it is larger than ``limits.file_bytes``.
        DataError: the file is missing or broken.
    """
    path = require_file(path)
    check_file(path, LIMITS.get())
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise unreadable(path, error) from error


def sha256(path: Path | str) -> str:
    """Return the SHA-256 of a file, hexadecimal.

    Raises:
        DataError: it does not exist, or is not a plain file.
    """
    return manifest.sha256_of(require_file(path))


def cached_json(path: Path | str, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the JSON object at ``path`` if its field ``key`` equals ``key``; else make, write and return it.

    So finished work of an interrupted process is used again, and work with other settings is not.

    Args:
        path: the file.
        key: hash of everything that the object depends on.
        make: returns the object, without ``key``.

    Raises:
        DataError: the file cannot be written.
    """
    path = Path(path)
    if path.is_file():
        try:
            cached = read_json(path)
        except DataError:
            cached = None
        if isinstance(cached, dict) and cached.get("key") == key:
            return cached
    record = {**make(), "key": key}
    write_json(path, record)
    return record


def link(source: Path | str, path: Path | str) -> None:
    """Give a file a second name, without a copy if the file system supports it; an existing file is replaced.

    Args:
        source: the file.
        path: its second name.

    Raises:
        DataError: there is no such file, or the second name cannot be written.
    """
    source, path = require_file(source), Path(path)
    if link_into_place(source, path):
        return
    with atomic_path(path) as part:
        shutil.copyfile(source, part)
