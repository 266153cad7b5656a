"""POSCAR and CONTCAR of VASP 5, also several in one file."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from adit.elements import ATOMIC_NUMBER, symbol
from adit.errors import DataError
from adit.readers.formats.base import CONTRADICTION, CutSettings, Format, Parsed, ParseSettings, Piece
from adit.readers.formats.texts import LINES, split_poscar


def parse_poscar(text: str, settings: ParseSettings | None = None) -> Parsed:
    """Return the crystal of a POSCAR of VASP 5.

    The elements are those of its sixth line; a note says if its lines of coordinates end in other ones.

    Raises:
        DataError: the text is empty, has not one scale, does not parse, names no elements, says another number of atoms
            than it has lines of coordinates, or is a trajectory (XDATCAR).
    """
    from pymatgen.io.vasp.inputs import Poscar

    from adit import convert

    if not text.strip():
        raise DataError("file is empty")
    _check_scale(text)
    _check_counts(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            poscar = Poscar.from_str(text)
    except Exception as error:  # the parser raises many classes
        raise DataError(f"POSCAR does not parse ({type(error).__name__}: {error})") from error
    if not poscar.true_names:
        raise DataError("POSCAR without element symbols (VASP 4); write them in its sixth line")
    system = convert.from_structure(poscar.structure, "poscar")
    return Parsed(system, _contradictions(text, system.numbers))


def _lines(text: str) -> tuple[list[list[str]], int]:
    """Return the words of each line, without remarks, and the index of the first line with numbers of atoms."""
    lines = [re.split("[#!]", line, maxsplit=1)[0].split() for line in LINES.split(text)]
    return lines, next((n for n, words in enumerate(lines[5:], start=5) if not words or words[0].isdigit()), 5)


def _behind_mode(lines: Sequence[list[str]], place: int) -> Sequence[list[str]]:
    """Return the lines from the coordinates on; symbols and numbers of atoms have equally many lines each."""
    rest = lines[2 * place - 5 :]
    return rest[2 if rest and rest[0] and rest[0][0][0] in "sS" else 1 :]


def _check_scale(text: str) -> None:
    """Check that the second line is one number.

    Raises:
        DataError: it has three scale factors, or words beside the scale.
    """
    lines = LINES.split(text)
    words = lines[1].split() if len(lines) > 1 else []
    if len(words) > 1:
        factors = len(words) == 3 and _are_coordinates(words)
        what = "three scale factors, of which none is read" if factors else "more than a scale"
        way = "write 1.0, and the vectors (and Cartesian coordinates) scaled" if factors else "write only the number"
        raise DataError(f"POSCAR's second line has {what} ('{lines[1].strip()[:40]}'); {way}")


def _contradictions(text: str, numbers: np.ndarray) -> tuple[str, ...]:
    """Return a note if elements at the ends of the lines of coordinates differ from those of the sixth line.

    Args:
        text: the POSCAR.
        numbers: (n,) atomic numbers by its sixth line.
    """
    lines, place = _lines(text)
    ends = [_element_of(words) for words in _behind_mode(lines, place)[: len(numbers)]]
    stated = [symbol(int(number)) for number in numbers]
    if place == 5 or "" in ends or ends == stated or len(ends) != len(stated):  # 5: VASP 4, without a sixth line
        return ()
    number = next(n for n, (end, other) in enumerate(zip(ends, stated, strict=True)) if end != other)
    return (
        f"{CONTRADICTION}its sixth line makes atom {number + 1} {stated[number]}, its line of coordinates ends in "
        f"{ends[number]}",
    )


def _element_of(words: Sequence[str]) -> str:
    """Return the element behind the coordinates and flags of an atom's line, such as ``Na`` or ``Na1``; else empty."""
    behind = words[6:] if len(words) >= 6 and all(word in ("T", "F") for word in words[3:6]) else words[3:]
    match = re.fullmatch(r"([A-Z][a-z]?)[\d+_-]*", behind[0]) if behind else None
    return match[1] if match and match[1] in ATOMIC_NUMBER else ""


def _check_counts(text: str) -> None:
    """Check that elements, numbers of atoms and lines of coordinates fit: the parser silently drops extra ones.

    Raises:
        DataError: they do not fit, or the text is a trajectory (XDATCAR).
    """
    lines, place = _lines(text)
    symbols = [word for words in lines[5:place] for word in words]
    counts = [word for words in lines[place : 2 * place - 5] for word in words]
    if not symbols or not all(word.isdigit() for word in counts):
        return  # the parser says what is wrong
    if len(symbols) != len(counts):
        raise DataError(f"POSCAR names {len(symbols)} elements, but {len(counts)} numbers of atoms")
    atoms = sum(map(int, counts))
    rest = _behind_mode(lines, place)
    held = next((n for n, words in enumerate(rest) if not words), len(rest))
    following = rest[atoms] if held > atoms else []
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
