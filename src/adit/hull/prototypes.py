"""Hypothetical compounds of two elements: AFLOW's binary prototypes, in both orders, at a few volumes.

Source: Mehl et al. 2017, doi 10.1016/j.commatsci.2017.01.017, the library in pymatgen.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from adit import convert
from adit.elements import covalent_radii
from adit.errors import DataError
from adit.systems import AtomicSystem, Kind

MAX_ATOMS: Final = 10
"""Largest primitive cell of a prototype, atoms."""

STOICHIOMETRIES: Final = ((1, 1), (1, 2), (1, 3), (2, 3), (1, 4), (1, 5), (3, 4), (3, 5))
"""Ratios of two elements that are searched, each in both orders."""

BONDS: Final = (0.95, 1.05, 1.15)
"""Shortest distance over the sum of covalent radii, for each volume of a prototype."""


@dataclass(frozen=True)
class Prototype:
    """A binary structure type.

    Attributes:
        name: AFLOW's, e.g. ``AB_cF8_225_a_b``.
        system: a crystal of this type, with the elements of the library.
        species: atomic number of each of its two elements, in the order of the name.
    """

    name: str
    system: AtomicSystem
    species: tuple[int, int]


@cache
def prototypes() -> tuple[Prototype, ...]:
    """Return the binary prototypes with at most ``MAX_ATOMS`` atoms and of ``STOICHIOMETRIES``, each name once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pymatgen.analysis.prototypes import AFLOW_PROTOTYPE_LIBRARY

    prototypes_by_name: dict[str, Prototype] = {}
    for record in AFLOW_PROTOTYPE_LIBRARY:
        structure, name = record["snl"].structure, str(record["tags"]["aflow"])
        amounts = sorted(structure.composition.reduced_composition.values())
        if len(structure) > MAX_ATOMS or tuple(int(n) for n in amounts) not in STOICHIOMETRIES:
            continue
        try:
            system = convert.from_structure(structure, name, Kind.CRYSTAL)
        except DataError:  # misprinted
            continue
        first, second = dict.fromkeys(system.numbers.tolist())
        prototypes_by_name.setdefault(name, Prototype(name, system, (first, second)))
    return tuple(prototypes_by_name.values())


def decorated(pair: tuple[int, int]) -> Iterator[tuple[str, AtomicSystem]]:
    """Yield the prototypes of two elements; the volumes of one prototype share its name.

    Args:
        pair: atomic numbers.
    """
    for prototype in prototypes():
        for order in (pair, pair[::-1]):
            numbers = np.where(prototype.system.numbers == prototype.species[0], order[0], order[1])
            name = f"{prototype.name}/{order[0]}-{order[1]}"
            for number, bond in enumerate(BONDS):
                yield name, scaled(prototype.system, numbers, bond, f"{name}/{number}")


def scaled(system: AtomicSystem, numbers: np.ndarray, bond: float, system_id: str) -> AtomicSystem:
    """Return a crystal with other elements, its shortest bond ``bond`` times the sum of the covalent radii.

    Args:
        system: the crystal.
        numbers: (n,) new atomic numbers.
        bond: shortest bond over the sum of covalent radii.
        system_id: id of the new crystal.

    Raises:
        DataError: the system has no cell.
    """
    from ase.neighborlist import neighbor_list

    radii = covalent_radii()[numbers]
    reach = 2.0 * float(radii.max())
    shares = np.array([])
    while not len(shares):
        first, second, distances = neighbor_list("ijd", convert.to_atoms(system), reach)
        shares, reach = distances / (radii[first] + radii[second]), 1.5 * reach
    factor = bond / float(shares.min())
    if system.cell is None:
        raise DataError(f"{system.system_id}: is no crystal; prototypes have cells")
    return AtomicSystem(system_id, Kind.CRYSTAL, numbers, system.positions * factor, system.cell * factor)
