"""Energies and structures against published values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adit import convert
from adit.isolate import map_isolated
from adit.relax import chgnet
from adit.relax.chgnet_calculator import calculator
from adit.relax.dft_job import Task, execute
from adit.relax.engines import Engine, available
from adit.relax.presets import read_preset
from adit.relax.vasp import corrected_energy
from adit.systems import AtomicSystem, Kind

PRESETS = Path(__file__).parents[2] / "config" / "dft"

LIMNO2 = AtomicSystem(  # mp-18767 as distributed with CHGNet's examples
    "mp-18767",
    Kind.CRYSTAL,
    np.array([3, 3, 25, 25, 8, 8, 8, 8]),
    np.array(
        [
            [0.5, 0.5, 0.37975050],
            [0.0, 0.0, 0.62024950],
            [0.5, 0.5, 0.86325250],
            [0.0, 0.0, 0.13674750],
            [0.5, 0.0, 0.36082450],
            [0.0, 0.5, 0.09851350],
            [0.5, 0.0, 0.90148650],
            [0.0, 0.5, 0.63917550],
        ]
    )
    @ np.diag([2.868779, 4.634475, 5.832507]),
    np.diag([2.868779, 4.634475, 5.832507]),
)


def silicon(a: float) -> AtomicSystem:
    cell = a / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    return AtomicSystem("si", Kind.CRYSTAL, np.array([14, 14]), np.array([[0, 0, 0], [0.25] * 3]) @ cell, cell)


def in_worker(task: Task) -> dict[str, Any]:
    """Run as the pipeline does: in a process of its own with one thread."""
    (outcome,) = map_isolated(execute, [task], workers=1, wall_limit_s=300.0)
    assert outcome.status == "ok", outcome.reason
    result: dict[str, Any] = outcome.value
    return result


def test_chgnet_energy_of_limno2_is_the_published_one() -> None:
    assert chgnet.energy_per_atom(LIMNO2) == pytest.approx(-7.3676915, abs=2e-6)


def test_one_backward_pass_gives_chgnets_own_forces_and_stress() -> None:
    from ase.stress import voigt_6_to_full_3x3_stress
    from chgnet.model.model import CHGNet

    random = np.random.default_rng(0)
    moved = AtomicSystem(
        "moved", Kind.CRYSTAL, LIMNO2.numbers, LIMNO2.positions + random.normal(0, 0.1, (8, 3)), LIMNO2.cell
    )
    own = CHGNet.load(use_device="cpu", verbose=False).predict_structure(convert.to_structure(moved), task="efs")
    atoms = convert.to_atoms(moved)
    atoms.calc = calculator()
    assert atoms.get_potential_energy() / 8 == pytest.approx(float(own["e"]), abs=1e-5)
    np.testing.assert_allclose(atoms.get_forces(), own["f"], atol=1e-4)
    np.testing.assert_allclose(voigt_6_to_full_3x3_stress(atoms.get_stress()) * 160.21766208, own["s"], atol=1e-2)


def test_forces_are_the_gradient_of_the_energy() -> None:
    atoms = convert.to_atoms(LIMNO2)
    atoms.rattle(0.05, seed=1)
    atoms.calc = calculator()
    force, step = atoms.get_forces()[2, 1], 0.02
    energies = []
    for sign in (1, -1):
        shifted = atoms.copy()
        shifted.positions[2, 1] += sign * step
        shifted.calc = calculator()
        energies.append(shifted.get_potential_energy())
    assert force == pytest.approx(-(energies[0] - energies[1]) / (2 * step), rel=0.02, abs=0.02)


def test_mp2020_corrects_an_oxide_by_the_published_amount() -> None:
    """Wang et al. 2021: -0.687 eV for each oxygen of an oxide."""
    from pymatgen.core import Lattice, Structure
    from pymatgen.entries.computed_entries import ComputedStructureEntry

    structure = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.25), ["Mg", "O"], [[0] * 3, [0.5] * 3])
    parameters = {
        "run_type": "GGA",
        "is_hubbard": False,
        "hubbards": {},
        "potcar_symbols": ["PBE Mg_pv", "PBE O"],
        "potcar_spec": [
            {"titel": "PAW_PBE Mg_pv 13Apr2007", "hash": None},
            {"titel": "PAW_PBE O 08Apr2002", "hash": None},
        ],
    }
    data = {"oxide_type": "oxide", "oxidation_states": {"Mg": 2, "O": -2}}
    entry = ComputedStructureEntry(structure, -48.0, parameters=parameters, data=data)
    assert corrected_energy(entry) == pytest.approx(-48.0 - 4 * 0.687, abs=1e-6)


@pytest.mark.skipif(available("gpaw") is None, reason="GPAW is not installed")
def test_gpaw_demo_gives_the_pbe_lattice_constant_of_silicon(tmp_path: Path) -> None:
    engine = Engine("gpaw", available("gpaw") or "", "demo", read_preset("gpaw", "demo", PRESETS))
    result = in_worker(Task(silicon(5.40), engine, tmp_path))
    assert result["status"] == "converged", result["reason"]
    a = (4 * abs(np.linalg.det(np.array(result["structure"]["cell"])))) ** (1 / 3)
    assert a == pytest.approx(5.469, rel=0.015)
    assert result["fmax"] < 0.1
    assert (tmp_path / "run" / "gpaw.txt").stat().st_size > 0


def test_xtb_relaxation_ends_with_the_energy_that_tblite_gives_for_its_structure(tmp_path: Path) -> None:
    from ase import Atoms
    from tblite.ase import TBLite

    engine = Engine("gfn1-xtb", "x", "demo", read_preset("gfn1-xtb", "demo", PRESETS))
    result = execute(Task(silicon(5.6), engine, tmp_path))
    assert result["status"] == "converged", result["reason"]
    final = result["structure"]
    atoms = Atoms(final["numbers"], final["positions"], cell=final["cell"], pbc=True)
    atoms.calc = TBLite(method="GFN1-xTB", verbosity=0)
    assert result["energy"] == pytest.approx(atoms.get_potential_energy(), abs=1e-4)
    np.testing.assert_allclose(result["forces"], atoms.get_forces(), atol=1e-3)
    full = atoms.get_stress(voigt=False)
    np.testing.assert_allclose(result["stress"], full, atol=1e-4)
