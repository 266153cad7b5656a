"""Manifests: names and hashes of the files that a verb wrote into a folder, in ``.adit`` beside them.

``.adit/verb-<verb>.json``   for a verb that writes a folder
``.adit/file-<name>.json``   for one file
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any, Final

from adit.outputs.parts import HIDDEN, temporary_beside

BLOCK: Final = 1 << 20
"""Number of bytes read at a time."""

LONGEST_NAME: Final = 200
"""Largest size of a file's name in the name of its manifest, bytes; longer ones are hashed."""


class State(StrEnum):
    """State of a file with respect to a manifest.

    ``absent``: there is no file; ``own``: it is as the manifest says; ``changed``: it is in the manifest, with another
    content; ``foreign``: it is not in the manifest, or is a link or behind one.
    """

    ABSENT = "absent"
    OWN = "own"
    CHANGED = "changed"
    FOREIGN = "foreign"


@dataclass
class Manifest:
    """The files that one verb wrote into one folder.

    Attributes:
        folder: the folder.
        key: name of the manifest within ``.adit``.
        verb: the command that writes.
        files: SHA-256 by name, relative to the folder.
        before: hashes of the existing files while they are being replaced.
    """

    folder: Path
    key: str
    verb: str
    files: dict[str, str] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Return the path of the manifest."""
        return self.folder / HIDDEN / f"{self.key}.json"

    @classmethod
    def read(cls, folder: Path, key: str, verb: str) -> Manifest:
        """Return the manifest; an empty one if it is missing, unreadable, or of another command."""
        manifest = cls(folder, key, verb)
        record = _record(manifest.path)
        if record.get("verb") == verb:
            manifest.files, manifest.before = _names(record.get("files")), _names(record.get("before"))
        return manifest

    def write(self) -> None:
        """Write the manifest, atomically.

        Raises:
            OSError: the folder cannot be written to.
        """
        record: dict[str, Any] = {"verb": self.verb, "files": self.files}
        if self.before:
            record["before"] = self.before
        with temporary_beside(self.folder / "manifest") as part:
            part.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            with part.open("rb") as file:
                os.fsync(file.fileno())
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part.replace(self.path)

    def state(self, name: str) -> State:
        """Return the state of a file by its name relative to the folder."""
        path = self.folder / name
        if not os.path.lexists(path):
            return State.ABSENT
        if any((self.folder / above).is_symlink() for above in PurePosixPath(name).parents if above.parts):
            return State.FOREIGN
        states = {hashes[name] for hashes in (self.files, self.before) if name in hashes}
        if not states or path.is_symlink() or not path.is_file():
            return State.FOREIGN
        return State.OWN if sha256_of(path) in states else State.CHANGED

    def names(self) -> set[str]:
        """Return the names of all its files, also of those that are being replaced."""
        return {*self.files, *self.before}


def folder_key(verb: str) -> str:
    """Return the key of the manifest of a verb that writes a folder."""
    return f"verb-{verb}"


def file_key(name: str) -> str:
    """Return the key of the manifest of one file."""
    content = os.fsencode(name)
    return f"file-{name}" if len(content) <= LONGEST_NAME else f"file-{hashlib.sha256(content).hexdigest()}"


def manifests_in(folder: Path) -> list[Manifest]:
    """Return the manifests of a folder."""
    paths = (path for pattern in ("verb-*.json", "file-*.json") for path in sorted((folder / HIDDEN).glob(pattern)))
    return [_of_any_verb(folder, path.stem) for path in paths]


def naming(path: Path) -> Iterator[tuple[Manifest, str]]:
    """Yield the manifests that contain a file, beside it and in the folders above, and its name there."""
    for number, folder in enumerate(path.parents):
        if not (folder / HIDDEN).is_dir():
            continue
        keys = [file.stem for file in sorted((folder / HIDDEN).glob("verb-*.json"))]
        name = path.relative_to(folder).as_posix()
        for key in [file_key(path.name), *keys] if number == 0 else keys:
            manifest = _of_any_verb(folder, key)
            if name in manifest.names():
                yield manifest, name


def state_of(path: Path) -> State:
    """Return the state of a file in the manifests beside it and in the folders above; the best of several."""
    states = [manifest.state(name) for manifest, name in naming(path)]
    there = os.path.lexists(path)
    return min(states, key=list(State).index) if states else State.FOREIGN if there else State.ABSENT


def is_made_here(path: Path) -> bool:
    """Return whether a manifest contains a file's name; the file's content is not compared."""
    return next(naming(path), None) is not None


def _of_any_verb(folder: Path, key: str) -> Manifest:
    manifest = Manifest(folder, key, "")
    record = _record(manifest.path)
    manifest.verb, manifest.files, manifest.before = (
        str(record.get("verb", "")), _names(record.get("files")), _names(record.get("before"))
    )  # fmt: skip
    return manifest


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits.

    Raises:
        OSError: the file cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _record(path: Path) -> dict[str, Any]:
    if not path.is_file():  # reading a pipe would never end
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _names(record: Any) -> dict[str, str]:
    """Return the entries of files below the folder; entries outside it are ignored."""
    if not isinstance(record, dict):
        return {}
    return {name: str(value) for name, value in record.items() if _is_below(name)}


def _is_below(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\0" not in name
