"""Removes what manifests name, and what else is recognised for certain as made here; everything of others stays."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from adit.errors import ConfigError
from adit.outputs.logs import is_own_benchmark, is_own_log
from adit.outputs.manifest import Manifest, manifests_in
from adit.outputs.parts import HIDDEN
from adit.outputs.replace import remove

CACHED: Final = re.compile(r"([a-z]+-)*([0-9a-f]{12}|[0-9a-f]{64})\.json|(reduced|molecule-names)-.+\.(arrow|parquet)")
"""Names of cached results in state folders: what they depend on, hashed, or the versions of the libraries."""

SNAKEMAKE: Final = (
    *("auxiliary", "conda", "conda-archive", "incomplete", "iocache", "locks", "log", "metadata", "scripts", "shadow"),
    *("singularity", "source_cache", "storage"),
)
"""Files in Snakemake's own folder."""


def clean(folder: Path) -> tuple[int, list[Path]]:
    """Remove what this package made in a folder and below it.

    Args:
        folder: the folder, e.g. ``results``; links to other folders are not followed.

    Returns:
        How many files went, and those that are left.

    Raises:
        ConfigError: it is not a folder.
    """
    if not folder.exists():
        return 0, []
    if not folder.is_dir():
        raise ConfigError(f"{folder}: is not a folder")
    before = len(_files(folder))
    for place in list(_places(folder)):
        for manifest in manifests_in(place):
            _remove_named(manifest)
    for path in _files(folder):
        if _is_recognised(path):
            path.unlink(missing_ok=True)
    for place in list(_places(folder)):
        shutil.rmtree(place / HIDDEN, ignore_errors=True)
    for below, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            Path(below).rmdir()
    left = _files(folder) if folder.exists() else []
    return before - len(left), left


def clean_snakemake(folder: Path) -> None:
    """Remove what Snakemake keeps in ``.snakemake``."""
    for name in SNAKEMAKE:
        shutil.rmtree(folder / name, ignore_errors=True)
    for file in (*folder.glob("*.lock"), *folder.glob("*timestamp*")):
        file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _places(folder: Path) -> Iterator[Path]:
    """Yield the folders that have a hidden folder of this package."""
    for below, folders, _ in os.walk(folder):
        if HIDDEN in folders:
            folders.remove(HIDDEN)
            yield Path(below)


def _files(folder: Path) -> list[Path]:
    """Return the files below a folder that are not in hidden folders of this package."""
    paths = []
    for below, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != HIDDEN]
        paths += [Path(below) / name for name in files]
    return sorted(paths)


def _remove_named(manifest: Manifest) -> None:
    """Remove the files that a manifest names: those with a hash if they are as they were written."""
    for name in sorted(manifest.names(), reverse=True):
        path = manifest.folder / name
        if manifest.files.get(name) != "":
            remove(manifest, name)
        elif not path.is_dir():
            path.unlink(missing_ok=True)
        elif not any(other.startswith(f"{name}/") for other in manifest.files):  # a run that was cut off: its own whole
            shutil.rmtree(path, ignore_errors=True)
    manifest.path.unlink(missing_ok=True)


def _is_recognised(path: Path) -> bool:
    """Return whether a file that no manifest names was made here for certain: a log, times, a cached result."""
    if path.is_symlink():
        return False
    if path.suffix == ".log":
        return is_own_log(path) or (path.parent.name == "logs" and not path.stat().st_size)
    if path.suffix == ".tsv":
        return is_own_benchmark(path)
    return "state" in path.parts and CACHED.fullmatch(path.name) is not None
