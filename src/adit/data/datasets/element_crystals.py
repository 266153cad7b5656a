"""Crystals of the elements, for the hull: ASE's experimental reference states, and published structures for others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from adit import convert
from adit.elements import SYMBOLS
from adit.systems import AtomicSystem, Kind

ASE_SOURCE = "ase reference state"
"""``source`` in ``info`` of the structures that ASE builds."""

_BUILT_BY_ASE = ("fcc", "bcc", "hcp", "diamond", "sc", "rhombohedral")


@dataclass(frozen=True)
class _Published:
    """One published structure with one symmetry-independent site.

    Attributes:
        symbol: the element.
        name: the phase.
        spacegroup: international number.
        cell: a, b, c (Å), alpha, beta, gamma (degrees) of the conventional cell.
        site: fractional coordinates.
        source: citation.
    """

    symbol: str
    name: str
    spacegroup: int
    cell: tuple[float, float, float, float, float, float]
    site: tuple[float, float, float]
    source: str


_PUBLISHED = (
    _Published(
        "H",
        "alpha-H2, bond 0.74 Å",
        205,
        (5.338, 5.338, 5.338, 90, 90, 90),
        (0.0400, 0.0400, 0.0400),
        "Mills and Schuch, Phys. Rev. Lett. 15, 722 (1965)",
    ),
    _Published(
        "F",
        "alpha-F2, bond 1.404 Å tilted by 11° against c*",
        15,
        (5.478, 3.2701, 7.2651, 90, 102.088, 90),
        (0.2769, 0.2910, 0.0970),
        "Ivlev et al., Chem. Eur. J. 25, 3310 (2019); tilt: Meyer et al., J. Chem. Phys. 49, 1902 (1968)",
    ),
    _Published(
        "S",
        "rhombohedral S6",
        148,
        (10.818, 10.818, 4.280, 90, 90, 120),
        (0.1454, 0.1882, 0.1055),
        "Donohue et al., Acta Cryst. 14, 1157 (1961)",
    ),
    _Published(
        "Cl",
        "orthorhombic Cl2",
        64,
        (6.24, 4.48, 8.26, 90, 90, 90),
        (0.0, 0.130, 0.100),
        "Collin, Acta Cryst. 5, 431 (1952)",
    ),
    _Published(
        "Br",
        "orthorhombic Br2",
        64,
        (6.67, 4.48, 8.72, 90, 90, 90),
        (0.0, 0.135, 0.110),
        "Vonnegut and Warren, J. Am. Chem. Soc. 58, 2459 (1936)",
    ),
    _Published(
        "Te",
        "trigonal Te",
        152,
        (4.4572, 4.4572, 5.929, 90, 90, 120),
        (0.2633, 0.0, 1 / 3),
        "Cherin and Unger, Acta Cryst. 23, 670 (1967)",
    ),
)


def reference_states() -> Iterator[AtomicSystem]:
    """Yield the elements whose experimental structure ASE tabulates and can build (primitive cells)."""
    from ase.build import bulk
    from ase.data import reference_states as table

    for number, state in enumerate(table):
        if state is None or state["symmetry"] not in _BUILT_BY_ASE or state.get("basis", "") is None:
            continue
        symbol = SYMBOLS[number]
        info = {"source": ASE_SOURCE, "name": f"{symbol}, {state['symmetry']}"}
        basis = [[x, x, x] for x in state["basis_x"]] if "basis_x" in state else None
        yield convert.from_atoms(bulk(symbol, basis=basis), f"element-{symbol}", Kind.CRYSTAL, info)


def published() -> Iterator[AtomicSystem]:
    """Yield the published structures of elements that ASE cannot build (primitive cells)."""
    from ase.spacegroup import crystal

    for entry in _PUBLISHED:
        atoms = crystal(
            entry.symbol,
            [entry.site],
            spacegroup=entry.spacegroup,
            cellpar=list(entry.cell),
            primitive_cell=True,
        )
        info = {"source": entry.source, "name": entry.name}
        yield convert.from_atoms(atoms, f"element-{entry.symbol}", Kind.CRYSTAL, info)
