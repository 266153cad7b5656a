"""New content is written to a temporary folder, checked, and moved into place.

Only files of the verb's manifest are replaced or removed.
The order makes a kill at any time harmless: a file is added to the manifest before it is written, and removed from the
manifest after it is deleted.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adit.errors import ConfigError
from adit.outputs.check import check, check_is_below_folders, check_is_folder
from adit.outputs.held import held
from adit.outputs.inputs import Inputs
from adit.outputs.manifest import Manifest, State, file_key, folder_key, sha256_of
from adit.outputs.parts import HIDDEN, forget_hidden, hidden_folder, sweep
from adit.progress import log, shown_as

STAGE: Final = "new-"
"""Beginning of the names of temporary folders."""

_TOKEN: Final = 8


@contextmanager
def replaced_folder(out: Path, verb: str, *, inputs: Iterable[Path] = (), names: Iterable[str] = ()) -> Iterator[Path]:
    """Yield an empty folder; when the block ends without error, its files replace those of ``verb`` in ``out``.

    Other files in ``out`` are kept. Nothing changes if the block fails.

    Args:
        out: the folder to write to; created if it is missing.
        verb: the command that writes.
        inputs: files and folders that are read.
        names: files that will be written, if known, so that conflicts are found before the work.

    Raises:
        ConfigError: ``out`` is a file, or a file to write or remove is an input, or was not written by ``verb``.
        ExternalToolError: another process writes there.
    """
    check_is_folder(out)
    with _claimed([_Request(out, folder_key(verb), tuple(names), removes=True)], verb, inputs) as (claim,):
        yield claim.stage
        _swap([claim])


@contextmanager
def replaced_files(paths: Sequence[Path], verb: str, *, inputs: Iterable[Path] = ()) -> Iterator[list[Path]]:
    """Yield a path for each file; when the block ends without error, the written files replace the old ones.

    A file that the block does not write is kept.

    Args:
        paths: the files to write.
        verb: the command that writes.
        inputs: files and folders that are read.

    Raises:
        ConfigError: as for ``replaced_folder``, or a file is given twice.
        ExternalToolError: another process writes there.
    """
    if len({os.path.abspath(path) for path in paths}) < len(paths):
        raise ConfigError(f"adit {verb}: two outputs have the same name; give each its own")
    requests = [_Request(path.parent, file_key(path.name), (path.name,), removes=False) for path in paths]
    with _claimed(requests, verb, inputs) as claims:
        yield [claim.stage / path.name for claim, path in zip(claims, paths, strict=True)]
        _swap(claims)


def check_folder(out: Path, verb: str, *, inputs: Iterable[Path], names: Iterable[str]) -> None:
    """Do the checks of ``replaced_folder`` before long computations; nothing is written.

    Args:
        out: the folder to write to.
        verb: the command that writes.
        inputs: files and folders that are read.
        names: files that will be written, if known.

    Raises:
        ConfigError: as for ``replaced_folder``.
    """
    check_is_folder(out)
    check(Manifest.read(out, folder_key(verb), verb), names, Inputs(inputs), removes=True)


@dataclass(frozen=True)
class _Request:
    """A folder to write into.

    Attributes:
        folder: the folder.
        key: key of the manifest.
        names: files that will be written, if known.
        removes: whether files of the manifest that are not written again are removed.
    """

    folder: Path
    key: str
    names: tuple[str, ...]
    removes: bool


@dataclass
class _Claim:
    """A locked output folder, with the temporary folder of its new content."""

    manifest: Manifest
    stage: Path
    inputs: Inputs
    request: _Request
    new: dict[str, str]

    @property
    def removes(self) -> bool:
        """Return whether files that are not written again are removed."""
        return self.request.removes

    def written(self) -> list[str]:
        """Return the names of the new files that are this claim's."""
        return [name for name in _written(self.stage) if self.removes or name in self.request.names]


