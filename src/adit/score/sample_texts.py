"""Anyone's sample files, cut into one entry a sample: nothing is parsed here, so that nothing can break or hang."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import Final

from adit import convert, store
from adit.errors import DataError
from adit.outputs.parts import HIDDEN
from adit.progress import log
from adit.score.sample_tables import Entry, csv_entries, frame_entries
from adit.structure_texts import split_cif, split_xyz, told_of_skipped
from adit.systems import AtomicSystem, Failure

MAX_MEMBER: Final = 2_000_000_000
"""Bytes of one file in an archive."""


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


def check_paths(paths: Sequence[Path]) -> None:
    """Check that files and folders are there and of a known format, before anything is read.

    Raises:
        DataError: one is not.
    """
    for path in paths:
        if path.is_dir():
            continue
        if not path.is_file():
            raise DataError(f"{path}: no such file or folder")
        if path.suffix.lower() != ".zip" and _suffix(path) is None:
            raise DataError(
                f"{path}: format not known; known are {', '.join(_READERS)}, .arrow, .parquet, .zip, folders"
            )


def _of_path(path: Path) -> Iterator[Entry]:
    check_paths([path])
    if path.is_dir():
        yield from _of_folder(path)
    elif path.suffix.lower() == ".zip":
        yield from _of_archive(path)
    else:
        yield from _of_file(path, path.stem)


def _of_folder(path: Path) -> Iterator[Entry]:
    held = sorted(file for file in path.rglob("*") if file.is_file())
    _tell_skipped(str(path), [file.relative_to(path) for file in held if _suffix(file) is None])
    for file in held:
        if _suffix(file) is not None:
            yield from _of_file(file, str(file.relative_to(path).with_suffix("")))


def _tell_skipped(where: str, names: Sequence[PurePath]) -> None:
    if told := told_of_skipped(names):
        log.warning("%s: %s", where, told)


def _suffix(path: PurePath) -> str | None:
    """Return what a file is by its name; ``None`` for what is no sample file."""
    if path.name.startswith(".") or {"__MACOSX", HIDDEN} & set(path.parts):
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
        yield from frame_entries(store.read_frame(path), name, str(path))
    elif suffix is not None:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise DataError(f"{path}: not readable ({error.strerror or error})") from error
        yield from _READERS[suffix](text, name, str(path))


def _of_arrow(path: Path) -> Iterator[Entry]:
    try:
        table = store.read_systems(path)
    except DataError as error:  # one file that cannot be read is one row
        reason = str(error).removeprefix(f"{path}: ").partition(";")[0]
        yield Entry(path.stem, "row", Failure(path.stem, "read", reason))
        return
    for number, system_id in enumerate(table.ids):
        try:
            row: AtomicSystem | Failure = table[number]
        except DataError as error:
            row = Failure(system_id, "read", str(error).removeprefix(f"{system_id}: "))
        yield Entry(system_id, "row", row)


def _of_archive(path: Path) -> Iterator[Entry]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted((each for each in archive.infolist() if not each.is_dir()), key=lambda each: each.filename)
            names = [PurePath(each.filename) for each in members]
            _tell_skipped(str(path), [name for name in names if _suffix(name) is None])
            for name, member in zip(names, members, strict=True):
                if _suffix(name) is not None:
                    yield from _of_member(path, archive, member)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path}: not a readable zip archive ({error}); pack it again, or give the folder") from error


def _of_member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[Entry]:
    if member.file_size > MAX_MEMBER:
        raise DataError(f"{path}: {member.filename} has {member.file_size} bytes; unpack it and give it alone")
    inner = PurePath(member.filename)
    suffix, name = _suffix(inner) or "", str(inner.with_suffix(""))
    content = archive.read(member)
    if suffix in _READERS:
        yield from _READERS[suffix](content.decode("utf-8", errors="replace"), name, f"{path}:{inner}")
        return
    with tempfile.TemporaryDirectory() as folder:  # tables are read from files
        copy = Path(folder) / f"{inner.stem}{suffix}"
        copy.write_bytes(content)
        try:
            yield from _of_file(copy, name)
        except DataError as error:
            raise DataError(str(error).replace(str(copy), f"{path}:{inner}")) from error


# --- texts ------------------------------------------------------------------------------------------------------------


def _cif(text: str, name: str, source: str) -> Iterator[Entry]:
    blocks = split_cif(text)
    for number, block in enumerate(blocks):
        yield Entry(name if len(blocks) == 1 else f"{name}-{number}", "cif", block)


def _poscar(text: str, name: str, source: str) -> Iterator[Entry]:
    yield Entry(name, "poscar", text)


def _sdf(text: str, name: str, source: str) -> Iterator[Entry]:
    blocks = convert.split_sdf(text)
    if not blocks:
        yield _empty(name)
    for number, (block, _) in enumerate(blocks):
        yield Entry(name if len(blocks) == 1 else f"{name}-{number}", "mol", block)


def _empty(name: str) -> Entry:
    return Entry(name, "row", Failure(name, "read", "file is empty"))


def _xyz(text: str, name: str, source: str) -> Iterator[Entry]:
    frames = split_xyz(text)
    if not frames:
        yield _empty(name)
    for number, frame in enumerate(frames):
        own = frame.own_id or (name if len(frames) == 1 else f"{name}-{number}")
        if frame.problem:
            yield Entry(own, "row", Failure(own, "read", f"{source}: {frame.problem}"))
        else:
            yield Entry(own, "xyz", frame.text)


_READERS: Final[dict[str, Callable[[str, str, str], Iterator[Entry]]]] = {
    ".cif": _cif,
    ".xyz": _xyz,
    ".extxyz": _xyz,
    ".sdf": _sdf,
    ".mol": _sdf,
    ".vasp": _poscar,
    ".csv": csv_entries,
}
