"""POSCAR and CONTCAR of VASP 5, also several in one file."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Final

from adit.errors import DataError
from adit.readers.formats.base import CutSettings, Format, Parsed, ParseSettings, Piece
from adit.readers.formats.texts import LINES, split_poscar


def parse_poscar(text: str, settings: ParseSettings | None = None) -> Parsed:
    """Return the crystal of a POSCAR of VASP 5.

    Raises:
        DataError: the text is empty, does not parse, names no elements, says another number of atoms than it has lines
            of coordinates, or is a trajectory (XDATCAR).
    """
    from pymatgen.io.vasp.inputs import Poscar

    from adit import convert

    if not text.strip():
        raise DataError("file is empty")
    _check_counts(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            poscar = Poscar.from_str(text)
    except Exception as error:  # the parser raises many classes
        raise DataError(f"POSCAR does not parse ({type(error).__name__}: {error})") from error
    if not poscar.true_names:
        raise DataError("POSCAR without element symbols (VASP 4); write them in its sixth line")
    return Parsed(convert.from_structure(poscar.structure, "poscar"))


def _check_counts(text: str) -> None:
    """Check that elements, numbers of atoms and lines of coordinates fit: the parser silently drops extra ones.

    Raises:
        DataError: they do not fit, or the text is a trajectory (XDATCAR).
    """
    lines = [re.split("[#!]", line, maxsplit=1)[0].split() for line in LINES.split(text)]
    place = next((n for n, words in enumerate(lines[5:], start=5) if not words or words[0].isdigit()), 5)
    symbols = [word for words in lines[5:place] for word in words]
    counts = [word for words in lines[place : 2 * place - 5] for word in words]
    if not symbols or not all(word.isdigit() for word in counts):
        return  # the parser says what is wrong
    if len(symbols) != len(counts):
        raise DataError(f"POSCAR names {len(symbols)} elements, but {len(counts)} numbers of atoms")
    atoms = sum(map(int, counts))
    rest = lines[2 * place - 5 :]
    start = 2 if rest and rest[0] and rest[0][0][0] in "sS" else 1
    held = next((n for n, words in enumerate(rest[start:]) if not words), len(rest[start:]))
    following = rest[start + atoms] if held > atoms else []
    if held < atoms or _are_coordinates(following):
        less = f"but {held} lines of coordinates follow" if held < atoms else "but more lines of coordinates follow"
        raise DataError(f"POSCAR says {atoms} atoms, {less}")
    if any("configuration" in word.lower() for word in following):
        raise DataError("is a trajectory (XDATCAR); write each configuration as a POSCAR, or all as extended XYZ")


def _are_coordinates(words: Sequence[str]) -> bool:
    try:
        return len([float(word) for word in words[:3]]) == 3
    except ValueError:
        return False


def cut_poscar(text: str, source: str, settings: CutSettings) -> Iterator[Piece]:
    """Yield the structures of a text."""
    for each in split_poscar(text):
        yield Piece(each)


POSCAR: Final = Format(
    "POSCAR",
    (".vasp", ".poscar"),
    cut_poscar,
    parse_poscar,
    names=("POSCAR", "CONTCAR"),
    energies=False,
    periodic=True,
    remark="VASP 5 (with element symbols), also several in one file; files named POSCAR… or CONTCAR…",
)
