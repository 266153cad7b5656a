"""What the readers share: an entry (one structure, cut out but not parsed), what parsing gives, and a format."""

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
"""Opens a note that the file contradicts itself."""


@dataclass(frozen=True)
class ParseSettings:
    """What parsing depends on besides the text.

    Attributes:
        merge_distance: symmetry copies of one site nearer than this become one site, Å.
        refuse_contradictions: whether a file that contradicts itself is a failure and not a flagged row.
        limits: of bytes, structures and atoms.
    """

    merge_distance: float = MERGE_DISTANCE
    refuse_contradictions: bool = False
    limits: LimitsConfig = DEFAULTS


@dataclass(frozen=True)
class Entry:
    """One structure, not parsed.

    Attributes:
        format: name of the format that parses ``content``.
        content: text, bytes, arrays, or a row that is one already.
        source: the file, for display; a member of an archive follows a colon.
        path: parts of the path that names it, from the outermost folder on, without the file's suffix.
        given: how many of the last parts are the name from the given file, folder or archive on.
        suffix: of the file, to distinguish files with otherwise equal names.
        title: id or title that the file itself gives; empty where it gives none.
        number: 1, 2, … among several structures of one file; 0 for a single one.
        properties: columns, keys or data fields of the entry.
        problem: why it is not a structure; empty where it may be one.
        notes: for the row.
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
    """What parsing gives.

    Attributes:
        system: the structure; its id is a placeholder.
        notes: what the row must say; contradictions open with ``CONTRADICTION``.
        properties: labels that the text holds, by name.
    """

    system: AtomicSystem
    notes: tuple[str, ...] = ()
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Piece:
    """One structure cut out of a file.

    Attributes:
        content: what the format parses.
        title: id or title that the file gives it.
        properties: columns, keys or data fields.
        problem: why it is not a structure.
        format: another format that parses it, as in a table of CIF texts; empty: the file's own.
        notes: for the row.
        own_id: whether the title is an id that holds even where it is not unique (it gets a number then).
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
        name: for display and for the registry.
        suffixes: of files, in lower case, with the dot.
        cut: cuts a file's content into structures without parsing them.
        parse: parses one of them; raises ``DataError`` where it is not a structure.
        names: first parts of file names that say the format without a suffix.
        binary: whether ``cut`` takes bytes and not text.
        remark: for the table in the documentation.
    """

    name: str
    suffixes: tuple[str, ...]
    cut: Callable[[Any, str, CutSettings], Iterator[Piece]]
    parse: Callable[[Any, ParseSettings], Parsed]
    names: tuple[str, ...] = ()
    binary: bool = False
    remark: str = ""


@dataclass(frozen=True)
class CutSettings:
    """What cutting tables depends on.

    Attributes:
        structure_column: column of the structures; empty: recognised.
        id_column: column or key of the ids; empty: recognised.
        format: name of the only format that is read; empty: all.
        limits: ``archive_bytes`` bounds what a packed table takes unpacked.
    """

    structure_column: str = ""
    id_column: str = ""
    format: str = ""
    limits: LimitsConfig = DEFAULTS


class NoStructuresError(DataError):
    """A file of a known format that holds no structures at all: an error where it was named, else skipped."""


def refuse_contradictions(parsed: Parsed) -> None:
    """Raise an error if a structure contradicts its own file.

    Raises:
        DataError: with the contradictions.
    """
    if against := [note.removeprefix(CONTRADICTION) for note in parsed.notes if note.startswith(CONTRADICTION)]:
        raise DataError("; ".join(against))
