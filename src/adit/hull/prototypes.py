"""Hypothetical compounds of two or three elements: AFLOW's prototypes, in all orders, at a few volumes.

Source: Mehl et al. 2017, doi 10.1016/j.commatsci.2017.01.017, the library in pymatgen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations_with_replacement, permutations
from typing import TYPE_CHECKING, Final

import numpy as np

from adit import convert
from adit.data.datasets.builtin_crystals import prototype_records
from adit.elements import covalent_radii
from adit.errors import DataError
from adit.systems import AtomicSystem, Kind

if TYPE_CHECKING:
    from pymatgen.core import Structure

MAX_ATOMS: Final = {2: 10, 3: 14}
"""Number of elements → largest number of atoms in a prototype (spinel has 14)."""

STOICHIOMETRIES: Final = {
    2: ((1, 1), (1, 2), (1, 3), (2, 3), (1, 4), (1, 5), (3, 4), (3, 5)),
    3: ((1, 1, 1), (1, 1, 2), (1, 1, 3), (1, 1, 4), (1, 2, 4)),
}
"""Number of elements → ratios that are searched, each in all orders."""

BONDS: Final = (0.85, 0.95, 1.05, 1.15)
"""Ratio of the shortest distance to the sum of the covalent radii, for each volume of a prototype. Metals have the
smaller ones: 0.87 between the zirconium atoms of Fe2Zr."""

MIN_VOLUME: Final = 3.5
"""Smallest volume per atom of a crystal, Å³. MP20 has none below 5.7. Crystals with hydrogen would be scaled to less
than 1, where an atom has thousands of neighbours and an energy takes minutes."""


@dataclass(frozen=True)
class Prototype:
    """A structure type.

    Attributes:
        name: name in AFLOW, e.g. ``AB_cF8_225_a_b``.
        system: a crystal of this type, with the elements of the library.
        species: atomic numbers of its elements, in the order of the name.
        shortest: shortest distances, Å, between atoms of each two elements (``combinations_with_replacement``).
        orders: permutations of the elements that give different crystals.
    """

    name: str
    system: AtomicSystem
    species: tuple[int, ...]
    shortest: tuple[float, ...]
    orders: tuple[tuple[int, ...], ...]

    @property
    def symmetric(self) -> bool:
        """Return whether exchanging its elements always gives the same crystal."""
        return len(self.orders) == 1

    def shortest_share(self, elements: Sequence[int]) -> float:
        """Return the smallest ratio of a distance to the sum of the covalent radii, with other elements in this cell.

        Args:
            elements: atomic numbers that take the places of ``species``.
        """
        radii = combinations_with_replacement(covalent_radii()[list(elements)], 2)
        return float(min(distance / sum(each) for distance, each in zip(self.shortest, radii, strict=True)))


@cache
def prototypes(n_elements: int = 2) -> tuple[Prototype, ...]:
    """Return the prototypes of two or three elements within ``MAX_ATOMS`` and ``STOICHIOMETRIES``, each name once."""
    prototypes_by_name: dict[str, Prototype] = {}
    for record in prototype_records():
        name = str(record["tags"]["aflow"])
        if name in prototypes_by_name or len(record["snl"]["sites"]) > MAX_ATOMS[n_elements]:
            continue
        structure = convert.structure_of_dict(record["snl"])
        amounts = sorted(structure.composition.reduced_composition.values())
        if tuple(int(n) for n in amounts) not in STOICHIOMETRIES[n_elements]:
            continue
        try:
            system = convert.from_structure(structure, name, Kind.CRYSTAL)
        except DataError:  # its published structure has misprints
            continue
        prototypes_by_name[name] = prototype(name, system)
    return tuple(prototypes_by_name.values())


def prototype(name: str, system: AtomicSystem) -> Prototype:
    """Return a crystal of several elements as a structure type."""
    species = tuple(dict.fromkeys(system.numbers.tolist()))
    return Prototype(name, system, species, _shortest(system, species), _orders(system, species))


def _shortest(system: AtomicSystem, species: Sequence[int]) -> tuple[float, ...]:
    """Return the shortest distances (Å) of each two elements; images count, so that there always is one."""
    structure = convert.to_structure(system)
    kinds = np.array([species.index(number) for number in system.numbers])
    pairs = list(combinations_with_replacement(range(len(species)), 2))
    reach, distances = 4.0, [math.inf] * len(pairs)
    while not all(map(math.isfinite, distances)):
        i, j, _, lengths = structure.get_neighbor_list(reach)
        low, high = np.sort([kinds[i], kinds[j]], axis=0)
        distances = [float(min(lengths[(low == a) & (high == b)], default=math.inf)) for a, b in pairs]
        reach *= 1.5
    return tuple(distances)


def _orders(system: AtomicSystem, species: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Return the permutations of the elements that give different crystals; the order of the crystal is the first."""
    from pymatgen.analysis.structure_matcher import StructureMatcher

    tight = StructureMatcher(ltol=0.01, stol=0.01, angle_tol=0.5)
    kinds = np.array([species.index(number) for number in system.numbers])
    crystals: dict[tuple[int, ...], Structure] = {}
    for order in permutations(range(len(species))):
        numbers = np.array([species[place] for place in order])[kinds]
        crystal = convert.to_structure(replace(system, numbers=numbers))
        same = (each for each in crystals.values() if each.composition == crystal.composition)
        if not any(tight.fit(crystal, each) for each in same):
            crystals[order] = crystal
    return tuple(crystals)


def decorated(elements: Sequence[int], bonds: Sequence[float] = BONDS) -> Iterator[tuple[str, AtomicSystem]]:
    """Yield name and crystal of the prototypes made of elements; all volumes of a prototype share its name.

    Crystals that are denser than ``MIN_VOLUME`` are left out.

    Args:
        elements: atomic numbers of two or three elements.
        bonds: ratios of ``BONDS``, one volume each.
    """
    for each in prototypes(len(elements)):
        kinds = np.array([each.species.index(number) for number in each.system.numbers])
        for order in each.orders:
            places = [elements[place] for place in order]
            name = f"{each.name}/{'-'.join(map(str, places))}"
            for bond in bonds:
                factor = bond / each.shortest_share(places)
                if each.system.volume * factor**3 < MIN_VOLUME * len(kinds):
                    continue
                yield name, _scaled(each.system, np.array(places)[kinds], factor, f"{name}/{BONDS.index(bond)}")


def _scaled(system: AtomicSystem, numbers: np.ndarray, factor: float, system_id: str) -> AtomicSystem:
    """Return a crystal with other elements and all its lengths multiplied by ``factor``."""
    if system.cell is None:
        raise DataError(f"{system.system_id}: is no crystal; prototypes have cells")
    return AtomicSystem(system_id, Kind.CRYSTAL, numbers, system.positions * factor, system.cell * factor)
