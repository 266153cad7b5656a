"""The registry of file formats, by suffix and by name."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Final

from adit.readers.formats.arrow import ARROW
from adit.readers.formats.base import Format
from adit.readers.formats.cif import CIF
from adit.readers.formats.molfile import SDF
from adit.readers.formats.poscar import POSCAR
from adit.readers.formats.pymatgen_json import PYMATGEN
from adit.readers.formats.tables import ARRAYS, CSV, PARQUET
from adit.readers.formats.xyz import XYZ

FORMATS: Final[dict[str, Format]] = {
    each.name: each for each in (CIF, XYZ, SDF, POSCAR, CSV, PARQUET, PYMATGEN, ARROW, ARRAYS)
}
"""Formats by name; to add one, write its ``Format`` in its own file and list it here (docs/extending.md)."""

REFUSED: Final = {
    ".mmcif": "mmCIF (macromolecules) is not read; write it as CIF, extended XYZ or SDF",
    ".pdb": "PDB is not read; write it as extended XYZ or SDF",
    ".mol2": "MOL2 is not read; write it as SDF",
    ".xlsx": "Excel is not read; save it as CSV",
}
"""Refused suffixes, with the way out."""


def _by_suffix() -> dict[str, Format]:
    return {suffix: each for each in FORMATS.values() for suffix in each.suffixes}


GZIP: Final = ".gz"
"""Suffix of a single packed file."""

ARCHIVES: Final = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
"""Suffixes of archives of several files."""


def archive_suffix(name: str) -> str | None:
    """Return the suffix of an archive; ``None`` for any other file."""
    lower = name.lower()
    return next((suffix for suffix in sorted(ARCHIVES, key=len, reverse=True) if lower.endswith(suffix)), None)


def format_of(path: PurePath) -> tuple[Format, str] | None:
    """Return the format and the suffix (with ``.gz``) of a file by its name; ``None`` if the format is unknown.

    Hidden files and files in the ``__MACOSX`` folders of archives have no format.
    """
    if path.name.startswith(".") or "__MACOSX" in path.parts:
        return None
    name, packed = path.name, ""
    if name.lower().endswith(GZIP):
        name, packed = name[: -len(GZIP)], name[-len(GZIP) :]
    suffix = PurePath(name).suffix
    if entry := _by_suffix().get(suffix.lower()):
        return entry, suffix + packed
    head = re.split(r"[._\-]", name)[0]
    if entry := next((each for each in FORMATS.values() if head in each.names), None):
        return entry, packed
    return None


def known_formats() -> str:
    """Return the suffixes that are read, for messages."""
    names = [name for each in FORMATS.values() for name in each.names]
    return f"{', '.join(_by_suffix())}, {' and '.join(names)}, .gz of each, {', '.join(ARCHIVES[:4])} and folders"
