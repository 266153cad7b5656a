"""Anyone's sample files, cut into one entry a sample: nothing is parsed here, so that nothing can break or hang."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Final

import numpy as np

from adit import convert, store
from adit.errors import DataError
from adit.systems import AtomicSystem, Failure

MAX_MEMBER: Final = 2_000_000_000
"""Bytes of one file in an archive."""

_OWN_NAME: Final = re.compile(r"(?:^|\s)system_id=\"?([^\"\s]+)")
"""The id in the comment line of extended XYZ."""

_CIF_COLUMNS: Final = ("cif", "structure_cif", "cif_string", "structure")
_ID_COLUMNS: Final = ("system_id", "material_id", "id", "name")


@dataclass(frozen=True)
class Entry:
    """One sample, not parsed.

    Attributes:
        name: id, unique only after ``unique``.
        format: cif, xyz, mol, poscar or arrays; ``row`` for what is a system or a failure already.
        content: the text, or numbers, positions and cell, or the row.
    """

    name: str
    format: str
    content: Any


def entries(paths: Sequence[Path]) -> list[Entry]:
    """Return the entries of files, folders and zip archives, in a fixed order, with unique names.

    Raises:
        DataError: a path does not exist, is of no known format, or holds no sample.
    """
    found = [entry for path in paths for entry in _of_path(path)]
    if not found:
        raise DataError(f"{', '.join(map(str, paths))}: no sample in it; known are {', '.join(_READERS)}, .arrow, .zip")
    used: set[str] = set()
    return [Entry(_unique(entry.name, used), entry.format, entry.content) for entry in found]


def _unique(name: str, used: set[str]) -> str:
    candidate, number = name, 1
    while candidate in used:
        number += 1
        candidate = f"{name}-{number}"
    used.add(candidate)
    return candidate


def _of_path(path: Path) -> Iterator[Entry]:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file() and _suffix(file) is not None)
        for file in files:
            name = str(file.relative_to(path).with_suffix(""))
            yield from _of_file(file, name)
    elif not path.is_file():
        raise DataError(f"{path}: no such file or folder")
    elif path.suffix.lower() == ".zip":
        yield from _of_archive(path)
    elif _suffix(path) is None:
        raise DataError(f"{path}: format not known; known are {', '.join(_READERS)}, .arrow, .parquet, .zip, folders")
    else:
        yield from _of_file(path, path.stem)


def _suffix(path: PurePath) -> str | None:
    """Return what a file is by its name; ``None`` for what is no sample file."""
    if path.name.startswith(".") or "__MACOSX" in path.parts:
        return None
    suffix = path.suffix.lower()
    if suffix in _READERS or suffix in (".arrow", ".parquet"):
        return suffix
    return ".vasp" if path.name.split(".")[0] in ("POSCAR", "CONTCAR") else None


def _of_file(path: Path, name: str) -> Iterator[Entry]:
    suffix = _suffix(path)
    if suffix == ".arrow":
        yield from _of_arrow(path)
    elif suffix == ".parquet":
        yield from _of_frame(store.read_frame(path), name, str(path))
    elif suffix is not None:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise DataError(f"{path}: not readable ({error.strerror or error})") from error
        yield from _READERS[suffix](text, name, str(path))


def _of_arrow(path: Path) -> Iterator[Entry]:
    table = store.read_systems(path)
    for number, system_id in enumerate(table.ids):
        try:
            row: AtomicSystem | Failure = table[number]
        except DataError as error:
            row = Failure(system_id, "read", str(error).removeprefix(f"{system_id}: "))
        yield Entry(system_id, "row", row)


def _of_archive(path: Path) -> Iterator[Entry]:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in sorted(archive.infolist(), key=lambda info: info.filename):
                inner = PurePath(member.filename)
                suffix = _suffix(inner)
                if member.is_dir() or suffix is None or suffix not in _READERS:
                    continue
                if member.file_size > MAX_MEMBER:
                    raise DataError(
                        f"{path}: {member.filename} has {member.file_size} bytes; unpack it and give it alone"
                    )
                text = archive.read(member).decode("utf-8", errors="replace")
                yield from _READERS[suffix](text, str(inner.with_suffix("")), f"{path}:{inner}")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path}: not a readable zip archive ({error}); pack it again, or give the folder") from error


# --- texts ------------------------------------------------------------------------------------------------------------


def _cif(text: str, name: str, source: str) -> Iterator[Entry]:
    yield Entry(name, "cif", text)


def _poscar(text: str, name: str, source: str) -> Iterator[Entry]:
    yield Entry(name, "poscar", text)


def _sdf(text: str, name: str, source: str) -> Iterator[Entry]:
    blocks = convert.split_sdf(text)
    for number, (block, _) in enumerate(blocks):
        yield Entry(name if len(blocks) == 1 else f"{name}-{number}", "mol", block)


def _xyz(text: str, name: str, source: str) -> Iterator[Entry]:
    """Cut at the counts of atoms; where there is no count the rest of the file is one broken entry."""
    lines = text.splitlines()
    frames: list[Entry] = []
    start = 0
    while start < len(lines):
        if not lines[start].strip():
            start += 1
            continue
        count = lines[start].strip()
        if not count.isdigit():
            reason = f"line {start + 1} of {source} is no number of atoms; the rest of the file is not read"
            frames.append(Entry(f"{name}-{len(frames)}", "row", Failure(f"{name}-{len(frames)}", "read", reason)))
            break
        end = start + int(count) + 2
        own = _OWN_NAME.search(lines[start + 1]) if start + 1 < len(lines) else None
        frame = "\n".join(lines[start:end]) + "\n"
        frames.append(Entry(own.group(1) if own else f"{name}-{len(frames)}", "xyz", frame))
        start = end
    if len(frames) == 1 and frames[0].name == f"{name}-0":
        frames = [Entry(name, frames[0].format, frames[0].content)]
    yield from frames


def _csv(text: str, name: str, source: str) -> Iterator[Entry]:
    import io

    import pandas as pd

    try:
        frame = pd.read_csv(io.StringIO(text), keep_default_na=False, dtype=str)
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{source}: no readable CSV ({' '.join(str(error).split())})") from error
    yield from _of_frame(frame, name, source)


_READERS: Final[dict[str, Callable[[str, str, str], Iterator[Entry]]]] = {
    ".cif": _cif,
    ".xyz": _xyz,
    ".extxyz": _xyz,
    ".sdf": _sdf,
    ".mol": _sdf,
    ".vasp": _poscar,
    ".csv": _csv,
}


# --- tables -----------------------------------------------------------------------------------------------------------


def _of_frame(frame: Any, name: str, source: str) -> Iterator[Entry]:
    """Return the rows of a table with a column of CIF texts, or of numbers, positions and cells."""
    columns = {str(column).lower(): column for column in frame.columns}
    key = next((columns[each] for each in _ID_COLUMNS if each in columns), None)
    names = [str(value) for value in frame[key]] if key is not None else [f"{name}-{n}" for n in range(len(frame))]
    column = next((columns[each] for each in _CIF_COLUMNS if each in columns), None)
    if column is None:
        column = next((each for each in frame.columns if _holds_cif(frame[each])), None)
    if column is not None:
        for system_id, text in zip(names, frame[column], strict=True):
            yield Entry(system_id, "cif", text if isinstance(text, str) else "")
        return
    numbers = next((columns[each] for each in ("numbers", "atomic_numbers") if each in columns), None)
    if numbers is None or "positions" not in columns:
        held = ", ".join(map(str, frame.columns)) or "none"
        raise DataError(f"{source}: no column of CIF texts, nor numbers and positions; columns: {held}")
    cells = frame[columns["cell"]] if "cell" in columns else [None] * len(frame)
    for system_id, z, xyz, cell in zip(names, frame[numbers], frame[columns["positions"]], cells, strict=True):
        yield Entry(system_id, "arrays", (z, xyz, cell))


def _holds_cif(values: Any) -> bool:
    first = next((value for value in values if isinstance(value, str) and value.strip()), "")
    return "_cell_length_a" in first


def plain_array(value: Any) -> np.ndarray | None:
    """Return numbers as they lie in a table, nested or flat, as one flat array; ``None`` where there are none."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    rows = np.asarray(value, dtype=object).ravel()
    parts = [np.asarray(row, dtype=float).ravel() for row in rows]
    return np.concatenate(parts) if parts else np.zeros(0)


def as_row(content: Any) -> AtomicSystem | Failure:
    """Return the row of an entry that is one already."""
    row: AtomicSystem | Failure = content
    return row