@contextmanager
def _claimed(requests: Sequence[_Request], verb: str, inputs: Iterable[Path]) -> Iterator[list[_Claim]]:
    """Yield the checked claims on all folders; temporary folders are removed when the block ends."""
    input_files = Inputs(inputs)
    claims: dict[_Request, _Claim] = {}
    stages: dict[Path, Path] = {}  # one temporary folder per folder: verbs write some files beside others
    with ExitStack() as stack:
        for one in requests:
            check_is_below_folders(one.folder / "x")
        for one in sorted(requests, key=lambda one: (os.path.abspath(one.folder), one.key)):
            stack.enter_context(_gone_if_empty(one.folder))
            stack.enter_context(held(one.folder, one.key, verb))
            manifest = Manifest.read(one.folder, one.key, verb)
            check(manifest, one.names, input_files, removes=one.removes)
            if one.folder not in stages:
                stages[one.folder] = stack.enter_context(_stage(one.folder, one.key))
            claims[one] = _Claim(manifest, stages[one.folder], input_files, one, {})
        yield [claims[one] for one in requests]


@contextmanager
def _gone_if_empty(folder: Path) -> Iterator[None]:
    """At the end, remove the empty folders that were created for ``folder``."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    finally:
        for path in missing:
            with contextlib.suppress(OSError):
                path.rmdir()


@contextmanager
def _stage(folder: Path, key: str) -> Iterator[Path]:
    """Yield an empty folder beside the outputs; messages show the final paths of its files."""
    hidden = hidden_folder(folder)
    sweep(folder)
    for left in hidden_folder(folder).iterdir():  # of a killed process, since this process holds the lock
        if left.name.startswith(STAGE) and left.name[len(STAGE) + 2 * _TOKEN + 1 :] == key:
            shutil.rmtree(left, ignore_errors=True)
    stage = hidden / f"{STAGE}{secrets.token_hex(_TOKEN)}-{key}"
    stage.mkdir()
    try:
        with shown_as(stage, folder):
            yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        forget_hidden(folder)


def _swap(claims: Sequence[_Claim]) -> None:
    """Compare the new files with the existing ones and move them; then remove files that are no longer written."""
    for claim in claims:
        claim.new = {name: sha256_of(claim.stage / name) for name in claim.written()}
        check(claim.manifest, claim.new, claim.inputs, removes=claim.removes)
    for claim in claims:
        _announce(claim)
    for claim in claims:
        for name in claim.new:
            path = claim.manifest.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            (claim.stage / name).replace(path)
    for claim in claims:
        _forget_old(claim)


def _written(stage: Path) -> list[str]:
    """Return the names of the files in a folder, without temporary ones, in order."""
    names = []
    for folder, folders, files in os.walk(stage):
        folders[:] = [name for name in folders if name != HIDDEN]
        names += [(Path(folder) / name).relative_to(stage).as_posix() for name in files]
    return sorted(names)


def _announce(claim: _Claim) -> None:
    """Store the new names before their files exist, in addition to the existing ones."""
    manifest = claim.manifest
    if not claim.new and not claim.removes:
        return
    manifest.before = {**manifest.files, **manifest.before}
    manifest.files = dict(claim.new)
    manifest.write()


def _forget_old(claim: _Claim) -> None:
    """Remove unchanged files that are not written again, and drop them from the manifest."""
    manifest = claim.manifest
    if not claim.new and not claim.removes:
        return
    if claim.removes:
        for name in sorted(set(manifest.before) - set(claim.new)):
            remove(manifest, name)
    manifest.before = {}
    manifest.write()


def remove(manifest: Manifest, name: str) -> bool:
    """Remove a file of a manifest and folders that become empty; return whether it was removed.

    A changed file is kept, with a warning.
    """
    state, path = manifest.state(name), manifest.folder / name
    if state in (State.CHANGED, State.FOREIGN):
        log.warning("%s: kept, since it was changed after it was written", path)
        return False
    path.unlink(missing_ok=True)
    for parent in path.parents:
        if parent == manifest.folder:
            break
        with contextlib.suppress(OSError):
            parent.rmdir()
    return True


def remove_all(out: Path, verb: str) -> None:
    """Remove the files of ``verb``'s manifest from a folder, and the manifest.

    Raises:
        ExternalToolError: another process writes there.
    """
    if not (out / HIDDEN).is_dir():
        return
    key = folder_key(verb)
    with held(out, key, verb):
        manifest = Manifest.read(out, key, verb)
        for name in sorted(manifest.names()):
            remove(manifest, name)
        manifest.path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        out.rmdir()
