"""Energies and structures against published values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adit import convert
from adit.isolate import map_isolated
from adit.relax.dft.engines.presets import read_preset
from adit.relax.dft.engines.registry import Engine, available
from adit.relax.dft.job import execute
from adit.relax.dft.task import DftTask
from adit.relax.potentials import chgnet
from adit.relax.potentials.chgnet_calculator import calculator
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


def in_worker(task: DftTask) -> dict[str, Any]:
    """Run as the pipeline does: in its own process with one thread."""
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


needs_gpaw = pytest.mark.skipif(available("gpaw") is None, reason="GPAW is not installed")
STRAIN = 1.03
PBE = {"si": 5.469, "nacl": 5.70, "mgo": 4.26, "al": 4.04, "fe": 2.83}
"""Lattice constants (Å, conventional cell) of PBE: Haas, Tran, Blaha, Phys. Rev. B 79, 085104 (2009), Table I."""


def body_centred(a: float) -> AtomicSystem:
    cell = a / 2 * np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
    return AtomicSystem("fe", Kind.CRYSTAL, np.array([26]), np.zeros((1, 3)), cell)


def cubic(name: str, a: float) -> AtomicSystem:
    """Return the primitive cell of a crystal with the given constant of its conventional cell, Å."""
    if name == "fe":
        return body_centred(a)
    numbers, second = {"si": ([14, 14], 0.25), "nacl": ([11, 17], 0.5), "mgo": ([12, 8], 0.5), "al": ([13], 0.0)}[name]
    cell = a / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    fractional = np.array([[0.0] * 3, [second] * 3])[: len(numbers)]
    return AtomicSystem(name, Kind.CRYSTAL, np.array(numbers), fractional @ cell, cell)


def constant(name: str, result: dict[str, Any]) -> float:
    atoms_in_cubic = 2 if name == "fe" else 4
    return float((atoms_in_cubic * abs(np.linalg.det(np.array(result["structure"]["cell"])))) ** (1 / 3))


def gpaw_result(name: str, preset: str, folder: Path) -> dict[str, Any]:
    engine = Engine("gpaw", available("gpaw") or "", preset, read_preset("gpaw", preset, PRESETS))
    return in_worker(DftTask(cubic(name, PBE[name] * STRAIN), engine, folder))


@needs_gpaw
@pytest.mark.parametrize("name", ["si", "nacl"])
def test_gpaw_demo_gives_the_pbe_lattice_constant_from_a_strained_cell(name: str, tmp_path: Path) -> None:
    result = gpaw_result(name, "demo", tmp_path)
    assert result["status"] == "converged", result["reason"]
    assert constant(name, result) == pytest.approx(PBE[name], rel=0.015)
    assert result["fmax"] < 0.1
    assert (tmp_path / "run" / "gpaw.txt").stat().st_size > 0


@needs_gpaw
@pytest.mark.slow
@pytest.mark.parametrize("name", list(PBE))
def test_gpaw_standard_gives_the_pbe_lattice_constant_from_a_strained_cell(name: str, tmp_path: Path) -> None:
    result = gpaw_result(name, "standard", tmp_path)
    assert result["status"] == "converged", result["reason"]
    assert constant(name, result) == pytest.approx(PBE[name], rel=0.015)


@needs_gpaw
def test_gpaw_goes_on_with_a_fallback_where_the_scf_does_not_converge(tmp_path: Path) -> None:
    """Three SCF steps are never enough; the fallback has its own number. The energies are those without trouble."""
    preset = read_preset("gpaw", "demo", PRESETS)
    brisk = tuple(step.model_copy(update={"mixer_beta": 0.1}) for step in preset.scf_fallbacks)
    quick = preset.model_copy(
        update={"encut": 300.0, "kpoint_density": 1.0, "max_steps": 2, "fmax": 1.0, "scf_fallbacks": brisk}
    )
    results = []
    for folder, update in (("well", {}), ("ill", {"max_scf_steps": 3})):
        engine = Engine("gpaw", "x", "demo", quick.model_copy(update=update))
        results.append(execute(DftTask(silicon(5.47), engine, tmp_path / folder)))
    well, ill = results
    assert ill["energy"] == pytest.approx(well["energy"], abs=2e-3)
    assert any("SCF not converged: fallback 1" in warning for warning in ill["warnings"])
    assert not any("fallback" in warning for warning in well["warnings"])
    assert (tmp_path / "ill" / "run" / "gpaw-fallback1.txt").is_file()


@needs_gpaw
def test_scf_that_no_fallback_converges_fails(tmp_path: Path) -> None:
    preset = read_preset("gpaw", "demo", PRESETS)
    steps = tuple(step.model_copy(update={"max_scf_steps": 2}) for step in preset.scf_fallbacks)
    update = {"encut": 300.0, "kpoint_density": 1.0, "max_scf_steps": 2, "scf_fallbacks": steps}
    engine = Engine("gpaw", "x", "demo", preset.model_copy(update=update))
    (outcome,) = map_isolated(execute, [DftTask(silicon(5.47), engine, tmp_path)], workers=1, wall_limit_s=300.0)
    assert outcome.status == "error"
    assert "SCF not converged in any of 2 ways" in outcome.reason


@needs_gpaw
def test_an_element_without_paw_setup_fails_by_name(tmp_path: Path) -> None:
    cell = np.eye(3) * 3.35
    polonium = AtomicSystem("po", Kind.CRYSTAL, np.array([84]), np.zeros((1, 3)), cell)
    engine = Engine("gpaw", "x", "demo", read_preset("gpaw", "demo", PRESETS))
    (outcome,) = map_isolated(execute, [DftTask(polonium, engine, tmp_path)], workers=1, wall_limit_s=300.0)
    assert outcome.status == "error"
    assert "Po" in outcome.reason
    assert "MachineFault" not in outcome.reason


def test_xtb_relaxation_ends_with_the_energy_that_tblite_gives_for_its_structure(tmp_path: Path) -> None:
    from ase import Atoms
    from tblite.ase import TBLite

    engine = Engine("gfn1-xtb", "x", "demo", read_preset("gfn1-xtb", "demo", PRESETS))
    result = execute(DftTask(silicon(5.6), engine, tmp_path))
    assert result["status"] == "converged", result["reason"]
    final = result["structure"]
    atoms = Atoms(final["numbers"], final["positions"], cell=final["cell"], pbc=True)
    atoms.calc = TBLite(method="GFN1-xTB", verbosity=0)
    assert result["energy"] == pytest.approx(atoms.get_potential_energy(), abs=1e-4)
    np.testing.assert_allclose(result["forces"], atoms.get_forces(), atol=1e-3)
    full = atoms.get_stress(voigt=False)
    np.testing.assert_allclose(result["stress"], full, atol=1e-4)
