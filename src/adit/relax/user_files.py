"""Structures in anyone's files: CIF, extended XYZ, POSCAR, this package's Arrow; one row each, also what is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from adit import convert, store
from adit.errors import DataError
from adit.outputs.parts import HIDDEN
from adit.progress import log
from adit.structure_texts import XyzFrame, split_cif, split_xyz, told_of_skipped
from adit.systems import AtomicSystem, Failure, Kind

SUFFIXES = (".cif", ".extxyz", ".xyz", ".vasp", ".poscar", ".arrow")
NAMES = ("POSCAR", "CONTCAR")


@dataclass(frozen=True)
class Input:
    """One structure.

    Attributes:
        row: the system, or why there is none; its id is unique among the inputs.
        source: the file it came from.
    """

    row: AtomicSystem | Failure
    source: str


def read_files(paths: Iterable[Path]) -> list[Input]:
    """Return the structures of files and folders in order; a broken one is a row with its reason.

    The id is the file's name without its suffix, with a number where a file holds many; what would occur twice gets a
    number too. ``system_id`` in the comment line of extended XYZ is taken as it is.

    Raises:
        DataError: a path does not exist, a folder holds no structure file, or a format is not known.
    """
    used: set[str] = set()
    return [
        Input(_renamed(row, _unique(row.system_id, used)), str(file))
        for path in paths
        for file in _files(path)
        for row in _rows(file)
    ]


def _files(path: Path) -> list[Path]:
    if path.is_file():
        if not _known(path):
            raise DataError(f"{path}: format not known; known are {', '.join(SUFFIXES)}, {' and '.join(NAMES)}")
        return [path]
    if not path.is_dir():
        raise DataError(f"{path}: no such file or folder")
    held = sorted(file for file in path.rglob("*") if file.is_file() and HIDDEN not in file.parts)
    found = [file for file in held if _known(file)]
    if not found:
        raise DataError(f"{path}: holds no structure file; known are {', '.join(SUFFIXES)}, {' and '.join(NAMES)}")
    if skipped := told_of_skipped(file.relative_to(path) for file in held if not _known(file)):
        log.warning("%s: %s", path, skipped)
    return found


def _known(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES or path.name.split(".")[0] in NAMES


def _unique(name: str, used: set[str]) -> str:
    candidate, number = name, 1
    while candidate in used:
        number += 1
        candidate = f"{name}-{number}"
    used.add(candidate)
    return candidate


def _renamed(row: AtomicSystem | Failure, system_id: str) -> AtomicSystem | Failure:
    return row if row.system_id == system_id else replace(row, system_id=system_id)


def _rows(path: Path) -> Iterator[AtomicSystem | Failure]:
    suffix = path.suffix.lower()
    if suffix == ".arrow":
        yield from _arrow(path)
    elif suffix in (".extxyz", ".xyz"):
        yield from _frames(path)
    elif suffix == ".cif":
        yield from _blocks(path)
    else:
        name = path.stem if suffix else f"{path.parent.resolve().name}-{path.name}"
        yield _or_failure(name, lambda: convert.read_poscar(_text(path), name))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _or_failure(name: str, make: Callable[[], AtomicSystem]) -> AtomicSystem | Failure:
    try:
        return make()
    except Exception as error:  # noqa: BLE001 - readers raise whatever a file makes them raise; each is this row's reason
        told = " ".join(str(error).split())[:300]
        return Failure(name, "read", told.removeprefix(f"{name}: ") or type(error).__name__, Kind.CRYSTAL)


def _blocks(path: Path) -> Iterator[AtomicSystem | Failure]:
    """Yield a row a data block of a CIF."""
    blocks = split_cif(_text(path))
    for number, block in enumerate(blocks):
        name = path.stem if len(blocks) == 1 else f"{path.stem}-{number}"
        yield _or_failure(name, partial(convert.from_cif, block, name))


def _frames(path: Path) -> Iterator[AtomicSystem | Failure]:
    """Yield a row a frame; one that cannot be read costs itself alone."""
    frames = split_xyz(_text(path))
    if not frames:
        yield Failure(path.stem, "read", "holds no structure", Kind.CRYSTAL)
    for number, frame in enumerate(frames):
        name = frame.own_id or (path.stem if len(frames) == 1 else f"{path.stem}-{number}")
        yield _or_failure(name, partial(_of_frame, frame, name))


def _of_frame(frame: XyzFrame, name: str) -> AtomicSystem:
    if frame.problem:
        raise DataError(f"{name}: {frame.problem}")
    return convert.from_extxyz_frame(frame.text, name)


def _arrow(path: Path) -> Iterator[AtomicSystem | Failure]:
    try:
        table = store.read_systems(path)
    except DataError as error:
        yield Failure(path.stem, "read", str(error).split(";")[0], Kind.CRYSTAL)
        return
    yield from table
