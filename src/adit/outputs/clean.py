"""Removes files of manifests, and logs, times and caches of a run; other files are kept."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from adit.errors import ConfigError, ExternalToolError
from adit.outputs.logs import is_own_benchmark, is_own_log
from adit.outputs.manifest import Manifest, State, folder_key, manifests_in
from adit.outputs.parts import HIDDEN, lock, sweep

CACHED: Final = re.compile(r"([a-z]+-)*([0-9a-f]{12}|[0-9a-f]{64})\.json|(reduced|molecule-names)-.+\.(arrow|parquet)")
"""Names of cached results in the state folder of a run: hashes of their inputs, or versions of libraries."""

RELAXED: Final = ".relax"
"""Folder of the finished relaxations of ``adit relax`` and checks of ``adit check-stability``, beside the results."""

RELAXING: Final = ("relax", "check-stability")
"""Verbs that write such a folder."""

LOCK: Final = ".lock"
"""Suffix of locks."""

OWN_HIDDEN: Final = re.compile(r"(verb|file)-.+\.(json|lock)|.+\.lock|new-[0-9a-f]+.*|[0-9a-f]{16}\.(part|link)")
"""Names of this package's files in a hidden folder."""


def clean(folder: Path) -> tuple[int, list[Path]]:
    """Remove the files of this package in a folder and below it.

    Removed are: unchanged files of a manifest; intermediate files of a manifest; logs, times and cached results in the
    folders ``logs``, ``benchmarks`` and ``state`` of a run; finished relaxations of ``adit relax``; empty locks in the
    hidden folders beside all these. Links are never followed, a folder in a manifest is never
    removed as a whole, and only folders that become empty are removed.

    Args:
        folder: the folder, e.g. ``results``.

    Returns:
        The number of removed files, without those of hidden folders, and the files that are left.

    Raises:
        ConfigError: there is no such folder.
        ExternalToolError: another process writes there.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise ConfigError(f"{folder}: is not a folder; name the folder of results to clean")
    places = list(_places(folder))
    if not places:
        return 0, _files(folder)
    roots = {root for place in places for root in (place, place.parent) if root.is_relative_to(folder)}
    runs = sorted(root for root in roots if _is_run(root))
    locked = [place for place in _locked_places(folder, [*places, *runs]) if place not in places]
    with ExitStack() as locks:
        for place in [*places, *locked]:
            _keep_writers_out(place / HIDDEN, locks)
        gone = [path for place in places if _is_relaxed(place) for path in _remove_cached(place / RELAXED)]
        gone += [path for place in places for manifest in manifests_in(place) for path in _remove_named(manifest)]
        for run in runs:
            gone += _remove_own_places(run)
        for place in places:
            gone_hidden = _remove_hidden(place / HIDDEN)
            _remove_empty([*gone_hidden, place / HIDDEN / "x"], folder)
        _remove_empty([path for place in locked for path in _remove_locks(place / HIDDEN)], folder)
    _remove_empty(gone, folder)
    return len(gone), _files(folder) if folder.exists() else []


def _places(folder: Path) -> Iterator[Path]:
    """Yield the folders that have a hidden folder of this package, without following links."""
    for below, folders, _ in os.walk(folder):
        if HIDDEN in folders:
            folders.remove(HIDDEN)
            if not (Path(below) / HIDDEN).is_symlink() and manifests_in(Path(below)):
                yield Path(below)


def _locked_places(folder: Path, own: Sequence[Path]) -> list[Path]:
    """Return the folders in or below folders of this package's that have locks of this package but no manifest."""
    places = []
    for below, folders, _ in os.walk(folder):
        place = Path(below)
        if HIDDEN not in folders:
            continue
        folders.remove(HIDDEN)
        if (place / HIDDEN).is_symlink() or not any(place.is_relative_to(each) for each in own):
            continue
        if _locks(place / HIDDEN):
            places.append(place)
    return places


def _locks(hidden: Path) -> list[Path]:
    """Return the locks in a hidden folder: empty files, as this package makes them."""
    return [
        path
        for path in sorted(hidden.glob(f"*{LOCK}"))
        if not path.is_symlink() and path.is_file() and not path.stat().st_size
    ]


