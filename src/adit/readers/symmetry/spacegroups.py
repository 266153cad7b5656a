"""Space groups by symbol: every spelling of spglib's 530 settings; ambiguous symbols are errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np

from adit.errors import DataError
from adit.readers.symmetry.hall import Operators, hall_operators, operator_key

_OLD_LETTER: Final = {
    **{316: "a", 317: "b", 318: "b", 319: "c", 320: "c", 321: "a"},
    **{322: "a", 323: "a", 324: "b", 325: "b", 326: "b", 327: "b"},
    **{328: "c", 329: "c", 330: "c", 331: "c", 332: "a", 333: "a"},
}
"""Hall numbers of groups 67 and 68, whose settings were distinguished by the letter that ``e`` replaced in 1992.

Source: International Tables A (1983), table 4.3.1.
"""

_GLIDES: Final = ("bc", "ac", "ab")
"""Glide letters that ``e`` replaces, by direction in the symbol."""

_ORIGIN_WORDS: Final = {"s": "1", "z": "2", "h": "H", "r": "R", "hr": "H", "rs": "R", "hs": "H", "1": "1", "2": "2"}
"""Words after a symbol that name its setting: origin choices 1 and 2 (ICSD: S, Z), hexagonal and rhombohedral axes."""

_SAME_METRIC: Final = 1e-3
"""Relative difference of metric tensors up to which a cell has the symmetry of an operator."""


@dataclass(frozen=True)
class Setting:
    """One of spglib's 530 settings.

    Attributes:
        hall_number: number of the setting in spglib, 1 to 530.
        number: number of the space group, 1 to 230.
        choice: choice of axes, cell and origin, as in spglib.
        hall: Hall symbol.
        full: full Hermann-Mauguin symbol.
    """

    hall_number: int
    number: int
    choice: str
    hall: str
    full: str

    @property
    def operators(self) -> Operators:
        """Return rotations (n, 3, 3) and translations (n, 3), in fractions of the cell."""
        return hall_operators(self.hall)


@cache
def settings() -> tuple[Setting, ...]:
    """Return spglib's 530 settings."""
    return tuple(_setting(number, _spglib_entry(number)) for number in range(1, 531))


def _spglib_entry(hall_number: int) -> Any:
    import spglib

    return spglib.get_spacegroup_type(hall_number)


def _setting(hall_number: int, row: Any) -> Setting:
    return Setting(hall_number, int(row.number), str(row.choice), str(row.hall_symbol), str(row.international_full))


@cache
def _by_symbol() -> dict[str, frozenset[int]]:
    """Return Hall numbers by every spelling of a Hermann-Mauguin symbol, without its setting."""
    by_words: dict[str, set[int]] = {}
    for setting in settings():
        for spelling in _spellings(setting, str(_spglib_entry(setting.hall_number).international).split("=")[0]):
            by_words.setdefault(spelling, set()).add(setting.hall_number)
    by_letters: dict[str, set[int]] = {}
    for spelling, numbers in by_words.items():
        by_letters.setdefault(spelling.replace(" ", ""), set()).update(numbers)
    return {key: frozenset(numbers) for key, numbers in (by_letters | by_words).items()}


def _spellings(setting: Setting, short: str) -> set[str]:
    full = _words(setting.full)
    spellings = {full}
    if 3 <= setting.number <= 15:
        spellings.add(" ".join(word for n, word in enumerate(full.split()) if n == 0 or word != "1"))
    else:
        spellings |= (
            {_words(short), re.sub(r"(?<= )\d+/(?=[a-eg-z])", "", full)} if setting.number < 195 else {_words(short)}
        )
    if setting.number == 68:  # one symbol of the table is misprinted
        spellings = {re.sub(r"(?<=b )c(?= b)|(?<=b 2/)c(?= 2/b)", "e", each) for each in spellings}
    spellings |= {each for spelling in list(spellings) for each in _before_e(spelling, setting.hall_number)}
    if setting.number >= 200:
        spellings |= {each.replace(" -3", " 3") for each in list(spellings) if _is_old_cubic(each)}
    return spellings


def _is_old_cubic(spelling: str) -> bool:
    """Return whether a cubic symbol has ``3`` for ``-3``, as in F m 3 m."""
    words = spelling.split()
    return len(words) > 2 and words[2] == "-3" and words[1][-1].isalpha()


