"""Units of length that keys, columns or words beside coordinates state: only Å is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_PLACES: Final = "length|distance|pos|positions?|coords?|coordinates?"
_LENGTH_KEY: Final = re.compile(
    rf"(?:{_PLACES}|geometry|xyz|lattice|cell)_?units?|units?_(?:of_)?(?:{_PLACES}|lengths|distances)"
)
"""Names, in lower case, of keys and columns with the unit of lengths."""

_ANY_KEY: Final = ("unit", "units")
"""Names of keys and columns with units of lengths, of energies or of something else."""

_ANGSTROM: Final = re.compile(r"a|aa|å|angs?|[aå]ngstr(?:o|ö|oe)ms?|metal|real")
"""Spellings of Å in lower case, and the systems of units of LAMMPS with it."""

_OTHERS: Final = {
    "bohr": ("bohr", "bohrs", "au", "a.u.", "a.u", "atomic", "a0", "electron"),
    "nm": ("nm", "nanometer", "nanometers", "nanometre", "nanometres", "nano"),
    "pm": ("pm", "picometer", "picometers", "picometre", "picometres"),
    "m": ("m", "meter", "meters", "metre", "metres", "si"),
    "cm": ("cm", "cgs"),
    "mm": ("mm",),
    "µm": ("um", "µm", "μm", "micron", "microns", "micro"),
    "fm": ("fm",),
    "units of Lennard-Jones": ("lj",),
    "lattice constants": ("alat",),
    "fractions of the cell": ("fractional", "frac", "direct", "scaled", "crystal", "reduced", "relative"),
}
"""Other units of lengths → their spellings in lower case."""

_FRACTIONAL_KEY: Final = re.compile(r"(?:(?:is|coords_are|positions_are)_)?(?:scaled|frac|fractional)")
"""Names, in lower case, of keys and columns which say by a truth value that coordinates are fractional."""

_NAMES: Final = {spelling: name for name, spellings in _OTHERS.items() for spelling in spellings}

_LEAD: Final = r"(?<![\w/*·^.-])(?:(?i:in|units?:?)|\(|\[)\s*"
_NOT_POWER: Final = r"(?![\w/^*·²³-])"
_ATOMIC: Final = r"(?:(?i:atomic\s+units)\b|a\.u\.|au\b(?!\.?\w))"
_GEOMETRY: Final = (
    r"\b(?i:coordinates?|coords?|positions?|geometry|structure|lattice|cell|molecule|atoms)"
    r"(?i:\s+(?:of\s+\w+|is|are|given|written|all|here|optimi[sz]ed|vectors?|data))*"
)
_WORDS: Final = {
    "bohr": re.compile(
        rf"{_LEAD}(?i:bohrs?)\b"
        rf"|{_GEOMETRY}\s*(?:\s(?i:in)\s+|[(\[]\s*){_ATOMIC}"
        rf"|^\s*(?:(?i:in|units?:?)\s+)?{_ATOMIC}\s*$"
    ),
    "nm": re.compile(rf"{_LEAD}(?:nm{_NOT_POWER}|(?i:nanomet(?:er|re)s?)\b)"),
    "pm": re.compile(rf"{_LEAD}(?:pm{_NOT_POWER}|(?i:picomet(?:er|re)s?)\b)"),
}
"""Units of lengths → words of a comment that say that coordinates are in them.

Forces, energies and other values in atomic units say nothing about coordinates.
"""


def other_unit(values: Mapping[str, Any]) -> tuple[str, str]:
    """Return the key or column which says that coordinates are not in Å, and their unit; both empty if none does.

    Args:
        values: values by their keys or columns.
    """
    for key, value in values.items():
        name = str(key).lower().replace("-", "_")
        if _FRACTIONAL_KEY.fullmatch(name) and str(value).strip().lower() in ("t", "true", "yes", "1", "1.0"):
            return str(key), "fractions of the cell"
        of_lengths = _LENGTH_KEY.fullmatch(name) is not None
        if isinstance(value, str) and (of_lengths or name in _ANY_KEY) and (unit := _unit(value, of_lengths)):
            return str(key), unit
    return "", ""


def _unit(text: str, of_lengths: bool) -> str:
    """Return the unit of lengths that is not Å, or nothing; what is no unit of lengths may be one of energies."""
    words = [word for word in re.split(r"[\s,;]+", text.strip().lower()) if word]
    parts = [part for word in words if "/" in word for part in word.split("/") if _NAMES.get(part) in ("bohr", "nm")]
    named = next((_NAMES[word] for word in [*words, *parts] if word in _NAMES), "")  # Hartree/bohr, kJ/mol/nm
    if named or not of_lengths or not words or any(_ANGSTROM.fullmatch(word) for word in words):
        return named
    return "" if all(re.fullmatch(r"[\d.]+|none|nan", word) for word in words) else f"'{text.strip()}'"


def unit_in_words(comment: str) -> str:
    """Return the unit, not Å, that a comment says coordinates are in; empty if it says none."""
    return next((unit for unit, pattern in _WORDS.items() if pattern.search(comment)), "")
