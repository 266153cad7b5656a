"""Checks before writing: inputs and foreign files are refused."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextvars import ContextVar
from pathlib import Path, PurePosixPath

from adit.errors import ConfigError
from adit.outputs.inputs import Inputs
from adit.outputs.manifest import Manifest, State
from adit.outputs.parts import HIDDEN

ADOPT_VARIABLE = "ADIT_ADOPT"
"""Set by the workflow: replace files that are in no manifest."""

ADOPT_WAY = "replace it with --adopt (make run ADOPT=1, snakemake --config adopt=true)"
"""The way out, in messages."""

_adopting: ContextVar[bool] = ContextVar("adopting", default=False)


def set_adopting(adopt: bool) -> None:
    """Set whether this call may replace files that are in no manifest (``--adopt``)."""
    _adopting.set(adopt)


def adopting() -> bool:
    """Return whether files that are in no manifest may be replaced."""
    return _adopting.get() or os.environ.get(ADOPT_VARIABLE) == "1"


def check_is_folder(out: Path) -> None:
    """Refuse an output folder that exists and is not a folder.

    Raises:
        ConfigError: the path exists and is not a folder.
    """
    if os.path.lexists(out) and not out.is_dir():
        raise ConfigError(f"--out {out}: is a file; name a folder")


def check_output_places(paths: Iterable[Path]) -> None:
    """Refuse outputs in impossible places, before anything is read.

    Args:
        paths: files and folders to write.

    Raises:
        ConfigError: a path is an input of the command line, lies below a file, or in a hidden folder of this package.
    """
    inputs = Inputs(())  # the files on the command line
    for path in paths:
        if any(part.casefold() == HIDDEN for part in (*path.parts, *Path(os.path.realpath(path)).parts)):
            raise ConfigError(f"{path}: lies in a folder {HIDDEN}, which only this package uses; name another output")
        for place in (path, *path.parents):
            if place.is_file() and (source := inputs.holding(place)) is not None:
                raise ConfigError(f"{path}: {_below(path, place)}is the input {source}; name another output")
        check_is_below_folders(path)


def check_is_below_folders(path: Path) -> None:
    """Refuse an output below a file.

    Raises:
        ConfigError: a part of the path above it exists and is not a folder.
    """
    for above in path.parents:
        if above.exists() and not above.is_dir():
            raise ConfigError(f"{path}: {above} is a file, but a folder is needed; name another output")


def _below(path: Path, place: Path) -> str:
    return "" if path == place else f"{place} "


def check(manifest: Manifest, names: Iterable[str], inputs: Inputs, *, removes: bool) -> None:
    """Refuse to overwrite inputs, or files that are not in the manifest.

    Args:
        manifest: files that the verb wrote before.
        names: files to write, relative to the manifest's folder.
        inputs: files that the verb reads.
        removes: whether files of the manifest that are not among the names are removed.

    Raises:
        ConfigError: a file to write or remove is an input, or a file to write is a link, a folder, below a file, or not
            in the manifest as it is now; the message names it and the way out.
    """
    wanted = list(names)
    for name in [*wanted, *(sorted(manifest.names()) if removes else ())]:
        path = manifest.folder / name
        source = inputs.holding(path)
        if source is not None:
            what = f"is the input {source}" if not source.is_dir() else f"lies in the input folder {source}"
            raise ConfigError(f"--out: {path} would be written or removed, but {what}; name another output")
    refused = [text for name in wanted if (text := _refusal(manifest, name)) is not None]
    if refused:
        more = f" (and {len(refused) - 1} more files)" if len(refused) > 1 else ""
        raise ConfigError(f"--out: {refused[0]}{more}")


def _refusal(manifest: Manifest, name: str) -> str | None:
    """Return why a file may not be written, with the way out."""
    path = manifest.folder / name
    for parent in PurePosixPath(name).parents:
        above = manifest.folder / parent
        if os.path.lexists(above) and not above.is_dir():
            return f"{above}: is a file, but a folder is needed; move it away"
        if parent.parts and above.is_symlink():
            return f"{above}: is a link, and outputs follow none below the folder that is named; name another output"
    if path.is_symlink():
        return f"{path}: is a link, and this package replaces none; remove the link or name another output"
    if path.is_dir():
        return f"{path}: is a folder; name a file to write"
    if path.exists() and not path.is_file():
        return f"{path}: is not a plain file; name a file to write"
    state = manifest.state(name)
    if adopting() or state in (State.ABSENT, State.OWN):
        return None
    reason = "was changed since" if state is State.CHANGED else "exists, and no manifest lists it as written by"
    return f"{path}: {reason} `adit {manifest.verb}`; move it away or name another output, or {ADOPT_WAY}"
