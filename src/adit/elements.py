"""Elements: symbols, the model's vocabulary, radii and colours; no other module has such tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from math import gcd
from typing import Any, Final

import numpy as np

_PERIODS = """
H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr
Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm
Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No
Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og
"""

SYMBOLS: Final[tuple[str, ...]] = ("X", *_PERIODS.split())
"""Symbol by atomic number; index 0 is not an element."""

ATOMIC_NUMBER: Final[dict[str, int]] = {symbol: z for z, symbol in enumerate(SYMBOLS) if z > 0}
"""Symbol → atomic number."""


def symbol(number: int) -> str:
    """Return the symbol of atomic number ``number``; ``"?"`` if there is no such element."""
    return SYMBOLS[number] if 0 < number < len(SYMBOLS) else "?"


def outside_vocabulary(numbers: Iterable[int], max_atomic_number: int) -> list[str]:
    """Return the symbols of those elements that a model does not know.

    Args:
        numbers: atomic numbers.
        max_atomic_number: highest atomic number of the model's vocabulary.
    """
    return sorted({symbol(z) for z in set(_integers(numbers)) if not 0 < z <= max_atomic_number})


def composition(numbers: Sequence[int] | np.ndarray) -> dict[str, int]:
    """Return symbol → number of atoms, in alphabetical order, of atomic numbers (n,)."""
    counts = Counter(map(symbol, _integers(numbers)))
    return {element: counts[element] for element in sorted(counts)}


def _integers(numbers: Iterable[int]) -> list[int]:
    """Return atomic numbers as Python integers, which are faster to iterate over than an array."""
    return list(map(int, numbers.tolist() if isinstance(numbers, np.ndarray) else numbers))


def hill(counts: Mapping[str, int]) -> str:
    """Return the molecular formula in Hill's order: carbon and hydrogen first if there is carbon, then alphabetical.

    Args:
        counts: symbol → number of atoms.
    """
    order = sorted(counts, key=lambda s: ("C" not in counts or s not in ("C", "H"), s))
    return "".join(f"{s}{counts[s] if counts[s] > 1 else ''}" for s in order)


def reduced_formula(numbers: Sequence[int] | np.ndarray) -> str:
    """Return the reduced formula with elements in alphabetical order, e.g. ``ClNa``, ``O3SrTi`` (a key, not a name)."""
    counts = composition(numbers)
    divisor = gcd(*counts.values()) if counts else 1
    return "".join(f"{e}{c // divisor if c // divisor > 1 else ''}" for e, c in counts.items())


@cache
def covalent_radii() -> np.ndarray:
    """Return the covalent radii in Å, indexed by atomic number (Cordero et al. 2008, as tabulated in ASE)."""
    from ase.data import covalent_radii as table

    return np.asarray(table, dtype=float)


@cache
def colours() -> list[tuple[float, float, float]]:
    """Return the Jmol colours (red, green, blue from 0 to 1), indexed by atomic number."""
    from ase.data.colors import jmol_colors

    table: Any = jmol_colors
    return [(float(r), float(g), float(b)) for r, g, b in table]