def _remove_locks(hidden: Path) -> list[Path]:
    """Remove the locks in a hidden folder, and return their paths."""
    locks = _locks(hidden)
    for path in locks:
        path.unlink(missing_ok=True)
    return locks


def _is_relaxed(place: Path) -> bool:
    """Return whether a verb of ``RELAXING`` wrote into a folder."""
    written = any((place / HIDDEN / f"{folder_key(verb)}.json").is_file() for verb in RELAXING)
    return written and not (place / RELAXED).is_symlink()


def _remove_cached(folder: Path) -> list[Path]:
    """Remove the cached results right in a folder, and return their paths."""
    plain = [path for path in sorted(folder.glob("*.json")) if path.is_file() and not path.is_symlink()]
    own = [path for path in plain if _is_cached(path)]
    for path in own:
        path.unlink(missing_ok=True)
    return own


def _files(folder: Path) -> list[Path]:
    """Return the files below a folder."""
    return sorted(Path(below) / name for below, _, files in os.walk(folder) for name in files)


def _keep_writers_out(hidden: Path, locks: ExitStack) -> None:
    """Take every lock of a hidden folder while ``locks`` is open.

    Raises:
        ExternalToolError: another process holds one.
    """
    for path in sorted(hidden.glob("*.lock")):
        if path.is_symlink() or not path.is_file():
            continue
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        locks.callback(os.close, handle)
        if not lock(handle):
            raise ExternalToolError(f"{hidden.parent}: another process writes there; wait for it, or stop it")


def _remove_named(manifest: Manifest) -> list[Path]:
    """Remove the files of a manifest and return their paths; changed files are kept."""
    gone = []
    for name in sorted(manifest.names(), reverse=True):
        path = manifest.folder / name
        if not _is_inside(manifest.folder, path) or path.is_symlink() or not path.is_file():
            continue
        if manifest.files.get(name) == "" or manifest.state(name) is State.OWN:
            path.unlink(missing_ok=True)
            gone.append(path)
    return gone


def _is_inside(folder: Path, path: Path) -> bool:
    """Return whether a path is below a folder, without ``..`` and links on the way."""
    parts = path.relative_to(folder).parts
    if ".." in parts or not parts:
        return False
    steps = [folder.joinpath(*parts[:number]) for number in range(1, len(parts))]
    return not any(step.is_symlink() for step in steps)


def _is_run(folder: Path) -> bool:
    """Return whether a folder has the layout of a run: logs of stages beside folders with manifests."""
    return (folder / "logs").is_dir() and any((each / HIDDEN).is_dir() for each in folder.iterdir() if each.is_dir())


def _remove_own_places(run: Path) -> list[Path]:
    """Remove logs, times and cached results from their folders in a run, and return their paths."""
    gone = []
    for place, is_own in (("logs", _is_log), ("benchmarks", _is_times), ("state", _is_cached)):
        root = run / place
        for path in [] if root.is_symlink() else _files(root):
            if not path.is_symlink() and is_own(path):
                path.unlink(missing_ok=True)
                gone.append(path)
    return gone


def _is_log(path: Path) -> bool:
    return path.suffix == ".log" and is_own_log(path)


def _is_times(path: Path) -> bool:
    return path.suffix == ".tsv" and is_own_benchmark(path)


def _is_cached(path: Path) -> bool:
    return CACHED.fullmatch(path.name) is not None


def _remove_hidden(hidden: Path) -> list[Path]:
    """Remove manifests, locks and remains of killed processes from a hidden folder; other files are kept."""
    sweep(hidden.parent)
    own = [path for path in sorted(hidden.glob("*")) if OWN_HIDDEN.fullmatch(path.name) and not path.is_dir()]
    for path in own:
        path.unlink(missing_ok=True)
    return own


def _remove_empty(gone: list[Path], top: Path) -> None:
    """Remove the folders of removed files that are now empty, up to and including ``top``."""
    parents = {parent for path in gone for parent in path.parents if parent == top or top in parent.parents}
    for parent in sorted(parents, key=lambda path: len(path.parts), reverse=True):
        with contextlib.suppress(OSError):
            parent.rmdir()
