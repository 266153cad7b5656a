"""GFN2-xTB for ASE: energy, forces, dipole and orbitals of a molecule with a charge and unpaired electrons.

Source: Bannwarth et al., J. Chem. Theory Comput. 15, 1652 (2019), as implemented in tblite.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from ase.calculators.calculator import Calculator, all_changes

from adit.elements import symbol
from adit.labels.gaps import BOHR_PER_ANGSTROM, EV_PER_HARTREE, METHOD, gap

if TYPE_CHECKING:
    from ase import Atoms

LAST_ELEMENT: Final = 86
"""Highest atomic number that GFN2-xTB has parameters for (radon)."""

LANTHANUM, LUTETIUM = 57, 71
"""Atomic numbers of the lanthanides; GFN2-xTB has the f electrons of the elements after lanthanum in the core."""


class NoEnergyError(Exception):
    """GFN2-xTB has no energy for a geometry."""


class Gfn2(Calculator):  # type: ignore[misc]
    """ASE calculator of one molecule.

    Args:
        charge: total charge, e.
        unpaired: number of unpaired electrons.
    """

    implemented_properties = ("energy", "free_energy", "forces", "dipole")

    def __init__(self, charge: int = 0, unpaired: int = 0) -> None:
        super().__init__()
        self._charge, self._unpaired = charge, unpaired
        self._tblite: Any = None
        self._answer: Any = None

    def calculate(self, atoms: Atoms | None = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        """Compute energy (eV), forces (eV/Å) and dipole (e Å) of a geometry, from the orbitals of the last one.

        Raises:
            NoEnergyError: the self-consistent field does not converge, or tblite refuses the geometry.
        """
        super().calculate(atoms, properties, system_changes)
        places = self.atoms.positions * BOHR_PER_ANGSTROM
        try:
            if self._tblite is None or "numbers" in system_changes:
                self._tblite, self._answer = self._new(places), None
            else:
                self._tblite.update(places)
            self._answer = self._tblite.singlepoint(self._answer)
        except Exception as error:  # tblite may raise any exception
            self._tblite = self._answer = None
            text = " ".join(str(error).split())[:200]
            raise NoEnergyError(f"{METHOD} gives no energy ({text or type(error).__name__})") from error
        energy = float(self._answer["energy"]) * EV_PER_HARTREE
        forces = -np.asarray(self._answer["gradient"]) * EV_PER_HARTREE * BOHR_PER_ANGSTROM
        dipole = np.asarray(self._answer["dipole"]) / BOHR_PER_ANGSTROM
        self.results = {"energy": energy, "free_energy": energy, "forces": forces, "dipole": dipole}

    def _new(self, places: np.ndarray) -> Any:
        from tblite.interface import Calculator as Tblite

        unpaired = outside_the_core(self.atoms.numbers, self._unpaired)
        calculator = Tblite(METHOD, self.atoms.numbers, places, charge=float(self._charge), uhf=unpaired)
        calculator.set("verbosity", 0)
        return calculator

    def gap(self) -> float | None:
        """Return the HOMO-LUMO gap (eV) of the last geometry; ``None`` if there is none or electrons are unpaired."""
        if self._unpaired or self._answer is None:
            return None
        return gap(
            np.asarray(self._answer["orbital-energies"]), np.asarray(self._answer["orbital-occupations"]).ravel()
        )


def outside_the_core(numbers: np.ndarray, unpaired: int) -> int:
    """Return the number of unpaired electrons outside GFN2-xTB's core; with f electrons in the core, the lowest one.

    Args:
        numbers: (n,) atomic numbers.
        unpaired: number of unpaired electrons of the molecule.
    """
    f_electrons = int((np.clip(numbers, LANTHANUM, LUTETIUM) - LANTHANUM)[numbers <= LUTETIUM].sum())
    return (unpaired + f_electrons) % 2 if f_electrons else unpaired


def gfn2_energy(numbers: np.ndarray, positions: np.ndarray, charge: int, unpaired: int) -> float:
    """Return the energy of a geometry in eV.

    Args:
        numbers: (n,) atomic numbers.
        positions: (n, 3) Å.
        charge: total charge, e.
        unpaired: number of unpaired electrons.

    Raises:
        NoEnergyError: the self-consistent field does not converge, or tblite refuses the geometry.
    """
    from ase import Atoms

    atoms = Atoms(numbers=numbers, positions=positions)
    atoms.calc = Gfn2(charge, unpaired)
    return float(atoms.get_potential_energy())


@cache
def free_atom(number: int) -> float:
    """Return the energy (eV) of a free atom with the unpaired electrons of its ground state.

    Args:
        number: atomic number.

    Raises:
        NoEnergyError: the self-consistent field does not converge, or tblite refuses the atom.
    """
    from ase.data import ground_state_magnetic_moments

    unpaired = round(float(ground_state_magnetic_moments[number]))
    try:
        return gfn2_energy(np.array([number]), np.zeros((1, 3)), 0, unpaired)
    except NoEnergyError as error:
        raise NoEnergyError(f"free atom of {symbol(number)}: {error}") from error


def tblite_version() -> str | None:
    """Return the version of tblite; ``None`` if it is not installed."""
    try:
        return version("tblite")
    except PackageNotFoundError:
        return None
