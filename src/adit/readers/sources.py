"""Files, folders and archives as entries: one per structure, not parsed yet."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Final

from adit.config.limits import LimitsConfig
from adit.errors import DataError, why_no_file
from adit.limits import DEFAULTS, Archive, LimitError, capped, check_file, read_bounded
from adit.outputs.manifest import is_made_here
from adit.outputs.parts import HIDDEN
from adit.progress import log, quantity
from adit.readers.archives import ArchiveError, inner_path, members, reason
from adit.readers.formats.base import CutSettings, Entry, Format, NoStructuresError, Piece
from adit.readers.formats.registry import REFUSED, archive_suffix, format_of, known_formats
from adit.readers.formats.texts import decode, encodable


@dataclass(frozen=True)
class _File:
    """One file that holds structures.

    Attributes:
        format: format of the file.
        source: name for display.
        path: parts of its name, without its suffix.
        given: number of last parts from the given file, folder or archive on.
        suffix: suffix of the file.
        named: whether the user named it, rather than its folder or archive.
        open: returns its bytes, or a local path if the format needs one.
    """

    format: Format
    source: str
    path: tuple[str, ...]
    given: int
    suffix: str
    named: bool
    open: Callable[[], bytes | Path]


def entries(paths: Sequence[Path], settings: CutSettings | None = None, limits: LimitsConfig = DEFAULTS) -> list[Entry]:
    """Return the entries of files, folders and archives, in a fixed order; entries beyond a limit have a problem.

    Args:
        paths: files, folders and archives.
        settings: settings of tables; ``None``: the defaults.
        limits: limits on bytes and on the number of structures, in place of those in ``settings``.

    Raises:
        DataError: a path does not exist, is of no known format, or holds no structure.
    """
    settings = replace(settings or CutSettings(), limits=limits)
    check_paths(paths)
    where = ", ".join(map(str, paths))
    alone = len(paths) == 1
    every = (entry for path, given in _once(paths) for entry in _of_path(path, given, settings, limits, alone=alone))
    kept = list(capped(every, limits, lambda reason: Entry("", "", where, ("rest",), problem=reason)))
    if not kept:
        raise DataError(f"{where}: holds no structure; known are {known_formats()}")
    return kept


def _of_path(path: Path, given: int, settings: CutSettings, limits: LimitsConfig, *, alone: bool) -> Iterator[Entry]:
    """Yield the entries of a file or an archive; the damaged part of an archive is one entry with a problem."""
    count = 0
    try:
        for file in _files(path, given, limits):
            if settings.format in ("", file.format.name):
                for entry in _entries(file, settings, alone=alone):
                    count += 1
                    yield entry
    except ArchiveError as error:
        if alone and not count:
            raise
        suffix = archive_suffix(path.name) or ""
        names = (*_absolute(path).parts[1:-1], path.name.removesuffix(suffix))
        problem = str(error).removeprefix(f"{path}: ")
        yield Entry("", "", encodable(str(path)), _names(names), given, path.name[len(names[-1]) :], problem=problem)


def _absolute(path: Path) -> Path:
    """Return a path from the root on, without ``..``; links stay."""
    return Path(os.path.abspath(path))


def _names(parts: Iterable[str]) -> tuple[str, ...]:
    """Return parts of a path as texts that can be stored; names of files may be any bytes."""
    return tuple(map(encodable, parts))


def check_paths(paths: Sequence[Path]) -> None:
    """Check that files and folders exist, and that files have a known format, before anything is read.

    Raises:
        DataError: a path does not exist, or a file has no known format.
    """
    for path in paths:
        if path.is_dir():
            continue
        if not path.is_file():
            raise DataError(f"{path}: {why_no_file(path, 'file or folder')}")
        if archive_suffix(path.name) is None and format_of(path) is None:
            if path.suffix.lower() in REFUSED:
                raise DataError(f"{path}: {REFUSED[path.suffix.lower()]}")
            raise DataError(f"{path}: format not known; known are {known_formats()}")


def _once(paths: Sequence[Path]) -> list[tuple[Path, int]]:
    """Return every file once, with the number of parts of its path from the given file or folder on."""
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
    held = sorted(file for file in path.rglob("*") if not file.is_dir() and HIDDEN not in file.parts)
    readable = [file for file in held if file.is_file() and format_of(file.relative_to(path)) is not None]
    for file in held:
        if not file.is_file() and not file.name.startswith("."):
            log.warning("%s: is not read: %s", file, why_no_file(file))
    plain = [file.relative_to(path) for file in held if file.is_file()]
    _tell_skipped(str(path), [name for name in plain if format_of(name) is None])
    return [(file, 1 + len(file.relative_to(path).parts)) for file in readable]


def _files(path: Path, given: int, limits: LimitsConfig) -> Iterator[_File]:
    packed = archive_suffix(path.name)
    if packed is not None:
        yield from _of_archive(path, packed, limits)
        return
    file_format = format_of(path)
    if file_format is None:
        return
    format_, suffix = file_format
    parts = _absolute(path).parts[1:]
    name = path.name.removesuffix(suffix) if suffix else path.name

    source = encodable(str(path))

    def content() -> bytes | Path:
        check_file(path, limits)
        if format_.binary and not suffix.lower().endswith(".gz") and source == str(path):  # libraries open only texts
            return path
        return _bytes(path, limits)

    yield _File(format_, source, _names((*parts[:-1], name)), given, suffix, given == 1, content)


def _bytes(path: Path, limits: LimitsConfig) -> bytes:
    try:
        with gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb") as file:
            return read_bounded(file, limits, str(path))
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: not readable ({reason(error)})") from error


# --- archives ---------------------------------------------------------------------------------------------------------


def _of_archive(path: Path, packed: str, limits: LimitsConfig) -> Iterator[_File]:
    counter = Archive(str(path), limits)
    above = (*_absolute(path).parts[1:-1], path.name[: -len(packed)])
    skipped: list[PurePath] = []
    wanted = members(path, packed, limits, counter, lambda name: format_of(inner_path(name)) is not None)
    for member, read in wanted:
        if counter.full:  # reported by the member before, for all later ones
            break
        inner = inner_path(member)
        match = format_of(inner)
        if match is None:
            skipped.append(inner)
            continue
        format_, suffix = match
        name = inner.name.removesuffix(suffix) if suffix else inner.name
        parts = (*inner.parent.parts, name)
        source = encodable(f"{path}:{member}")
        opener = _unpacker(read, source, limits, counter) if suffix.lower().endswith(".gz") else read
        yield _File(format_, source, _names((*above, *parts)), 1 + len(parts), suffix, False, opener)
    _tell_skipped(str(path), skipped)


def _unpacker(read: Callable[[], bytes], source: str, limits: LimitsConfig, counter: Archive) -> Callable[[], bytes]:
    def unpack() -> bytes:
        try:
            with gzip.open(io.BytesIO(read()), "rb") as file:
                return read_bounded(file, limits, source, counter)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{source}: not readable ({error})") from error

    return unpack


# --- entries ----------------------------------------------------------------------------------------------------------


def _entries(file: _File, settings: CutSettings, *, alone: bool) -> Iterator[Entry]:
    try:
        pieces = _readable(file, settings)
    except LimitError as error:
        yield _unread(file, error)
        return
    except NoStructuresError as error:
        if file.named and (alone or settings.needs_structures):
            raise
        if not file.named and is_made_here(_absolute(Path(file.source))):
            log.warning("%s: it is left out", error)  # a table that this package wrote beside its structures
            return
        yield _unread(file, error)
        return
    except DataError as error:
        if file.named and alone:
            raise
        yield _unread(file, error)
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
            piece.problem.removeprefix(f"{file.source}: "),
            piece.notes,
        )


def _unread(file: _File, error: DataError) -> Entry:
    """Return the entry of a file that holds no readable structure, with the reason."""
    problem = str(error).removeprefix(f"{file.source}: ")
    return Entry(file.format.name, "", file.source, file.path, file.given, file.suffix, problem=problem)


def _readable(file: _File, settings: CutSettings) -> list[Piece]:
    """Return the pieces of a file; any exception of a library becomes a ``DataError``."""
    try:
        return _pieces(file, settings)
    except (DataError, MemoryError):
        raise
    except RecursionError as error:
        raise DataError(f"{file.source}: is not readable (it is nested too deep)") from error
    except Exception as error:
        raise DataError(f"{file.source}: not readable ({reason(error)})") from error


def _pieces(file: _File, settings: CutSettings) -> list[Piece]:
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
    shown = [name for name in names if not name.name.startswith(".") and "__MACOSX" not in name.parts]
    packed = [name for name in shown if archive_suffix(name.name) is not None]
    for text in (skipped_archives(packed), skipped_text([name for name in shown if name not in packed])):
        if text:
            log.warning("%s: %s", where, text)


def skipped_archives(names: Sequence[PurePath]) -> str:
    """Return a text that names archives in a folder or an archive, which are not read; empty if there are none."""
    if not names:
        return ""
    text = ", ".join(encodable(str(name)) for name in names[:_NAMED])
    text += f" and {quantity(len(names) - _NAMED, 'other')}" if len(names) > _NAMED else ""
    be, way = ("is", "give the archive itself") if len(names) == 1 else ("are", "give the archives themselves")
    return f"{quantity(len(names), 'archive')} in it {be} not read: {text}; {way}"


_NAMED: Final = 8
"""Largest number of unread archives that a message names."""


def skipped_text(names: Iterable[PurePath]) -> str:
    """Return a text with number and suffixes of the files that are not read; empty if there are none.

    Args:
        names: the files that are not read; hidden files are left out.
    """
    shown = [name for name in names if not name.name.startswith(".") and "__MACOSX" not in name.parts]
    if not shown:
        return ""
    suffixes = Counter(name.suffix.lower() or "without suffix" for name in shown).most_common()
    text = ", ".join(f"{count} {suffix}" for suffix, count in suffixes[:8])
    rest = sum(count for _, count in suffixes[8:])
    text += f", {quantity(rest, 'other')}" if rest else ""
    return f"{quantity(len(shown), 'file')} of other formats {'is' if len(shown) == 1 else 'are'} not read: {text}"
