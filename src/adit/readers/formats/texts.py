"""Texts cut into structures without parsing them: a broken structure affects no other."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from adit.errors import as_text

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte order marks, longer ones first."""


_PADDING: Final = "\0\x1a"
"""What some programs and file systems put behind the end of a text."""


def decode(content: bytes) -> str:
    """Return the text of bytes: by their byte order mark, else as UTF-8; invalid bytes become U+FFFD.

    UTF-16 without a mark is recognised by its zeros; zeros behind the end are left out.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, errors="replace").rstrip(_PADDING)
    start = content[:64]
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(start) >= 8 and not any(start[first::2]) and all(start[1 - first :: 2]):
            return content.decode(encoding, errors="replace").rstrip(_PADDING)
    return content.decode("utf-8", errors="replace").rstrip(_PADDING)


def encodable(value: Any) -> Any:
    """Return a value whose texts, also in lists and dictionaries, can be stored.

    Bytes of file names that are not UTF-8, and half characters of JSON, become escapes.
    """
    if isinstance(value, str):
        return as_text(value)
    if isinstance(value, Mapping):
        return {encodable(name): encodable(each) for name, each in value.items()}
    return [encodable(each) for each in value] if isinstance(value, list) else value


# --- XYZ --------------------------------------------------------------------------------------------------------------

_COUNT: Final = re.compile(r"\s*([0-9]{1,9})\s*")
"""First line of a frame: only a number of atoms."""

_VECTOR: Final = re.compile(r"\s*VEC[1-3]\s")
"""Lattice vectors after the atoms, as some programs write them."""

_QM9_COMMENT: Final = re.compile(r"\s*gdb\s+\d+(?:\s+[-+0-9.eE*^]+){15}\s*")
"""Second line of a raw QM9 file, in which three lines (frequencies, SMILES, InChI) follow the atoms."""

LINES: Final = re.compile(r"\r\n|\n|\r")
"""Ends of lines; other characters that Python splits at may stand in comments."""

_ATOM_COLUMNS: Final = 4
"""Smallest number of columns of an atom's line: an element and three coordinates."""


@dataclass(frozen=True)
class XyzFrame:
    """One frame of an (extended) XYZ text.

    Attributes:
        text: lines of the frame.
        line: number of its first line in the text, from 1.
        problem: why it is not a frame; empty if it may be one.
    """

    text: str
    line: int
    problem: str = ""

    @property
    def comment(self) -> str:
        """Return the comment line."""
        return self.text.partition("\n")[2].partition("\n")[0]


def split_xyz(text: str) -> list[XyzFrame]:
    """Return the frames of an (extended) XYZ text; a broken one ends where the next one starts.

    A frame is a line with only the number of atoms, a comment, and this many lines of atoms. An atom's line is never a
    single number, so a single number starts the next frame, even if it contradicts the count before it. The three lines
    after the atoms of a raw QM9 file belong to its frame.
    """
    lines = LINES.split(text.removeprefix("\ufeff"))
    frames: list[XyzFrame] = []
    at = 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        end, problem = _frame_end(lines, at)
        if problem:
            end = _next_frame(lines, at)
        frames.append(XyzFrame("\n".join(lines[at:end]).rstrip("\n") + "\n", at + 1, problem))
        at = end
    return frames


def _frame_end(lines: Sequence[str], at: int) -> tuple[int, str]:
    """Return the end of the frame that starts at ``at``, and why it is invalid (or "")."""
    match = _COUNT.fullmatch(lines[at])
    if match is None:
        return at, f"line {at + 1} is not a number of atoms"
    count, first = int(match.group(1)), at + 2
    there = 0
    while there < count and first + there < len(lines) and _is_atom(lines[first + there]):
        there += 1
    end = first + there
    if there < count:
        return end, f"line {at + 1} says {count} atoms, but {there} lines of atoms follow"
    if at + 1 < len(lines) and _QM9_COMMENT.fullmatch(lines[at + 1]):
        return _behind_qm9(lines, end), ""
    while end < min(first + count + 3, len(lines)) and _VECTOR.match(lines[end]):
        end += 1
    if end < len(lines) and _is_atom(lines[end]):
        return end, f"line {at + 1} says {count} atoms, but more lines of atoms follow"
    return end, ""


