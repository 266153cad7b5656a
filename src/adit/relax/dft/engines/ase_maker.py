"""atomate2's ASE relaxation with GPAW or tblite; its outcome is written to ``relaxed.json`` beside the log."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from atomate2.ase.jobs import AseRelaxMaker

from adit import store
from adit.columns import Col
from adit.relax.dft.engines.presets import GpawMoleculePreset, GpawPreset, RelaxPreset, ScfFallback, XtbPreset
from adit.relax.dft.restart import TRAJECTORY

LOG = "relax.log"
"""Log of the optimiser, in the job's folder."""

SUMMARY = "relaxed.json"
"""Outcome of the relaxation, in the job's folder."""

OPEN_SHELL_MOMENT = 2.0
"""Initial moment of transition metals, lanthanides and actinides in a spin-polarised run, µ_B (0.6 for others)."""


@dataclass
class EngineRelaxMaker(AseRelaxMaker):  # type: ignore[misc]
    """Relax atoms and cell with BFGS.

    ``relaxed.json`` in the job's folder then has convergence, number of steps, and largest force (eV/Å).
    """

    name: str = "relax"

    def run_ase(self, mol_or_struct: Any, prev_dir: Any = None) -> Any:
        """Run ASE, see ``AseRelaxMaker``, and write ``relaxed.json``."""
        result = super().run_ase(mol_or_struct, prev_dir)
        steps = [line for line in Path(LOG).read_text(encoding="utf-8").splitlines() if line.startswith("BFGS")]
        last = steps[-1].split() if steps else []
        store.write_json(
            SUMMARY,
            {"converged": bool(result.converged), Col.N_STEPS: max(0, len(steps) - 1), Col.FMAX: _number(last[-1:])},
        )
        return result


def _number(words: list[str]) -> float | None:
    value = float(words[0].rstrip("*")) if words else float("nan")
    return value if np.isfinite(value) else None


@dataclass
class GpawRelaxMaker(EngineRelaxMaker):
    """Relax with GPAW.

    Attributes:
        refine: tolerance of the symmetrisation before the relaxation, Å; 0: none.
        fallbacks: settings of GPAW that are tried in order if the SCF does not converge.
    """

    name: str = "GPAW relax"
    refine: float = 0.0
    fallbacks: list[dict[str, Any]] = field(default_factory=list)

    def _get_calculator(self) -> Any:
        from adit.relax.dft.engines.gpaw_calculator import PatientGpaw

        return PatientGpaw(self.calculator_kwargs, self.fallbacks)

    def run_ase(self, mol_or_struct: Any, prev_dir: Any = None) -> Any:
        """Run ASE on the symmetrised structure, with initial magnetic moments if the calculation is spin-polarised."""
        if self.refine > 0:
            mol_or_struct = refined(mol_or_struct, self.refine)
        if self.calculator_kwargs.get("spinpol"):
            moments = [start_moment(site.specie) for site in mol_or_struct]
            mol_or_struct = mol_or_struct.copy(site_properties={"magmom": moments})
        return super().run_ase(mol_or_struct, prev_dir)


def refined(structure: Any, symprec: float) -> Any:
    """Return a structure with exact symmetry and the spacegroup's standard origin.

    The number of atoms does not change. GPAW looks for symmetry about the origin, so there are far fewer irreducible
    k-points then.

    Args:
        structure: a pymatgen structure.
        symprec: tolerance of the symmetry, Å.
    """
    import spglib
    from ase.spacegroup.symmetrize import refine_symmetry
    from pymatgen.io.ase import AseAtomsAdaptor

    atoms = AseAtomsAdaptor.get_atoms(structure, msonable=False)
    refine_symmetry(atoms, symprec)
    dataset = spglib.get_symmetry_dataset((atoms.cell[:], atoms.get_scaled_positions(), atoms.numbers), symprec=symprec)
    if dataset is not None:
        atoms.positions += np.linalg.solve(dataset.transformation_matrix, dataset.origin_shift) @ atoms.cell[:]
    return AseAtomsAdaptor.get_structure(atoms)


def start_moment(element: Any) -> float:
    """Return the initial magnetic moment of an atom of a pymatgen element, µ_B."""
    open_shell = element.is_transition_metal or element.is_lanthanoid or element.is_actinoid
    return OPEN_SHELL_MOMENT if open_shell else 0.6


