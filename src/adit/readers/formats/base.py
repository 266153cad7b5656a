"""Common types of the readers: an entry (one structure, not parsed yet), the result of parsing, and a format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from adit.config.limits import LimitsConfig
from adit.errors import DataError
from adit.limits import DEFAULTS
from adit.readers.symmetry.sites import MERGE_DISTANCE
from adit.systems import AtomicSystem

CONTRADICTION: Final = "contradiction: "
"""Prefix of a note that the file contradicts itself."""


@dataclass(frozen=True)
class ParseSettings:
    """Settings of parsing.

    Attributes:
        merge_distance: symmetry copies of one site closer than this become one site, Å.
        refuse_contradictions: whether a file that contradicts itself is a failure instead of a row with a note.
        limits: limits on bytes, structures and atoms.
    """

    merge_distance: float = MERGE_DISTANCE
    refuse_contradictions: bool = False
    limits: LimitsConfig = DEFAULTS


@dataclass(frozen=True)
class Entry:
    """One structure, not parsed.

    Attributes:
        format: name of the format that parses ``content``.
        content: text, bytes, arrays, or a system or failure that needs no parsing.
        source: the file, for display; a member of an archive follows a colon.
        path: parts of its path, from the outermost folder on, without the file's suffix.
        given: number of last parts from the given file, folder or archive on.
        suffix: suffix of the file, to distinguish files with otherwise equal names.
        title: id or title in the file; empty if there is none.
        number: 1, 2, … among several structures of one file; 0 for a single one.
        properties: columns, keys or data fields of the entry.
        problem: why it is not a structure; empty if it may be one.
        notes: notes for the row.
    """

    format: str
    content: Any
    source: str = ""
    path: tuple[str, ...] = ()
    given: int = 1
    suffix: str = ""
    title: str = ""
    number: int = 0
    properties: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parsed:
    """Result of parsing.

    Attributes:
        system: the structure; its id is a placeholder.
        notes: notes for the row; contradictions begin with ``CONTRADICTION``.
        properties: labels in the text, by name.
    """

    system: AtomicSystem
    notes: tuple[str, ...] = ()
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Piece:
    """One structure cut out of a file.

    Attributes:
        content: input of the format's parser.
        title: id or title in the file.
        properties: columns, keys or data fields.
        problem: why it is not a structure.
        format: format of the content if it is not the file's own, as in a table of CIF texts; else empty.
        notes: notes for the row.
        own_id: whether the title is an id that is kept even if it is not unique (then with a number).
    """

    content: Any
    title: str = ""
    properties: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    format: str = ""
    notes: tuple[str, ...] = ()
    own_id: bool = False


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes:
        name: name, for display and in the registry.
        suffixes: file suffixes, in lower case, with the dot.
        cut: cuts a file's content into structures without parsing them.
        parse: parses one of them; raises ``DataError`` if it is not a structure.
        names: beginnings of file names without a suffix that identify the format.
        binary: whether ``cut`` reads bytes instead of text.
        energies: whether its files can hold the energy of a structure.
        periodic: whether all its structures have a cell, or none has; ``None``: either.
        remark: remark for the table in the documentation.
    """

    name: str
    suffixes: tuple[str, ...]
    cut: Callable[[Any, str, CutSettings], Iterator[Piece]]
    parse: Callable[[Any, ParseSettings], Parsed]
    names: tuple[str, ...] = ()
    binary: bool = False
    energies: bool = True
    periodic: bool | None = None
    remark: str = ""


@dataclass(frozen=True)
class CutSettings:
    """Settings of cutting tables.

    Attributes:
        structure_column: column of the structures; empty: detected.
        id_column: column or key of the ids; empty: detected.
        format: name of the only format that is read; empty: all.
        limits: ``archive_bytes`` bounds the unpacked size of a packed table.
        needs_structures: whether a named file without structures is an error even if other files are given, as for
            references.
    """

    structure_column: str = ""
    id_column: str = ""
    format: str = ""
    limits: LimitsConfig = DEFAULTS
    needs_structures: bool = False


class NoStructuresError(DataError):
    """A file of a known format without any structure: an error if it is the only file, else a failure row."""


def refuse_contradictions(parsed: Parsed) -> None:
    """Raise an error if a structure contradicts its own file.

    Raises:
        DataError: the notes have contradictions; the message lists them.
    """
    if against := [note.removeprefix(CONTRADICTION) for note in parsed.notes if note.startswith(CONTRADICTION)]:
        raise DataError("; ".join(against))