def _behind_qm9(lines: Sequence[str], end: int) -> int:
    """Return the end of the lines after the atoms of a raw QM9 file: the next count, or three lines later."""
    for place in range(end, min(end + 3, len(lines))):
        if _COUNT.fullmatch(lines[place]) and _next_is_qm9(lines, place):
            return place
    return min(end + 3, len(lines))


def _next_is_qm9(lines: Sequence[str], place: int) -> bool:
    return place + 1 < len(lines) and _QM9_COMMENT.fullmatch(lines[place + 1]) is not None


def _next_frame(lines: Sequence[str], at: int) -> int:
    """Return the start of the next frame after a broken one.

    The line after a count is a comment, which may be a number: it starts a frame only if that frame is complete.
    """
    for start in range(at + 1, len(lines)):
        if _COUNT.fullmatch(lines[start]) and (
            start > at + 1 or not _COUNT.fullmatch(lines[at]) or not _frame_end(lines, start)[1]
        ):
            return start
    return len(lines)


def _is_atom(line: str) -> bool:
    return len(line.split(None, _ATOM_COLUMNS)) >= _ATOM_COLUMNS


# --- CIF --------------------------------------------------------------------------------------------------------------

_BLOCK: Final = re.compile(r"\s*data_", re.IGNORECASE)
_STRUCTURE: Final = re.compile(r"^\s*(_cell_length_a|_atom_site_)", re.IGNORECASE | re.MULTILINE)


def split_cif(text: str) -> list[str]:
    """Return the data blocks of a CIF with a cell or atoms; the unchanged text if there is at most one block.

    Blocks with only the publication or the measurement are left out. A ``data_`` inside a text field (between lines
    that begin with ``;``) does not start a block.
    """
    text = text.removeprefix("\ufeff")
    starts, is_open = _block_starts(text, with_text_fields=True)
    if is_open:  # a field without an end would contain every block after it
        starts, _ = _block_starts(text, with_text_fields=False)
    blocks = [text[start:end] for start, end in zip(starts, [*starts, len(text)][1:], strict=True)]
    return [block for block in blocks if _STRUCTURE.search(block)] or [text]


def _block_starts(text: str, *, with_text_fields: bool) -> tuple[list[int], bool]:
    """Return the starts of blocks, and whether a text field is still open at the end."""
    starts: list[int] = []
    inside, place = False, 0
    for line in text.splitlines(keepends=True):
        if with_text_fields and line.startswith(";"):
            inside = not inside
        elif not inside and _BLOCK.match(line):
            starts.append(place)
        place += len(line)
    return starts, inside


# --- POSCAR -----------------------------------------------------------------------------------------------------------


def split_poscar(text: str) -> list[str]:
    """Return the structures of a text with several POSCARs; velocities belong to the structure before them."""
    lines = LINES.split(text.removeprefix("\ufeff"))
    starts = [0]
    at = 0
    while (end := _poscar_end(lines, at)) is not None:
        following = next((n for n in range(end, len(lines)) if _opens_poscar(lines, n)), None)
        if following is None:
            break
        starts.append(following)
        at = following
    return ["\n".join(lines[start:end]) + "\n" for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)]


def _poscar_end(lines: Sequence[str], at: int) -> int | None:
    """Return the line after the coordinates of a POSCAR that starts at ``at``; ``None`` if it is not a POSCAR."""
    if not _opens_poscar(lines, at):
        return None
    place = at + 5
    counts = lines[place].split() if place < len(lines) else []
    if counts and not counts[0].isdigit():
        place += 1
        counts = lines[place].split() if place < len(lines) else []
    atoms = 0
    for word in counts:
        if not word.isdigit():
            break
        atoms += int(word)
    if not atoms:
        return None
    place += 1
    if place < len(lines) and lines[place].strip()[:1].lower() == "s":
        place += 1
    return place + 1 + atoms


def _opens_poscar(lines: Sequence[str], at: int) -> bool:
    """Return whether a comment, a scale and three vectors start at ``at``."""
    if at + 5 >= len(lines) or _floats(lines[at]) == 3:
        return False
    return _floats(lines[at + 1]) in (1, 3) and all(_floats(lines[at + n]) == 3 for n in (2, 3, 4))


def _floats(line: str) -> int:
    """Return the number of numbers in a line; 0 if a word is not a number."""
    words = line.split()
    try:
        for word in words:
            float(word)
    except ValueError:
        return 0
    return len(words)
