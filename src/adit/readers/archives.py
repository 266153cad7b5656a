"""Members of zip and tar archives, in bounded memory; those before a damaged part are read."""

from __future__ import annotations

import bz2
import gzip
import lzma
import posixpath
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePath, PurePosixPath
from typing import IO, Final, cast

from adit.config.limits import LimitsConfig
from adit.errors import DataError
from adit.limits import BLOCK, Archive, LimitError, read_bounded

Contents = dict[str, bytes | DataError]
"""Content of each member by its name, or why there is none."""

Member = tuple[PurePosixPath, Callable[[], bytes]]
"""Name in the archive, and a function that returns the content."""


def inner_path(name: PurePath) -> PurePosixPath:
    """Return the path of a member relative to its archive; it only distinguishes members, nothing is written to it.

    Backslashes separate folders, as in archives of Windows; drives, roots and ``..`` are left out.
    """
    parts = [part for part in re.split(r"[\\/]+", str(name)) if part not in ("", ".", "..")]
    return PurePosixPath(*(parts[1:] if len(parts) > 1 and re.fullmatch(r"[A-Za-z]:", parts[0]) else parts))


class ArchiveError(DataError):
    """An archive is damaged; the members before the damage are used."""


def reason(error: Exception) -> str:
    """Return the message of a library's error, with its class if the text alone says little."""
    text = str(getattr(error, "strerror", None) or error)
    is_clear = isinstance(error, OSError | zipfile.BadZipFile | tarfile.TarError | EOFError)
    return text if is_clear and text else f"{type(error).__name__}: {text}".removesuffix(": ")


def members(
    path: Path, packed: str, limits: LimitsConfig, counter: Archive, wanted: Callable[[PurePath], bool]
) -> Iterator[Member]:
    """Yield the name of each file of an archive, and a function that returns its content.

    That function raises ``LimitError`` if the member or the archive is larger than a limit, and ``DataError`` if the
    member is damaged.

    Args:
        path: the archive.
        packed: its suffix, e.g. ``.tar.gz``.
        limits: ``file_bytes`` bounds a member, ``archive_bytes`` all of them, in unpacked bytes.
        counter: counter of the unpacked bytes.
        wanted: returns whether a member of a tar archive is read; the content of others is empty.

    Raises:
        ArchiveError: the archive is damaged, or its headers are larger than a limit; the members before were yielded.
    """
    is_zip = packed == ".zip"
    try:
        yield from _zip_members(path, limits, counter) if is_zip else _tar_members(path, limits, counter, wanted)
    except DataError as error:
        raise ArchiveError(str(error)) from error
    except MemoryError:
        raise
    except Exception as error:
        what = "zip" if is_zip else "tar"
        raise ArchiveError(
            f"{path}: not a readable {what} archive ({reason(error)}); pack it again, or give the folder"
        ) from error


def _zip_members(path: Path, limits: LimitsConfig, counter: Archive) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for member in sorted((m for m in archive.infolist() if not m.is_dir()), key=lambda m: m.filename):

            def read(member: zipfile.ZipInfo = member) -> bytes:
                source = f"{path}:{member.filename}"
                try:
                    with archive.open(member) as file:
                        return read_bounded(file, limits, source, counter)
                except (DataError, MemoryError):
                    raise
                except Exception as error:
                    raise DataError(f"{source}: not readable ({reason(error)}); pack it again") from error

            yield PurePosixPath(member.filename), read


def _tar_members(
    path: Path, limits: LimitsConfig, counter: Archive, wanted: Callable[[PurePath], bool]
) -> Iterator[Member]:
    """Yield the files of a tar archive, read in one pass, since there is no access to single members."""
    contents: Contents = {}
    damage: Exception | None = None
    try:
        _read_tar(path, limits, counter, contents, wanted)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - raised after the members before it
        damage = error
    for name in sorted(contents):

        def read(name: str = name) -> bytes:
            content = contents.pop(name)
            if isinstance(content, DataError):
                raise content
            return content

        yield PurePosixPath(name), read
    if damage is not None:
        raise damage


