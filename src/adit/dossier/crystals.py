"""Facts of a crystal: symmetry with Wyckoff sites, prototype, oxidation states, coordination."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from adit import convert
from adit.score.crystals.validity import density
from adit.systems import AtomicSystem

SYMPREC: Final = 0.1
"""Tolerance of the symmetry, Å; that of the space groups in the scores."""

MAX_COORDINATED: Final = 60
"""Largest number of sites of a cell whose coordination is computed; in larger cells it takes seconds per site."""


@dataclass(frozen=True)
class CrystalSite:
    """An orbit of equivalent atoms in the conventional cell.

    Attributes:
        symbol: symbol of the element.
        wyckoff: multiplicity and letter, e.g. ``4a``.
        position: fractional coordinates of one atom, in [0, 1).
        oxidation: oxidation state; ``None`` if none fits.
        coordination: number of neighbours; ``None`` if it was not computed.
        neighbours: elements of the neighbours, e.g. ``6 Cl``.
    """

    symbol: str
    wyckoff: str
    position: tuple[float, float, float]
    oxidation: float | None = None
    coordination: int | None = None
    neighbours: str = ""


@dataclass(frozen=True)
class CrystalSymmetry:
    """The symmetry of a crystal.

    Attributes:
        symbol: international symbol of the space group; ``unknown`` if spglib finds no symmetry.
        number: number of the space group, 1 to 230; 0 if unknown.
        system: crystal system.
        point_group: point group of the space group.
        conventional: the crystal in its conventional cell; ``None`` if unknown.
    """

    symbol: str
    number: int
    system: str
    point_group: str
    conventional: AtomicSystem | None


def symmetry(system: AtomicSystem, symprec: float = SYMPREC) -> CrystalSymmetry:
    """Return the symmetry of a crystal.

    Args:
        system: a crystal.
        symprec: tolerance, Å.
    """
    analyzer = _analyzer(system, symprec)
    if analyzer is None:
        return CrystalSymmetry("unknown", 0, "unknown", "unknown", None)
    cell = convert.from_structure(analyzer.get_conventional_standard_structure(), system.system_id)
    return CrystalSymmetry(
        analyzer.get_space_group_symbol(),
        int(analyzer.get_space_group_number()),
        str(analyzer.get_crystal_system()),
        str(analyzer.get_point_group_symbol()),
        cell,
    )


def sites(system: AtomicSystem, symprec: float = SYMPREC) -> list[CrystalSite]:
    """Return the orbits of a crystal in its conventional cell, with oxidation states and coordination.

    Oxidation states are from bond valences, else from the composition; neighbours by pymatgen's ``CrystalNN``. Without
    a symmetry there are no orbits.

    Args:
        system: the crystal in its conventional cell.
        symprec: tolerance, Å.
    """
    analyzer = _analyzer(system, symprec)
    if analyzer is None:
        return []
    structure = analyzer.get_symmetrized_structure()
    states = _oxidation_states(structure)
    orbits = []
    for indices, wyckoff in zip(structure.equivalent_indices, structure.wyckoff_symbols, strict=True):
        first = indices[0]
        number, neighbours = _coordination(structure, first)
        x, y, z = (float(value) for value in structure[first].frac_coords % 1.0)
        symbol = structure[first].specie.symbol
        orbits.append(CrystalSite(symbol, str(wyckoff), (x, y, z), states.get(first), number, neighbours))
    return orbits


def prototype(system: AtomicSystem) -> list[str]:
    """Return names of AFLOW prototypes that the crystal matches, e.g. ``NaCl (AB_cF8_225_a_b)``; often none.

    Source: the AFLOW library of crystallographic prototypes as in pymatgen.
    """
    import pandas as pd
    from pymatgen.analysis.prototypes import AFLOW_PROTOTYPE_LIBRARY, PrototypeDatabaseMatcher

    structure = convert.to_structure(system)
    pattern = structure.composition.anonymized_formula
    library: list[dict[str, Any]] = list(AFLOW_PROTOTYPE_LIBRARY)
    alike = [row for row in library if row["snl"].structure.composition.anonymized_formula == pattern]
    if not alike:
        return []
    with _quiet():
        matches: Any = PrototypeDatabaseMatcher(pd.DataFrame(alike)).get_prototypes(structure) or []
    return [_name_of(match) for match in matches]


def protostructure(system: AtomicSystem, symprec: float = SYMPREC) -> str:
    """Return the AFLOW-style label of the crystal: stoichiometry, Pearson symbol, space group, Wyckoff letters.

    Args:
        system: the crystal.
        symprec: tolerance of the symmetry, Å.
    """
    from pymatgen.analysis.prototypes import get_protostructure_label

    with _quiet():
        label = get_protostructure_label(convert.to_structure(system), "spglib", init_symprec=symprec)
    return str(label or "")


def _name_of(match: Any) -> str:
    tags = match["tags"] if isinstance(match, dict) else {}
    return f"{tags.get('mineral') or tags.get('strukturbericht') or 'unnamed'} ({tags.get('aflow', '?')})"


def density_of(system: AtomicSystem) -> float:
    """Return the density of a crystal, g/cm³."""
    return density(system)


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries about guesses, which the dossier names as such
        yield


def _analyzer(system: AtomicSystem, symprec: float) -> Any:
    """Return pymatgen's analyser; ``None`` where spglib finds no symmetry."""
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer, SymmetryUndeterminedError

    try:
        with _quiet():
            return SpacegroupAnalyzer(convert.to_structure(system), symprec=symprec)
    except (SymmetryUndeterminedError, ValueError, TypeError):
        return None


def _oxidation_states(structure: Any) -> dict[int, float]:
    """Return oxidation states by site: from bond valences, else from the composition; empty where neither fits."""
    from pymatgen.analysis.bond_valence import BVAnalyzer

    with _quiet():
        try:
            return {index: float(state) for index, state in enumerate(BVAnalyzer().get_valences(structure))}
        except ValueError:  # no assignment fits, or an element has no parameters
            guesses = structure.composition.oxi_state_guesses(max_sites=-1)
    if not guesses:
        return {}
    return {index: float(guesses[0][site.specie.symbol]) for index, site in enumerate(structure)}


def _coordination(structure: Any, index: int) -> tuple[int | None, str]:
    """Return the number of neighbours of a site and their elements, by pymatgen's ``CrystalNN``."""
    from pymatgen.analysis.local_env import CrystalNN

    if len(structure) > MAX_COORDINATED:
        return None, ""
    try:
        with _quiet():
            around = CrystalNN().get_nn_info(structure, index)
    except (ValueError, RuntimeError, KeyError, IndexError):  # Voronoi cells of strange crystals
        return None, ""
    symbols: list[str] = [neighbour["site"].specie.symbol for neighbour in around]
    return len(symbols), _counted(symbols)


def _counted(symbols: Sequence[str]) -> str:
    return ", ".join(f"{symbols.count(name)} {name}" for name in sorted(set(symbols)))
