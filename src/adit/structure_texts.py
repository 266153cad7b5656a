"""Texts and folders of structures, cut into single ones without parsing: what is broken costs itself alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

_COUNT: Final = re.compile(r"\s*([0-9]{1,9})\s*")
"""A line that opens a frame: a number of atoms and nothing else."""

_VECTOR: Final = re.compile(r"\s*VEC[1-3]\s")
"""Lattice vectors behind the atoms, as some programs write them."""

_OWN_ID: Final = re.compile(r"(?:^|\s)system_id=(?:\"([^\"]*)\"|([^\"\s]+))")
_LINES: Final = re.compile(r"\r\n|\n|\r")
_ATOM_COLUMNS: Final = 4
"""An atom's line has an element and three coordinates at least."""


@dataclass(frozen=True)
class XyzFrame:
    """One frame of an (extended) XYZ text.

    Attributes:
        text: its lines.
        line: the number of its first line in the whole text, from 1.
        problem: why it cannot be a frame; empty where it may be one.
    """

    text: str
    line: int
    problem: str = ""

    @property
    def own_id(self) -> str:
        """Return ``system_id`` of the comment line; empty where it names none."""
        comment = self.text.partition("\n")[2].partition("\n")[0]
        found = _OWN_ID.search(comment)
        return (found.group(1) or found.group(2) or "") if found else ""


def split_xyz(text: str) -> list[XyzFrame]:
    """Return the frames of an (extended) XYZ text; a broken one ends where the next one starts.

    A frame is a line with the number of atoms alone, a comment, and so many lines of atoms. An atom's line is never a
    number alone, so that one is where a next frame starts, whatever the count before it says.
    """
    lines = _LINES.split(text)
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
    """Return where a frame that starts here ends, and why it is none."""
    found = _COUNT.fullmatch(lines[at])
    if found is None:
        return at, f"line {at + 1} is no number of atoms"
    count, first = int(found.group(1)), at + 2
    there = 0
    while there < count and first + there < len(lines) and _is_atom(lines[first + there]):
        there += 1
    end = first + there
    if there < count:
        return end, f"line {at + 1} says {count} atoms, but {there} lines of atoms follow"
    while end < min(first + count + 3, len(lines)) and _VECTOR.match(lines[end]):
        end += 1
    if end < len(lines) and _is_atom(lines[end]):
        return end, f"line {at + 1} says {count} atoms, but more lines of atoms follow"
    return end, ""


def _next_frame(lines: Sequence[str], at: int) -> int:
    """Return where the next frame starts after one that is broken.

    The line behind a count is a comment, which may be a number itself: it opens a frame only where that one is whole.
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
    """Return the data blocks of a CIF that hold a cell or atoms; the text as it is where there are none or one block.

    Blocks of the publication or of the measurement alone are left out. A ``data_`` inside a text field (between lines
    that open with ``;``) opens no block.
    """
    starts, is_open = _block_starts(text, with_text_fields=True)
    if is_open:  # a field that never ends would swallow every block behind it
        starts, _ = _block_starts(text, with_text_fields=False)
    blocks = [text[start:end] for start, end in zip(starts, [*starts, len(text)][1:], strict=True)]
    return [block for block in blocks if _STRUCTURE.search(block)] or [text]


def _block_starts(text: str, *, with_text_fields: bool) -> tuple[list[int], bool]:
    """Return where blocks start, and whether a text field is still open at the end."""
    starts: list[int] = []
    inside, place = False, 0
    for line in text.splitlines(keepends=True):
        if with_text_fields and line.startswith(";"):
            inside = not inside
        elif not inside and _BLOCK.match(line):
            starts.append(place)
        place += len(line)
    return starts, inside


# --- files ------------------------------------------------------------------------------------------------------------


def told_of_skipped(names: Iterable[PurePath]) -> str:
    """Return how many files are not read and of which suffixes; empty where there are none.

    Args:
        names: the files; hidden ones do not count.
    """
    found = [name for name in names if not name.name.startswith(".") and "__MACOSX" not in name.parts]
    if not found:
        return ""
    suffixes = Counter(name.suffix.lower() or "without suffix" for name in found).most_common()
    told = ", ".join(f"{count} {suffix}" for suffix, count in suffixes[:8])
    rest = sum(count for _, count in suffixes[8:])
    return f"{len(found)} files of other formats are not read: {told}{f', {rest} others' if rest else ''}"
