"""Intermediate files of a verb: shards, resume states, runs of external programs.

Names are recorded before the files are written; only recorded files are removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from adit.errors import ConfigError, from_os_error
from adit.outputs.check import ADOPT_WAY, adopting
from adit.outputs.manifest import Manifest, folder_key
from adit.outputs.parts import HIDDEN, forget_hidden, sweep
from adit.progress import log

_UNHASHED: Final = ""
"""Placeholder for the hash: these files change while the command runs."""


class Scratch:
    """The intermediate files of a verb in a folder.

    Args:
        folder: the folder; it may contain other files.
        verb: command that owns the files.
    """

    def __init__(self, folder: Path, verb: str) -> None:
        self.folder = folder
        self._manifest = Manifest.read(folder, folder_key(verb), verb)
        self._verb = verb
        self._lock = threading.Lock()  # trainings write states in a thread

    @property
    def names(self) -> set[str]:
        """Return the names of the files and folders, relative to the folder."""
        return set(self._manifest.files)

    def promise(self, names: Iterable[str]) -> None:
        """Record files or folders that will be written.

        Raises:
            ConfigError: one exists and was not written by this verb.
            DataError: the folder cannot be written to.
        """
        with self._lock:
            new = [name for name in names if name not in self._manifest.files]
            if new:  # another process of the verb may have recorded files
                self._manifest = Manifest.read(self.folder, folder_key(self._verb), self._verb)
                new = [name for name in new if name not in self._manifest.files]
            foreign = [name for name in new if os.path.lexists(self.folder / name)]
            if links := [name for name in foreign if (self.folder / name).is_symlink()]:
                raise ConfigError(f"{self.folder / links[0]}: is a link, and this package replaces none; remove it")
            if foreign and not adopting():
                reason = f"exists, and no manifest lists it as written by `adit {self._verb}`"
                raise ConfigError(f"{self.folder / foreign[0]}: {reason}; move it away, or {ADOPT_WAY}")
            if new:
                self._manifest.files |= dict.fromkeys(new, _UNHASHED)
                self._write()

    def _write(self) -> None:
        try:
            self._manifest.write()
        except OSError as error:
            raise from_os_error(error, str(self.folder)) from error

    def remove(self, names: Iterable[str]) -> None:
        """Remove recorded files by name, with their records; other files are kept.

        Raises:
            OSError: a file cannot be removed, or the manifest cannot be written.
        """
        with self._lock:
            self._manifest = Manifest.read(self.folder, folder_key(self._verb), self._verb)
            self._remove([name for name in names if name in self._manifest.files])

    def _remove(self, mine: Sequence[str]) -> None:
        for name in mine:
            path = self.folder / name
            if path.is_file() or path.is_symlink():
                path.unlink(missing_ok=True)
            for parent in (path, *path.parents):
                if parent == self.folder:
                    break
                sweep(parent)
                with contextlib.suppress(OSError):
                    parent.rmdir()
            del self._manifest.files[name]
        if mine and self._manifest.files:
            self._manifest.write()
        elif mine:
            self._manifest.path.unlink(missing_ok=True)
            forget_hidden(self.folder)
            with contextlib.suppress(OSError):
                self.folder.rmdir()

    def list_tree(self, name: str) -> None:
        """Record the files of a recorded folder, so that foreign files are recognised later.

        Raises:
            OSError: the manifest cannot be written.
        """
        inside = {f"{name}/{entry}": _UNHASHED for entry in _entries(self.folder / name)}
        self._manifest.files |= inside
        self._manifest.write()

    def remove_tree(self, name: str) -> None:
        """Remove a recorded folder; a folder that is not recorded or contains other files is renamed instead.

        Raises:
            OSError: the folder cannot be renamed, or the manifest cannot be written.
        """
        tree = self.folder / name
        entries = {entry for entry in self._manifest.files if entry.startswith(f"{name}/")}
        added = entries and {f"{name}/{entry}" for entry in _entries(tree)} - entries
        if tree.is_symlink() or (name not in self._manifest.files and tree.exists()) or added:
            kept = next(path for number in range(1, 10**6) if not (path := tree.with_name(f"{name}-{number}")).exists())
            log.warning("%s: contains other files; kept as %s", tree, kept.name)
            tree.rename(kept)
        else:
            shutil.rmtree(tree, ignore_errors=True)
        if entries:
            for entry in entries:
                del self._manifest.files[entry]
            self._manifest.write()


def _entries(tree: Path) -> set[str]:
    """Return the names of the files below a folder, relative to it."""
    return {
        (Path(folder) / name).relative_to(tree).as_posix()
        for folder, _, files in os.walk(tree)
        for name in files
        if HIDDEN not in Path(folder).parts[len(tree.parts) :]
    }
