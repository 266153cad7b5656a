"""Relaxations that run away end at once, in every engine."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from adit import convert
from adit.relax.dft import run as dft_run
from adit.relax.dft.engines.presets import read_preset
from adit.relax.dft.engines.registry import Engine
from adit.relax.dft.task import DftTask
from adit.relax.potentials.chgnet import relax, unknown_to_chgnet
from adit.relax.potentials.divergence import (
    MAX_BINDING,
    MAX_FORCE,
    PARTING_STEPS,
    DivergedError,
    Watch,
    cell_divergence,
    divergence,
)
from adit.relax.potentials.lockstep import relax_together
from adit.relax.potentials.outcome import Limits, Relaxed
from adit.systems import AtomicSystem, Kind, cell_from_parameters

PRESETS = Path(__file__).parents[3] / "config" / "dft"
LIMITS = Limits(fmax=0.1, max_steps=150, min_distance=0.5, max_volume_per_atom=250.0)


def dense(number: int) -> AtomicSystem:
    """Return a random cell of 2 to 8 atoms with 3 to 9 Å³ each."""
    random = np.random.default_rng([7, number])
    n = int(random.integers(2, 9))
    cell = cell_from_parameters(random.uniform(0.8, 1.25, 3), random.uniform(70, 110, 3))
    cell *= (n * random.uniform(3, 9) / abs(np.linalg.det(cell))) ** (1 / 3)
    return AtomicSystem(f"dense{number}", Kind.CRYSTAL, random.integers(1, 84, n), random.random((n, 3)) @ cell, cell)


def overlapping(first: int, second: int, distance: float) -> AtomicSystem:
    """Return two atoms that far apart (Å) in a cube of 4 Å."""
    positions = np.array([[0.0, 0, 0], [distance, 0, 0]])
    return AtomicSystem(f"{first}-{second}", Kind.CRYSTAL, np.array([first, second]), positions, np.eye(3) * 4.0)


HEAVY = [overlapping(74, 74, 0.55), overlapping(82, 83, 0.6), overlapping(79, 55, 0.8), overlapping(56, 56, 1.0)]


def fcc(name: str, numbers: list[int], a: float, second: float = 0.5) -> AtomicSystem:
    cell = a / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    return AtomicSystem(name, Kind.CRYSTAL, np.array(numbers), np.array([[0, 0, 0], [second] * 3]) @ cell, cell)


# --- the bounds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("energy", "force", "steps", "reason"),
    [
        (-14.0, 5.0, 0, None),
        (2.5e4, 2e5, 0, None),  # two tungsten atoms 0.55 Å apart with GFN1-xTB: they part
        (-MAX_BINDING - 1, 0.0, 3, "diverged: 41 eV/atom below free atoms after 3 steps"),
        (0.0, 2 * MAX_FORCE, PARTING_STEPS - 1, None),
        (0.0, 2 * MAX_FORCE, PARTING_STEPS, "diverged: a force of 2e+03 eV/Å after 10 steps"),
        (0.0, 4e7, 0, "diverged: a force of 4e+07 eV/Å after 0 steps"),
        (float("nan"), 0.0, 1, "diverged: energy or forces are not finite after 1 steps"),
        (0.0, float("inf"), 1, "diverged: energy or forces are not finite after 1 steps"),
    ],
)
def test_bounds_of_energy_and_force(energy: float, force: float, steps: int, reason: str | None) -> None:
    assert divergence(energy, force, steps) == reason


@pytest.mark.parametrize(
    ("volume", "good"), [(5.7, True), (400.0, True), (0.5, False), (501.0, False), (np.nan, False)]
)
def test_bounds_of_the_cell(volume: float, good: bool) -> None:
    assert (cell_divergence(volume, 4) is None) is good


def test_a_flat_cell_is_refused_before_anything_is_computed() -> None:
    atoms = convert.to_atoms(fcc("al", [13, 13], 4.0))
    atoms.cell[2] = 0.0
    with pytest.raises(DivergedError, match="0 Å³ per atom"):
        Watch().enter(atoms)


# --- GFN1-xTB ---------------------------------------------------------------------------------------------------------


def with_xtb(folder: Path, systems: list[AtomicSystem], wall_limit_s: float) -> dict[str, dict[str, Any]]:
    engine = Engine("gfn1-xtb", "unknown", "demo", read_preset("gfn1-xtb", "demo", PRESETS))
    tasks = [DftTask(system, engine, folder / system.system_id) for system in systems]
    return dft_run.run_tasks(tasks, wall_limit_s=wall_limit_s, workers=1)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    systems = [dense(17), dense(2), HEAVY[1], fcc("si", [14, 14], 5.5, 0.25)]
    return with_xtb(tmp_path_factory.mktemp("xtb"), systems, 100.0)


@pytest.mark.parametrize("name", ["dense17", "dense2"])
def test_xtb_ends_at_once_where_it_falls_without_bound(done: dict[str, dict[str, Any]], name: str) -> None:
    """The first one's energy is that of no crystal at once, the second's after a step."""
    assert done[name]["status"] == "failed"
    assert done[name]["reason"].startswith("diverged: "), done[name]["reason"]
    assert done[name]["structure"] is None


def test_xtb_lets_heavy_atoms_part(done: dict[str, dict[str, Any]]) -> None:
    assert not done["82-83"]["reason"].startswith("diverged"), done["82-83"]["reason"]
    assert done["si"]["status"] == "converged"


@pytest.mark.slow
def test_xtb_spends_no_wall_limit_on_what_is_no_crystal(tmp_path: Path) -> None:
    results = with_xtb(tmp_path, [*HEAVY, *map(dense, range(20))], 100.0)
    assert not [name for name, result in results.items() if result["status"] == "timeout"]
    assert sum(result["reason"].startswith("diverged: ") for result in results.values()) >= 5


# --- CHGNet -----------------------------------------------------------------------------------------------------------


class Falling:
    """A potential whose energy falls and whose forces grow with every evaluation."""

    def __init__(self, energy: float, force: float) -> None:
        self.energy, self.force, self.evaluations = energy, force, 0

    def evaluate(self, structures: list[Any]) -> list[Any]:
        self.evaluations += 1
        energy, force = self.energy * self.evaluations, self.force * self.evaluations
        return [
            {
                "energy": energy * len(atoms),
                "free_energy": energy * len(atoms),
                "forces": np.full((len(atoms), 3), force) * np.array([[1.0], [-1.0]]),
                "stress": np.zeros(6),
            }
            for atoms in structures
        ]


@pytest.mark.parametrize(("energy", "force", "words"), [(-5.0, 1.0, "below free"), (-0.01, 100.0, "a force of")])
def test_a_batch_ends_one_that_runs_away_at_once(energy: float, force: float, words: str) -> None:
    potential = Falling(energy, force)
    (result,) = relax_together([fcc("mgo", [12, 8], 4.2)], LIMITS, potential, lambda _: None)
    assert result.status == "failed"
    assert result.reason.startswith("diverged: ")
    assert words in result.reason
    assert result.steps < 15
    assert potential.evaluations == result.steps + 1
    assert result.system is None


@pytest.mark.slow
def test_chgnet_alone_and_together_agree_on_dense_cells() -> None:
    from adit.relax.potentials.chgnet_calculator import network

    systems = [*HEAVY, *map(dense, range(20))]
    alone = [relax((system, LIMITS)) for system in systems]
    together = relax_together(systems, LIMITS, network("cpu"), unknown_to_chgnet, batch_atoms=1000)
    runaway = [[r.reason.startswith("diverged") for r in results] for results in (alone, together)]
    assert sum(a != b for a, b in zip(*runaway, strict=True)) <= 1  # far from any crystal roundings decide
    assert all(isinstance(r, Relaxed) and (r.system is None or r.energy_per_atom > -MAX_BINDING) for r in alone)


# --- GPAW -------------------------------------------------------------------------------------------------------------


def test_gpaw_is_watched_at_every_geometry(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for GPAW: its SCF falls further at each geometry."""
    from adit.relax.dft.engines.gpaw_calculator import PatientGpaw

    module = ModuleType("gpaw")
    module.ConvergenceError = RuntimeError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gpaw", module)
    atoms = convert.to_atoms(fcc("mgo", [12, 8], 4.2))
    calculator = PatientGpaw({}, [])
    energies = iter([-12.0, -60.0, -300.0])
    forces = np.zeros((2, 3))
    monkeypatch.setattr(calculator, "_everything", lambda: {"energy": next(energies), "forces": forces})
    calculator.calculate(atoms)
    calculator.calculate(atoms)
    with pytest.raises(DivergedError, match="150 eV/atom below free atoms after 2 steps"):
        calculator.calculate(atoms)


def test_gpaw_is_not_asked_where_cores_overlap(tmp_path: Path) -> None:
    pytest.importorskip("gpaw")
    engine = Engine("gpaw", "unknown", "demo", read_preset("gpaw", "demo", PRESETS))
    result = dft_run.run_tasks([DftTask(HEAVY[3], engine, tmp_path / "ba")], wall_limit_s=100.0, workers=1)["56-56"]
    assert (result["status"], result["reason"]) == (
        "failed",
        "diverged: atoms overlap: Ba–Ba 1.00 Å apart: frozen cores overlap",
    )
