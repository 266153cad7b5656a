"""Files, folders and archives, opened into entries: one a structure, none parsed yet."""

from __future__ import annotations

import gzip
import tarfile
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import IO, Any, Final

from adit.errors import DataError
from adit.progress import log
from adit.readers.base import CutSettings, Entry, Format, NoStructuresError
from adit.readers.formats import REFUSED, archive_suffix, format_of, known_formats
from adit.readers.texts import decode

MAX_MEMBER: Final = 2_000_000_000
"""Bytes of one file in an archive, unpacked."""


@dataclass(frozen=True)
class _File:
    """One file that holds structures.

    Attributes:
        format: what it is.
        source: for people.
        path: parts of its name, without its suffix.
        given: how many of the last parts are the name from what was given on.
        suffix: of the file.
        named: whether the user named it, and not its folder or archive.
        open: returns its bytes, or a local path where the format asks for one.
    """

    format: Format
    source: str
    path: tuple[str, ...]
    given: int
    suffix: str
    named: bool
    open: Callable[[], bytes | Path]


def entries(paths: Sequence[Path], settings: CutSettings | None = None) -> list[Entry]:
    """Return the entries of files, folders and archives, in a fixed order.

    Raises:
        DataError: a path does not exist, is of no known format, or holds no structure.
    """
    settings = settings or CutSettings()
    check_paths(paths)
    found = [entry for path, given in _once(paths) for file in _files(path, given) for entry in _entries(file, settings)]
    if not found:
        raise DataError(f"{', '.join(map(str, paths))}: holds no structure; known are {known_formats()}")
    return found


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
        if archive_suffix(path.name) is None and format_of(path) is None:
            if path.suffix.lower() in REFUSED:
                raise DataError(f"{path}: {REFUSED[path.suffix.lower()]}")
            raise DataError(f"{path}: format not known; known are {known_formats()}")


def _once(paths: Sequence[Path]) -> list[tuple[Path, int]]:
    """Return every file once, with how many parts of its path are its name from what was given on."""
    depth: dict[Path, int] = {}
    order: dict[Path, Path] = {}
    for path in paths:
        held = _of_folder(path) if path.is_dir() else [(path, 1)]
        for file, given in held:
            key = file.resolve()
            if key in depth and not path.is_dir():
                log.warning("%s: is given twice and read once", file)
            depth[key] = max(given, depth.get(key, 0))
            order.setdefault(key, file)
    return [(file, depth[key]) for key, file in order.items()]


def _of_folder(path: Path) -> list[tuple[Path, int]]:
    held = sorted(file for file in path.rglob("*") if file.is_file())
    known = [file for file in held if format_of(file.relative_to(path)) is not None]
    _tell_skipped(str(path), [file.relative_to(path) for file in held if format_of(file.relative_to(path)) is None])
    return [(file, 1 + len(file.relative_to(path).parts)) for file in known]


def _files(path: Path, given: int) -> Iterator[_File]:
    packed = archive_suffix(path.name)
    if packed is not None:
        yield from _of_archive(path, packed)
        return
    found = format_of(path)
    if found is None:
        return
    format_, suffix = found
    parts = path.absolute().parts[1:]
    name = path.name.removesuffix(suffix) if suffix else path.name
    opener = (lambda: path) if format_.binary and not suffix.lower().endswith(".gz") else (lambda: _bytes(path))
    yield _File(format_, str(path), (*parts[:-1], name), given, suffix, given == 1, opener)


def _bytes(path: Path) -> bytes:
    try:
        if path.name.lower().endswith(".gz"):
            with gzip.open(path, "rb") as file:
                return _limited(file, str(path))
        return path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: not readable ({getattr(error, 'strerror', None) or error})") from error


def _limited(file: IO[bytes] | gzip.GzipFile, source: str) -> bytes:
    content = file.read(MAX_MEMBER + 1)
    if len(content) > MAX_MEMBER:
        raise DataError(f"{source}: has more than {MAX_MEMBER} bytes unpacked; unpack it and give it alone")
    return content


# --- archives ---------------------------------------------------------------------------------------------------------