def _before_e(spelling: str, hall_number: int) -> Iterable[str]:
    """Return a symbol with the glide letters that were used before ``e`` (1992)."""
    words = spelling.split()
    for place, word in enumerate(words[1:4]):
        if word.endswith("e"):
            letters = _OLD_LETTER.get(hall_number, _GLIDES[place])
            for letter in letters:
                yield " ".join([*words[: place + 1], word[:-1] + letter, *words[place + 2 :]])


def _words(symbol: str) -> str:
    """Return a symbol in lower case, with screw axes without underscores and one space between its parts."""
    text = re.sub(r"(?<=\d)[_(]?(\d)\)?(?=[\s/a-z]|$)", r"\1", symbol.strip().lower())
    return re.sub(r"[\s_]+", " ", text).strip()


def settings_of_symbol(symbol: str) -> list[Setting]:
    """Return the settings that a Hermann-Mauguin symbol may mean; none if it is not a symbol.

    Args:
        symbol: short or full, with or without its setting after a colon or a space, e.g. ``F d -3 m :2``.
    """
    base, colon, choice = (part.strip() for part in symbol.strip().strip("'\"").partition(":"))
    named = _named(base)
    if not colon and not named:
        head, _, last = _words(base).rpartition(" ")
        compact = re.fullmatch(r"(r.*[0-9a-z])([hr])", _words(base).replace(" ", ""))
        if last in _ORIGIN_WORDS and (named := _named(head)):
            choice = last
        elif compact and (named := _named(compact[1])):
            choice = compact[2]
    if choice:
        return _of_choice(named, choice)
    standard = [setting for setting in named if not setting.choice and _words(setting.full) == _words(base)]
    return standard or named


def _named(base: str) -> list[Setting]:
    words = _words(base)
    table = _by_symbol()
    numbers = table.get(words) or table.get(words.replace(" ", "")) or frozenset()
    return [settings()[number - 1] for number in sorted(numbers)]


def _of_choice(named: list[Setting], choice: str) -> list[Setting]:
    """Return the settings that match the word after a symbol: those with this choice, else those with its origin."""
    wanted = choice.replace(" ", "").lower()
    if exact := [setting for setting in named if setting.choice.lower() == wanted]:
        return exact
    origin = _ORIGIN_WORDS.get(wanted, "")
    return [setting for setting in named if origin and setting.choice[:1] == origin and setting.number > 15]


def settings_of_number(number: int) -> list[Setting]:
    """Return the settings of a space group by its number in the International Tables, 1 to 230."""
    return [setting for setting in settings() if setting.number == number]


def fits_cell(operators: Operators, cell: np.ndarray, tolerance: float = _SAME_METRIC) -> bool:
    """Return whether a cell has the symmetry of operators: they do not change its metric tensor.

    Args:
        operators: rotations (n, 3, 3) and translations (n, 3).
        cell: (3, 3), Å.
        tolerance: largest difference of an element G_ij of the metric tensor, relative to √(G_ii G_jj).
    """
    metric = cell @ cell.T
    rotations = np.unique(np.asarray(operators[0]), axis=0)
    # Fractional coordinates are columns here (x' = R x), so that the metric tensor turns into Rᵀ G R.
    turned = np.einsum("nji,jk,nkl->nil", rotations, metric, rotations)
    scale = np.sqrt(np.outer(np.diag(metric), np.diag(metric)))
    return bool((np.abs(turned - metric) / scale).max() <= tolerance)


def choose(candidates: Sequence[Setting], cell: np.ndarray, label: str) -> Setting:
    """Return the setting of a structure: the only candidate, or the only one whose symmetry the cell has.

    Args:
        candidates: possible settings of a symbol.
        cell: (3, 3), Å.
        label: symbol in the file, for display.

    Raises:
        DataError: no setting or more than one is possible.
    """
    if not candidates:
        raise DataError(f"space group {label} is not in the table of settings; give the operators")
    different = {operator_key(setting.operators): setting for setting in reversed(candidates)}
    left = list(different.values())
    if len(left) > 1:
        left = [setting for setting in left if fits_cell(setting.operators, cell)]
    if len(left) != 1:
        choices = ", ".join(setting.choice or setting.full for setting in candidates[:6])
        raise DataError(
            f"space group {label} is ambiguous without operators: settings {choices}"
            f"{' and more' if len(candidates) > 6 else ''}; give the operators, the Hall symbol or the setting"
        )
    return left[0]