@dataclass
class XtbRelaxMaker(EngineRelaxMaker):
    """Relax with GFN1-xTB."""

    name: str = "GFN1-xTB relax"

    def _get_calculator(self) -> Any:
        from adit.relax.dft.engines.xtb_calculator import WatchedXtb

        return WatchedXtb(**self.calculator_kwargs)


def relaxation_arguments(preset: RelaxPreset, *, relax_cell: bool = True) -> dict[str, Any]:
    """Return the arguments of ``EngineRelaxMaker`` that every engine takes: steps, convergence, log, trajectory.

    Args:
        preset: settings.
        relax_cell: whether the cell is relaxed too; not for molecules.
    """
    return {
        "relax_cell": relax_cell,
        "steps": preset.max_steps,
        "relax_kwargs": {
            "fmax": preset.fmax,
            "logfile": LOG,
            "trajectory": TRAJECTORY,
            "final_atoms_object_file": None,
        },
        "optimizer_kwargs": {"optimizer": "BFGS"},
    }


def gpaw_settings(preset: GpawPreset | GpawMoleculePreset) -> dict[str, Any]:
    """Return GPAW's settings for crystals and molecules: PBE, Fermi-Dirac smearing (eV), convergence of the SCF."""
    return {
        "xc": "PBE",
        "occupations": {"name": "fermi-dirac", "width": preset.smearing},
        "convergence": {"energy": preset.energy_convergence, "density": preset.density_convergence},
        "maxiter": preset.max_scf_steps,
        "txt": "gpaw.txt",
    }


def plane_waves(settings: dict[str, Any], cutoff: float | None, residual: float) -> dict[str, Any]:
    """Return settings of GPAW with plane waves.

    Args:
        settings: those of ``gpaw_settings``.
        cutoff: plane-wave cutoff, eV.
        residual: residual of the eigenstates at convergence, eV² per valence electron.
    """
    convergence = {**settings["convergence"], "eigenstates": residual}
    return {**settings, "mode": {"name": "pw", "ecut": cutoff}, "convergence": convergence}


def gpaw_maker(preset: GpawPreset) -> GpawRelaxMaker:
    """Return the maker of a GPAW relaxation: PAW setups, plane waves, PBE, Fermi-Dirac smearing."""
    settings = plane_waves(gpaw_settings(preset), preset.encut, preset.eigenstate_convergence)
    settings |= {"kpts": {"density": preset.kpoint_density, "gamma": True}, "spinpol": preset.spin}
    fallbacks = [fallback_of(step) for step in preset.scf_fallbacks]
    common = relaxation_arguments(preset)
    return GpawRelaxMaker(calculator_kwargs=settings, refine=preset.symprec, fallbacks=fallbacks, **common)


def fallback_of(step: ScfFallback, mode: str = "pw") -> dict[str, Any]:
    """Return GPAW's settings of a fallback.

    Args:
        step: the fallback.
        mode: ``pw``, or ``lcao``: a basis of atomic orbitals, which has no settings of eigensolver and bands.
    """
    if mode == "lcao":
        mixing = {"beta": step.mixer_beta, "nmaxold": step.mixer_history, "weight": step.mixer_weight}
        return {"mixer": {"name": "pulay", **mixing}, "maxiter": step.max_scf_steps}
    return {
        "mixer": {"name": "pulay", "beta": step.mixer_beta, "nmaxold": step.mixer_history, "weight": step.mixer_weight},
        "eigensolver": {"name": step.eigensolver, "niter": step.eigensolver_steps},
        "nbands": step.bands,
        "maxiter": step.max_scf_steps,
    }


def xtb_maker(preset: XtbPreset) -> XtbRelaxMaker:
    """Return the maker of a GFN1-xTB relaxation."""
    settings = {
        "method": "GFN1-xTB",
        "accuracy": preset.accuracy,
        "max_iterations": preset.max_scf_steps,
        "electronic_temperature": preset.electronic_temperature,
        "verbosity": 0,
    }
    return XtbRelaxMaker(calculator_kwargs=settings, **relaxation_arguments(preset))