def _of_archive(path: Path, packed: str) -> Iterator[_File]:
    members = _zip_members if packed == ".zip" else _tar_members
    try:
        yield from _members(path, packed, members(path))
    except (zipfile.BadZipFile, tarfile.TarError, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        what = "zip" if packed == ".zip" else "tar"
        raise DataError(f"{path}: not a readable {what} archive ({error}); pack it again, or give the folder") from error


Member = tuple[PurePosixPath, Callable[[], bytes]]


def _members(path: Path, packed: str, members: Iterator[Member]) -> Iterator[_File]:
    above = (*path.absolute().parts[1:-1], path.name[: -len(packed)])
    skipped: list[PurePath] = []
    for inner, read in members:
        found = format_of(inner)
        if found is None:
            skipped.append(inner)
            continue
        format_, suffix = found
        name = inner.name.removesuffix(suffix) if suffix else inner.name
        parts = (*(part for part in inner.parent.parts if part not in (".", "/")), name)
        source = f"{path}:{inner}"
        opener = _unpacker(read, source) if suffix.lower().endswith(".gz") else read
        yield _File(format_, source, (*above, *parts), 1 + len(parts), suffix, False, opener)
    _tell_skipped(str(path), skipped)


def _unpacker(read: Callable[[], bytes], source: str) -> Callable[[], bytes]:
    def unpack() -> bytes:
        import io

        try:
            with gzip.open(io.BytesIO(read()), "rb") as file:
                return _limited(file, source)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{source}: not readable ({error})") from error

    return unpack


def _zip_members(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for member in sorted((m for m in archive.infolist() if not m.is_dir()), key=lambda m: m.filename):

            def read(member: zipfile.ZipInfo = member) -> bytes:
                if member.file_size > MAX_MEMBER:
                    raise DataError(f"{path}: {member.filename} has {member.file_size} bytes; unpack it and give it alone")
                return archive.read(member)

            yield PurePosixPath(member.filename), read


def _tar_members(path: Path) -> Iterator[Member]:
    """Yield the files of a tar archive by name: in one pass, since its members cannot be reached singly."""
    contents: dict[str, bytes] = {}
    with tarfile.open(path, "r:*") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is None:
                continue
            known = format_of(PurePosixPath(member.name)) is not None
            contents[member.name] = _limited(file, f"{path}:{member.name}") if known else b""
    for name in sorted(contents):
        yield PurePosixPath(name), lambda name=name: contents[name]  # type: ignore[misc]


# --- entries ----------------------------------------------------------------------------------------------------------


def _entries(file: _File, settings: CutSettings) -> Iterator[Entry]:
    try:
        pieces = list(_pieces(file, settings))
    except NoStructuresError as error:
        if file.named:
            raise
        log.warning("%s: it is left out", error)
        return
    if not pieces:
        yield Entry(file.format.name, "", file.source, file.path, file.given, file.suffix, problem="file is empty")
    repeated = Counter(piece.title for piece in pieces)
    for number, piece in enumerate(pieces, start=1):
        yield Entry(
            piece.format or file.format.name,
            piece.content,
            file.source,
            file.path,
            file.given,
            file.suffix,
            piece.title if piece.own_id or repeated[piece.title] == 1 else "",
            number if len(pieces) > 1 else 0,
            piece.properties,
            piece.problem,
            piece.notes,
        )


def _pieces(file: _File, settings: CutSettings) -> Iterable[Any]:
    content = file.open()
    if not file.format.binary:
        return list(file.format.cut(decode(content) if isinstance(content, bytes) else content, file.source, settings))
    if isinstance(content, Path):
        return list(file.format.cut(content, file.source, settings))
    with tempfile.TemporaryDirectory() as folder:  # tables are read from files
        copy = Path(folder) / f"table{file.suffix.lower().removesuffix('.gz')}"
        copy.write_bytes(content)
        return list(file.format.cut(copy, file.source, settings))


def _tell_skipped(where: str, names: Sequence[PurePath]) -> None:
    if text := skipped_text(names):
        log.warning("%s: %s", where, text)


def skipped_text(names: Iterable[PurePath]) -> str:
    """Return how many files are not read and of which suffixes; empty where there are none.

    Args:
        names: the files; hidden ones do not count.
    """
    shown = [name for name in names if not name.name.startswith(".") and "__MACOSX" not in name.parts]
    if not shown:
        return ""
    suffixes = Counter(name.suffix.lower() or "without suffix" for name in shown).most_common()
    text = ", ".join(f"{count} {suffix}" for suffix, count in suffixes[:8])
    rest = sum(count for _, count in suffixes[8:])
    return f"{len(shown)} files of other formats are not read: {text}{f', {rest} others' if rest else ''}"
