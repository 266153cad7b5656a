"""Files as such: atomic writes, text, JSON, hashes, cached results."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from adit.errors import DataError, from_os_error


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; move it into place when the block ends well, remove it otherwise.

    Raises:
        DataError: the file cannot be written (no space, no permission), or is no plain file (a folder, a device).
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise DataError(f"writing {path}: is there and no plain file; give another name")
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise from_os_error(error, f"writing {path}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def require_file(path: Path | str) -> Path:
    """Return the path of a file that has to be there.

    Raises:
        DataError: there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file; run the stage that makes it, or check the path")
    return path


def unreadable(path: Path, error: Exception) -> DataError:
    """Return the error of a file that cannot be read, with the way out."""
    return DataError(f"{path}: not readable ({error}); delete it and run the stage that makes it again")


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` as UTF-8."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write JSON with sorted keys; NaN is refused, so that every reader can read it."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file."""
    path = require_file(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise unreadable(path, error) from error


def sha256(path: Path | str) -> str:
    """Return the SHA-256 of a file."""
    import hashlib

    digest = hashlib.sha256()
    with require_file(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def cached_json(path: Path | str, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the JSON at ``path`` if its ``key`` field equals ``key``; else make, write and return it.

    Work that a killed process had finished is found again in this way, and work of other settings is not.
    """
    path = Path(path)
    if path.is_file():
        try:
            found = read_json(path)
        except DataError:
            found = None
        if isinstance(found, dict) and found.get("key") == key:
            return found
    made = {**make(), "key": key}
    write_json(path, made)
    return made


def link(source: Path | str, path: Path | str) -> None:
    """Give a whole file a second name, without a second copy where the file system can; what was there is replaced."""
    with atomic_path(path) as part:
        part.unlink()
        try:
            os.link(require_file(source), part)
        except OSError:
            shutil.copyfile(source, part)
