"""Files for further work: structures in usual formats, and inputs for VASP and GPAW."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from adit import convert
from adit.elements import symbol
from adit.relax.dft.engines.ase_maker import start_moment
from adit.relax.dft.engines.presets import GpawPreset, VaspPreset, read_preset
from adit.relax.dft.engines.vasp import flow_maker
from adit.systems import AtomicSystem

GPAW_SCRIPT = '''"""Relax {name} with GPAW, preset {preset}: gpaw -P 8 python gpaw-relax.py"""

from ase.filters import FrechetCellFilter
from ase.io import read
from ase.optimize import BFGS
from gpaw import GPAW, PW, FermiDirac

atoms = read("POSCAR", format="vasp")
{moments}atoms.calc = GPAW(
    mode=PW({encut}),  # eV
    xc="PBE",
    kpts={{"density": {density}, "gamma": True}},
    occupations=FermiDirac({smearing}),  # eV
    spinpol={spin},
    symmetry={{"symmorphic": False}},
    convergence={{"energy": {energy}, "density": {charge}, "eigenstates": {states}}},
    maxiter={steps},
    txt="gpaw.txt",
)
BFGS(FrechetCellFilter(atoms), trajectory="relax.traj", logfile="relax.log").run(fmax={fmax}, steps={ionic})
atoms.write("relaxed.cif")
'''
"""Script of a relaxation with GPAW; the placeholders are settings of a preset."""


def structure_files(system: AtomicSystem, conventional: AtomicSystem | None) -> dict[str, str]:
    """Return the crystal as CIF, POSCAR and extended XYZ, and as CIF of its conventional cell, by file name."""
    files = {"structure.cif": convert.to_cif(system), "POSCAR": _poscar(system), "structure.extxyz": extxyz([system])}
    if conventional is not None:
        files["conventional.cif"] = convert.to_cif(conventional)
    return files


def dft_inputs(system: AtomicSystem) -> dict[str, str]:
    """Return the inputs of a relaxation with VASP (the Materials Project's settings) and with GPAW, by file name.

    POTCARs are licensed: ``POTCAR.spec`` names those to take.

    Raises:
        AditError: a preset is missing or wrong.
        ValueError: an element has no pseudopotential in the settings; for some elements a ``KeyError``.
    """
    preset = VaspPreset(flow="mp-gga")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = flow_maker(preset).relax_maker.relax_maker1
        inputs = first.input_set_generator.get_input_set(convert.to_structure(system), potcar_spec=True)
        texts: dict[str, str] = {f"vasp/{name}": _text(value) for name, value in _items(inputs)}
    return texts | {"gpaw/POSCAR": _poscar(system), "gpaw/gpaw-relax.py": _gpaw(system)}


def _items(inputs: Any) -> Sequence[tuple[str, Any]]:
    """Return name and content of the files of an input set; the POTCAR only by name."""
    wanted = {"INCAR": inputs.incar, "KPOINTS": inputs.kpoints, "POSCAR": inputs.poscar}
    present: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    return [*present.items(), ("POTCAR.spec", inputs.potcar)]


def _text(value: Any) -> str:
    text = str(value)
    return text if text.endswith("\n") else f"{text}\n"


def _gpaw(system: AtomicSystem, name: str = "standard") -> str:
    from pymatgen.core import Element

    preset = read_preset("gpaw", name)
    if not isinstance(preset, GpawPreset):
        raise TypeError(f"gpaw-{name} is no preset of GPAW")
    moments = ""
    if preset.spin:
        start = {symbol(int(z)): start_moment(Element.from_Z(int(z))) for z in sorted(set(system.numbers.tolist()))}
        moments = f"MOMENTS = {start}  # μB\natoms.set_initial_magnetic_moments([MOMENTS[s] for s in atoms.symbols])\n"
    return GPAW_SCRIPT.format(
        name=_plain(system.system_id), preset=name, moments=moments, encut=preset.encut, density=preset.kpoint_density,
        smearing=preset.smearing, spin=preset.spin, energy=preset.energy_convergence,
        charge=preset.density_convergence, states=preset.eigenstate_convergence, steps=preset.max_scf_steps,
        fmax=preset.fmax, ionic=preset.max_steps,
    )  # fmt: skip


def _plain(text: str) -> str:
    """Return a name that can stand in the docstring of a script."""
    return "".join(character if character.isalnum() or character in "-_. " else "_" for character in text)


def _poscar(system: AtomicSystem) -> str:
    from pymatgen.io.vasp.inputs import Poscar

    structure = convert.to_structure(system).get_sorted_structure()
    return str(Poscar(structure, comment=_plain(system.system_id)).get_str(significant_figures=10))


def extxyz(systems: Sequence[AtomicSystem]) -> str:
    """Return systems as the text of an extended XYZ file, positions and cells in Å."""
    lines: list[str] = []
    for system in systems:
        cell = "" if system.cell is None else f'Lattice="{" ".join(f"{x:.10f}" for x in system.cell.ravel())}" '
        periodic = "T T T" if system.cell is not None else "F F F"
        lines += [str(len(system)), f'{cell}Properties=species:S:1:pos:R:3 pbc="{periodic}"']
        rows = zip(system.numbers, system.positions, strict=True)
        lines += [f"{symbol(int(z)):<2s} {x:16.10f} {y:16.10f} {w:16.10f}" for z, (x, y, w) in rows]
    return "\n".join(lines) + "\n"
