"""HOMO-LUMO gap of an unrelaxed molecule with GFN2-xTB.

Source: Bannwarth et al., J. Chem. Theory Comput. 15, 1652 (2019) (GFN2-xTB), as implemented in tblite.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from adit.columns import Col
from adit.errors import DataError, ExternalToolError
from adit.systems import AtomicSystem

METHOD: Final = "GFN2-xTB"
"""Name of the method in tblite."""

LABEL: Final = str(Col.GAP)
"""Name of the label, whose values are in eV."""

BOHR_PER_ANGSTROM: Final = 1.0 / 0.529177210903
"""One Å in bohr. Source: CODATA 2018."""

EV_PER_HARTREE: Final = 27.211386245988
"""One hartree in eV. Source: CODATA 2018."""


def homo_lumo_gap(system: AtomicSystem, charge: int | None = None) -> float:
    """Return the gap between the highest occupied and the lowest empty orbital in eV.

    Args:
        system: a molecule with an even number of electrons; its geometry is not relaxed.
        charge: total charge, e; ``None``: as ``info`` says, else 0.

    Raises:
        DataError: it has a cell, unpaired electrons, an odd number of electrons, or no empty orbital in the basis: the
            gap is not defined.
        ExternalToolError: tblite is not installed, or gives no orbitals for the geometry.
    """
    if system.cell is not None:
        raise DataError(f"{system.system_id}: {LABEL} is defined for molecules, this is a {system.kind}")
    charge = int(system.info.get(Col.CHARGE) or 0) if charge is None else charge
    if system.info.get(Col.UNPAIRED):
        raise DataError(f"{system.system_id}: unpaired electrons, {LABEL} is not defined")
    if (int(system.numbers.sum()) - charge) % 2:
        raise DataError(f"{system.system_id}: odd number of electrons, {LABEL} is not defined")
    value = gap(*_orbitals(system, charge))
    if value is None:
        raise DataError(f"{system.system_id}: no empty orbital in the basis of {METHOD}, {LABEL} is not defined")
    return value


def gap(energies: np.ndarray, occupations: np.ndarray) -> float | None:
    """Return the HOMO-LUMO gap (eV) of orbitals filled in pairs; ``None`` without an occupied or an empty one.

    Args:
        energies: (n,) energies of the orbitals, Ha.
        occupations: (n,) number of electrons in each.
    """
    occupied = round(float(occupations.sum()) / 2)
    if not 0 < occupied < len(energies):
        return None
    energies = np.sort(energies)
    return float(energies[occupied] - energies[occupied - 1]) * EV_PER_HARTREE


def _orbitals(system: AtomicSystem, charge: int) -> tuple[np.ndarray, np.ndarray]:
    """Return energies (Ha) and occupations of the orbitals."""
    try:
        from tblite.interface import Calculator
    except ImportError as error:
        raise ExternalToolError("tblite is not installed; pip install tblite, or set labels.gaps to 0") from error
    try:
        calculator = Calculator(METHOD, system.numbers, system.positions * BOHR_PER_ANGSTROM, charge=charge)
        calculator.set("verbosity", 0)
        result = calculator.singlepoint()
        return np.asarray(result.get("orbital-energies")), np.asarray(result.get("orbital-occupations"))
    except Exception as error:  # tblite raises many classes
        text = " ".join(str(error).split())[:200]
        raise ExternalToolError(f"{METHOD} gives no orbitals ({text or type(error).__name__})") from error
