"""The items of a CIF block, tokenized by pymatgen; what it would lose silently is corrected, noted or refused."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Final

from adit.errors import DataError

_SPELLED: Final = str.maketrans(
    {**dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"), **dict.fromkeys("\u00a0\u2007\u2009\u202f\0", " ")}
)
"""Signs and blanks of word processors; pymatgen drops all that is not ASCII, so that -0.3 would become 0.3."""

_ONCE: Final = re.compile(
    r"\s*(_cell[_.](?:length_[abc]|angle_(?:alpha|beta|gamma))|_atom_site[_.]fract_[xyz]"
    r"|_symmetry_equiv[_.]pos_as_xyz|_space_group_symop[_.]operation_xyz)(?!\S)\s*(.*)",
    re.IGNORECASE,
)
"""Items that a block has once: of two, pymatgen keeps the second."""

_COMMENT: Final = re.compile(r"(?:\s|^)#.*$")
_STRAY: Final = "Possible issue in CIF file at line: "
_SHOWN: Final = 60


def read_block(text: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the items of a CIF block by their names in lower case, and notes; columns of loops are lists.

    Keywords count in any case, loops without rows are left out, and an item without a value is unknown (``?``).

    Raises:
        DataError: the text is not a CIF, or has two cells or two tables of sites.
    """
    from pymatgen.io.cif import CifBlock

    start = re.search(r"^\s*data_", text, flags=re.MULTILINE | re.IGNORECASE)
    if start is None:
        raise DataError("CIF holds no data block (data_…)")
    lines = text[start.start() :].lstrip().translate(_SPELLED).splitlines()
    _refuse_repeated(lines)
    plain = re.sub(r"[^\x00-\x7f]", "^", "\n".join(_mended(lines)))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            block = CifBlock.from_str(plain)
        except Exception as error:  # the parser raises whatever the text makes it raise
            raise DataError(f"CIF does not parse ({type(error).__name__}: {error})") from error
    stray = [str(each.message).removeprefix(_STRAY) for each in heard if str(each.message).startswith(_STRAY)]
    notes = (f"words that belong to no item are not read: {' '.join(stray)[:_SHOWN]}",) if stray else ()
    return {name.lower().replace(".", "_"): value for name, value in block.data.items()}, notes


def _outside_fields(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines outside text fields (between lines that open with ``;``), with their places."""
    inside = False
    for place, line in enumerate(lines):
        if line.startswith(";"):
            inside = not inside
        elif not inside:
            yield place, line


def _refuse_repeated(lines: Sequence[str]) -> None:
    """Refuse a block that names a cell or a table of sites twice, unless the values are the same.

    Raises:
        DataError: an item occurs twice with different values, or as a column of two loops.
    """
    values: dict[str, str] = {}
    for _, line in _outside_fields(lines):
        if match := _ONCE.match(line):
            name, value = match[1].lower().replace(".", "_"), match[2].strip()
            if name in values and (values[name] != value or not value):
                raise DataError(f"has {name} twice; give each structure a data block of its own")
            values[name] = value


def _mended(lines: Sequence[str]) -> list[str]:
    """Return lines whose keywords are in lower case, without loops that have no rows, and no item without a value."""
    mended = list(lines)
    header: list[int] | None = None
    outside = [(place, _COMMENT.sub("", line).strip()) for place, line in _outside_fields(lines)]
    outside = [(place, words) for place, words in outside if words]
    following = [*(words for _, words in outside[1:]), "data_"]
    for (place, words), after in zip(outside, following, strict=True):
        is_loop = words[:5].lower() == "loop_"
        if is_loop:
            mended[place] = f"loop_{words[5:]}"
        if is_loop:
            _drop(mended, header)
            has_rows = any(not word.startswith("_") for word in words[5:].split())
            header = None if has_rows else [place]
        elif header is not None and all(word.startswith("_") for word in words.split()):
            header.append(place)
        else:
            header = None
            if words.startswith("_") and len(words.split()) == 1 and _opens(after) and not _field(lines, place):
                mended[place] = f"{words} ?"
    _drop(mended, header)
    return mended


def _opens(words: str) -> bool:
    """Return whether a line opens an item, a loop or a block."""
    return words.startswith("_") or words[:5].lower() in ("loop_", "data_")


def _field(lines: Sequence[str], place: int) -> bool:
    """Return whether a text field stands behind a line."""
    return next((line.startswith(";") for line in lines[place + 1 :] if line.strip()), False)


def _drop(lines: list[str], header: Sequence[int] | None) -> None:
    for place in header or ():
        lines[place] = ""
