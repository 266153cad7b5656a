"""POSCAR and CONTCAR of VASP 5, also several in one file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Final

from adit.errors import DataError
from adit.readers.formats.base import CutSettings, Format, Parsed, ParseSettings, Piece
from adit.readers.formats.texts import split_poscar


def parse_poscar(text: str, settings: ParseSettings | None = None) -> Parsed:
    """Return the crystal of a POSCAR.

    Raises:
        DataError: the text does not parse, or names no elements.
    """
    from pymatgen.io.vasp.inputs import Poscar

    from adit import convert

    if not text.strip():
        raise DataError("file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            poscar = Poscar.from_str(text)
    except Exception as error:  # the parser raises many classes
        raise DataError(f"POSCAR does not parse ({type(error).__name__}: {error})") from error
    if not poscar.true_names:
        raise DataError("POSCAR without element symbols (VASP 4); write them in its sixth line")
    return Parsed(convert.from_structure(poscar.structure, "poscar"))


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
