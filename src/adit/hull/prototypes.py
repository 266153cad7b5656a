"""Hypothetical compounds of two elements: AFLOW's binary prototypes, in both orders, at a few volumes.

Source: Mehl et al. 2017, doi 10.1016/j.commatsci.2017.01.017, the library in pymatgen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np

from adit import convert
from adit.data.datasets.builtin_crystals import prototype_records
from adit.elements import covalent_radii
from adit.errors import DataError
from adit.systems import AtomicSystem, Kind

MAX_ATOMS: Final = 10
"""Largest number of atoms in the primitive cell of a prototype."""

STOICHIOMETRIES: Final = ((1, 1), (1, 2), (1, 3), (2, 3), (1, 4), (1, 5), (3, 4), (3, 5))
"""Ratios of two elements that are searched, each in both orders."""

BONDS: Final = (0.85, 0.95, 1.05, 1.15)
"""Ratio of the shortest distance to the sum of the covalent radii, for each volume of a prototype. Metals have the
smaller ones: 0.87 between the zirconium atoms of Fe2Zr."""

MIN_VOLUME: Final = 3.5
"""Smallest volume per atom of a crystal, Å³. MP20 has none below 5.7. Crystals with hydrogen would be scaled to less
than 1, where an atom has thousands of neighbours and an energy takes minutes."""


@dataclass(frozen=True)
class Prototype:
    """A binary structure type.

    Attributes:
        name: name in AFLOW, e.g. ``AB_cF8_225_a_b``.
        system: a crystal of this type, with the elements of the library.
        species: atomic number of each of its two elements, in the order of the name.
        shortest: shortest distances, Å: between atoms of the first element, of both elements, of the second element.
        symmetric: whether exchanging the two elements gives the same crystal.
    """

    name: str
    system: AtomicSystem
    species: tuple[int, int]
    shortest: tuple[float, float, float]
    symmetric: bool

    def shortest_share(self, pair: tuple[int, int]) -> float:
        """Return the smallest ratio of a distance to the sum of the covalent radii, with other elements in this cell.

        Args:
            pair: atomic numbers that take the places of ``species``.
        """
        first, second = covalent_radii()[list(pair)]
        sums = (2 * first, first + second, 2 * second)
        return float(min(distance / radii for distance, radii in zip(self.shortest, sums, strict=True)))


@cache
def prototypes() -> tuple[Prototype, ...]:
    """Return the binary prototypes with at most ``MAX_ATOMS`` atoms and of ``STOICHIOMETRIES``, each name once."""
    prototypes_by_name: dict[str, Prototype] = {}
    for record in prototype_records():
        name = str(record["tags"]["aflow"])
        if name in prototypes_by_name or len(record["snl"]["sites"]) > MAX_ATOMS:
            continue
        structure = convert.structure_of_dict(record["snl"])
        amounts = sorted(structure.composition.reduced_composition.values())
        if tuple(int(n) for n in amounts) not in STOICHIOMETRIES:
            continue
        try:
            system = convert.from_structure(structure, name, Kind.CRYSTAL)
        except DataError:  # its published structure has misprints
            continue
        prototypes_by_name[name] = prototype(name, system)
    return tuple(prototypes_by_name.values())


def prototype(name: str, system: AtomicSystem) -> Prototype:
    """Return a crystal of exactly two elements as a structure type."""
    first, second = dict.fromkeys(system.numbers.tolist())
    distances = _shortest(system, (first, second))
    return Prototype(name, system, (first, second), distances, _symmetric(system, (first, second)))


def _shortest(system: AtomicSystem, species: tuple[int, int]) -> tuple[float, float, float]:
    """Return the shortest distances (Å): first element, both, second; images count, so that there always is one."""
    structure = convert.to_structure(system)
    reach, distances = 4.0, [math.inf] * 3
    while not all(map(math.isfinite, distances)):
        i, j, _, lengths = structure.get_neighbor_list(reach)
        kinds = (system.numbers[i] == species[1]).astype(int) + (system.numbers[j] == species[1])
        distances = [float(min(lengths[kinds == kind], default=math.inf)) for kind in range(3)]
        reach *= 1.5
    return distances[0], distances[1], distances[2]


def _symmetric(system: AtomicSystem, species: tuple[int, int]) -> bool:
    from pymatgen.analysis.structure_matcher import StructureMatcher

    first, second = (int((system.numbers == number).sum()) for number in species)
    if first != second:
        return False
    exchanged = replace(system, numbers=np.where(system.numbers == species[0], species[1], species[0]))
    tight = StructureMatcher(ltol=0.01, stol=0.01, angle_tol=0.5)
    return bool(tight.fit(convert.to_structure(system), convert.to_structure(exchanged)))


def decorated(pair: tuple[int, int], bonds: Sequence[float] = BONDS) -> Iterator[tuple[str, AtomicSystem]]:
    """Yield name and crystal of the prototypes made of two elements; all volumes of a prototype share its name.

    Crystals that are denser than ``MIN_VOLUME`` are left out.

    Args:
        pair: atomic numbers of the two elements.
        bonds: ratios of ``BONDS``, one volume each.
    """
    for each in prototypes():
        for order in (pair,) if each.symmetric else (pair, pair[::-1]):
            numbers = np.where(each.system.numbers == each.species[0], order[0], order[1])
            name = f"{each.name}/{order[0]}-{order[1]}"
            for bond in bonds:
                factor = bond / each.shortest_share(order)
                if each.system.volume * factor**3 < MIN_VOLUME * len(numbers):
                    continue
                yield name, _scaled(each.system, numbers, factor, f"{name}/{BONDS.index(bond)}")


def _scaled(system: AtomicSystem, numbers: np.ndarray, factor: float, system_id: str) -> AtomicSystem:
    """Return a crystal with other elements and all its lengths multiplied by ``factor``."""
    if system.cell is None:
        raise DataError(f"{system.system_id}: is no crystal; prototypes have cells")
    return AtomicSystem(system_id, Kind.CRYSTAL, numbers, system.positions * factor, system.cell * factor)