def _read_tar(
    path: Path,
    limits: LimitsConfig,
    counter: Archive,
    contents: Contents,
    wanted: Callable[[PurePath], bool],
) -> None:
    """Put the contents of a tar archive's files into ``contents``, up to its end, a limit or a damaged part."""
    links: dict[str, str] = {}
    try:
        _read_files(path, limits, counter, contents, wanted, links)
    finally:
        _follow(path, links, contents, counter)


def _read_files(
    path: Path,
    limits: LimitsConfig,
    counter: Archive,
    contents: Contents,
    wanted: Callable[[PurePath], bool],
    links: dict[str, str],
) -> None:
    """Put the contents of files into ``contents``, and of each wanted link its target in the archive into ``links``."""
    with _unpacked(path) as stream:
        bounded = _Bounded(stream, str(path), limits)
        with tarfile.open(fileobj=cast(IO[bytes], bounded), mode="r:") as archive:
            while (member := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined] # it keeps every header otherwise
                is_wanted = wanted(PurePosixPath(member.name))
                if is_wanted and (member.islnk() or member.issym()):
                    folder = posixpath.dirname(member.name) if member.issym() else ""
                    links[member.name] = posixpath.join(folder, member.linkname)
                    continue
                file = archive.extractfile(member) if member.isfile() else None
                if file is None:
                    continue
                if not is_wanted:
                    contents[member.name] = b""
                    continue
                bounded.counts = False
                try:
                    contents[member.name] = read_bounded(file, limits, f"{path}:{member.name}", counter)
                except LimitError as error:
                    contents[member.name] = error
                bounded.counts = True
                if counter.full:
                    return
            if bounded.last.strip(b"\0"):  # tarfile takes a damaged header for the end
                raise tarfile.ReadError(f"a header at byte {archive.offset:,} is damaged; the rest is not read")


def _follow(path: Path, links: Mapping[str, str], contents: Contents, counter: Archive) -> None:
    """Give each link the content of the file in the archive that it names, or the reason why it has none."""
    names = {posixpath.normpath(name): name for name in contents}
    targets = {posixpath.normpath(name): posixpath.normpath(target) for name, target in links.items()}
    for name in links:
        place, passed = targets[posixpath.normpath(name)], {posixpath.normpath(name)}
        while place in targets and place not in passed:
            passed.add(place)
            place = targets[place]
        content = contents.get(names.get(place, ""))
        if not content:
            way = "pack the files themselves"
            content = DataError(f"{path}:{name}: is a link to {links[name]}, which is not read from the archive; {way}")
        elif isinstance(content, bytes):
            try:
                counter.take(len(content))
            except LimitError as error:
                content = error
        contents[name] = content


_PACKED: Final = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\0", lzma.open), (b"\x5d\0\0", lzma.open))
"""First bytes of packed files, and the functions that unpack them."""


def _unpacked(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        start = file.read(8)
    for magic, unpack in _PACKED:
        if start.startswith(magic):
            return cast(IO[bytes], unpack(path, "rb"))
    return path.open("rb")


class _Bounded:
    """A tar archive whose headers take bounded memory, regardless of the sizes they state.

    Args:
        stream: the unpacked archive.
        name: name of the archive, for messages.
        limits: ``archive_bytes`` bounds its headers together.
    """

    counts = True
    """Whether headers are being read."""

    last = b""
    """Bytes of the last read."""

    def __init__(self, stream: IO[bytes], name: str, limits: LimitsConfig) -> None:
        self._stream, self._name = stream, name
        self._headers = Archive(name, limits)
        self.seek, self.tell, self.close = stream.seek, stream.tell, stream.close

    def read(self, size: int = -1) -> bytes:
        """Return at most ``size`` bytes; contents are read in blocks, so a larger request is a header.

        Raises:
            DataError: a header is larger than two blocks (``BLOCK``).
            LimitError: the headers are larger than ``limits.archive_bytes``.
        """
        if not 0 <= size <= 2 * BLOCK:
            raise DataError(f"{self._name}: has a header of {size:,} bytes; pack it again, or give the folder")
        self.last = self._stream.read(size)
        if self.counts:
            self._headers.take(len(self.last))
        return self.last
