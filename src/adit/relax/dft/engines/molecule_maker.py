"""atomate2's ASE relaxation of a molecule: with GPAW in a box that is not periodic, or with tblite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from adit.relax.dft.engines.ase_maker import (
    EngineRelaxMaker,
    XtbRelaxMaker,
    fallback_of,
    gpaw_settings,
    plane_waves,
    relaxation_arguments,
    xtb_maker,
)
from adit.relax.dft.engines.gpaw_calculator import PatientGpaw
from adit.relax.dft.engines.presets import GpawMoleculePreset, XtbPreset

UNEQUAL: Final = (0.0, 0.13, 0.26)
"""Lengths added to the three edges of the box, Å: in a cubic box an open shell would stay spherical."""


class BoxedGpaw(PatientGpaw):
    """GPAW for a molecule: the box is not checked as a crystal's cell is."""

    def _enter(self) -> None:
        """Check nothing: the box does not change."""


@dataclass
class GpawMoleculeMaker(EngineRelaxMaker):
    """Relax a molecule with GPAW.

    Attributes:
        vacuum: distance from the outermost atoms to the walls of the box, Å.
        unpaired: number of unpaired electrons.
        fallbacks: settings of GPAW that are tried in order if the SCF does not converge.
    """

    name: str = "GPAW relax molecule"
    vacuum: float = 5.0
    unpaired: int = 0
    fallbacks: tuple[dict[str, Any], ...] = ()

    def _get_calculator(self) -> Any:
        return BoxedGpaw(self.calculator_kwargs, self.fallbacks)

    def run_ase(self, mol_or_struct: Any, prev_dir: Any = None) -> Any:
        """Run ASE on the molecule in its box, with initial magnetic moments if electrons are unpaired.

        A single atom starts from the occupations of Hund's rules: from a spherical density, carbon would stay
        spherical, with two electrons in three orbitals, 0.11 eV too high.
        """
        atoms = boxed(mol_or_struct, self.vacuum)
        atoms.set_initial_magnetic_moments(moments(atoms.numbers, self.unpaired))
        if len(atoms) == 1 and self.unpaired:
            self.calculator_kwargs["hund"] = True
        return super().run_ase(atoms, prev_dir)


def boxed(molecule: Any, vacuum: float) -> Any:
    """Return ASE ``Atoms`` of a pymatgen molecule in the middle of a box that is not periodic.

    Args:
        molecule: a pymatgen molecule.
        vacuum: distance from the outermost atoms to the walls of the box, Å.
    """
    from pymatgen.io.ase import AseAtomsAdaptor

    atoms = AseAtomsAdaptor.get_atoms(molecule, msonable=False)
    atoms.info.clear()
    atoms.set_initial_charges(None)
    extent = np.ptp(atoms.positions, axis=0) + 2 * vacuum + UNEQUAL
    atoms.set_cell(np.diag(extent))
    atoms.center()
    atoms.pbc = False
    return atoms


def moments(numbers: np.ndarray, unpaired: int) -> np.ndarray:
    """Return initial magnetic moments (n,), µ_B: the unpaired electrons in equal parts on all atoms but hydrogen.

    Args:
        numbers: (n,) atomic numbers.
        unpaired: number of unpaired electrons.
    """
    heavy = numbers > 1 if (numbers > 1).any() else numbers > 0
    return np.where(heavy, unpaired / heavy.sum(), 0.0)


def gpaw_molecule_maker(preset: GpawMoleculePreset, charge: int, unpaired: int) -> GpawMoleculeMaker:
    """Return the maker of a GPAW relaxation: PAW setups, PBE, spin-polarised if electrons are unpaired.

    Args:
        preset: settings.
        charge: total charge, e.
        unpaired: number of unpaired electrons, which is kept in the SCF.
    """
    settings = gpaw_settings(preset)
    settings["occupations"]["fixmagmom"] = unpaired > 0
    settings |= {"charge": charge, "spinpol": unpaired > 0, "symmetry": "off"}
    if preset.mode == "pw":
        settings = plane_waves(settings, preset.encut, preset.eigenstate_convergence)
    else:
        settings |= {"mode": {"name": "lcao"}, "basis": preset.basis, "h": preset.grid_spacing}
    return GpawMoleculeMaker(
        calculator_kwargs=settings,
        vacuum=preset.vacuum,
        unpaired=unpaired,
        fallbacks=tuple(fallback_of(step, preset.mode) for step in preset.scf_fallbacks),
        **relaxation_arguments(preset, relax_cell=False),
    )


def xtb_molecule_maker(preset: XtbPreset, charge: int, unpaired: int) -> XtbRelaxMaker:
    """Return the maker of a GFN1-xTB relaxation of a molecule.

    Args:
        preset: settings.
        charge: total charge, e.
        unpaired: number of unpaired electrons.
    """
    maker = xtb_maker(preset)
    maker.calculator_kwargs |= {"charge": charge, "multiplicity": unpaired + 1}
    maker.relax_cell = False
    return maker
