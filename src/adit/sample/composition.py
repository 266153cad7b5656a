"""Compositions as people write them: formulas (``NaCl2``, ``Ca(OH)2``) and chemical systems (``Li-Fe-O``)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from adit.elements import ATOMIC_NUMBER, symbol
from adit.errors import ConfigError
from adit.systems import Kind

_TOKEN = re.compile(r"([A-Z][a-z]?)(\d*)|(\()|(\))(\d*)")


@dataclass(frozen=True)
class Composition:
    """Allowed composition of a sample.

    Attributes:
        text: as it was written.
        elements: atomic numbers, ascending; a sample contains each of them and no other.
        unit: atomic number → number of atoms in one formula unit; ``None`` for a chemical system.
    """

    text: str
    elements: tuple[int, ...]
    unit: dict[int, int] | None

    @property
    def unit_size(self) -> int:
        """Return the number of atoms in one formula unit; 1 for a chemical system."""
        return sum(self.unit.values()) if self.unit else 1

    def fits(self, n: int, kind: Kind, held: Mapping[int, int] | None = None) -> bool:
        """Return whether a system of ``n`` atoms can have this composition.

        Args:
            n: number of atoms.
            kind: a periodic system may hold several formula units, a molecule holds one.
            held: atomic number → number of atoms that it must contain, for elements of the composition.
        """
        held = held or {}
        if self.unit is None:
            return n >= sum(self.least(held).values())
        if not (n % self.unit_size == 0 if kind.periodic else n == self.unit_size):
            return False
        return all(count <= self.unit.get(z, 0) * n // self.unit_size for z, count in held.items())

    def least(self, held: Mapping[int, int]) -> dict[int, int]:
        """Return the smallest number of atoms of each element: one, or the number in ``held``."""
        return {z: max(1, held.get(z, 0)) for z in self.elements}

    def counts(self, n: int) -> dict[int, int] | None:
        """Return atomic number → number of atoms in a system of ``n`` atoms; ``None`` for a chemical system.

        Args:
            n: number of atoms, a multiple of ``unit_size``.
        """
        if self.unit is None:
            return None
        return {z: amount * n // self.unit_size for z, amount in self.unit.items()}


def parse_composition(text: str, max_atomic_number: int = len(ATOMIC_NUMBER)) -> Composition:
    """Read a formula, or a chemical system where elements are joined by ``-``.

    Args:
        text: e.g. ``NaCl2``, ``Ca(OH)2`` or ``Li-Fe-O``.
        max_atomic_number: highest atomic number of the model's vocabulary.

    Raises:
        ConfigError: it is neither, names an element twice, or has an element outside the model's vocabulary.
    """
    unit = None if "-" in text else _formula(text.strip())
    names = text.split("-") if unit is None else []
    numbers = [_element(name.strip(), text) for name in names] if unit is None else list(unit)
    if len(set(numbers)) < len(numbers):
        raise ConfigError(f"composition {text}: names an element twice")
    outside = [symbol(z) for z in numbers if z > max_atomic_number]
    if outside:
        raise ConfigError(f"composition {text}: {outside[0]} is outside the model's vocabulary")
    return Composition(text, tuple(sorted(numbers)), unit)


def _formula(text: str) -> dict[int, int]:
    groups: list[Counter[int]] = [Counter()]
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _unreadable(text)
        element, count, opens, closes, times = match.groups()
        if element:
            groups[-1][_element(element, text)] += int(count or 1)
        elif opens:
            groups.append(Counter())
        elif closes:
            if len(groups) == 1:
                raise _unreadable(text)
            for z, amount in groups.pop().items():
                groups[-1][z] += amount * int(times or 1)
        position = match.end()
    if len(groups) > 1 or not groups[0] or min(groups[0].values()) < 1:
        raise _unreadable(text)
    return dict(sorted(groups[0].items()))


def _element(name: str, text: str) -> int:
    if name not in ATOMIC_NUMBER:
        raise ConfigError(f"composition {text}: {name or 'nothing'} is not an element; write e.g. NaCl2 or Li-Fe-O")
    return ATOMIC_NUMBER[name]


def _unreadable(text: str) -> ConfigError:
    return ConfigError(
        f"composition {text or '(empty)'}: is neither a formula such as NaCl2 nor a system such as Li-Fe-O"
    )
