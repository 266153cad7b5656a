"""GPAW's standard preset on small molecules beside published PBE values.

Atomisation energies: Perdew, Burke and Ernzerhof, Phys. Rev. Lett. 77, 3865 (1996), Table I (kcal/mol, no zero-point
energy). Bond lengths: NIST Computational Chemistry Comparison and Benchmark Database, PBEPBE/aug-cc-pVTZ.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from adit.config import DftConfig, DftStage
from adit.relax.dft.engines.registry import available, resolve
from adit.relax.dft.run import run_tasks
from adit.relax.dft.task import task_of
from adit.systems import AtomicSystem, Kind

pytestmark = [pytest.mark.slow, pytest.mark.skipif(available("gpaw") is None, reason="GPAW is not installed")]

EV_PER_KCAL_MOL = 0.0433641

PUBLISHED = {  # kcal/mol, Å
    "H2O": (234.0, 0.970),
    "NH3": (302.0, 1.021),
    "CH4": (420.0, 1.096),
    "CO": (269.0, 1.136),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return computed(tmp_path_factory.mktemp("gpaw"))


@cache
def computed(folder: Path) -> dict[str, dict[str, Any]]:
    """Relax the molecules and compute their atoms, each spin-polarised where its electrons are unpaired."""
    engine = resolve(DftStage(dft=DftConfig(engine="gpaw", preset="standard")), molecules=True)
    atoms = {name: Atoms(name, positions=[[0.0, 0.0, 0.0]]) for name in "HCNO"}
    all_of_them = {**atoms, **{name: molecule(name) for name in PUBLISHED}}
    systems = [AtomicSystem(name, Kind.MOLECULE, a.numbers, a.positions) for name, a in all_of_them.items()]
    tasks = [task_of(system, engine, folder / system.system_id) for system in systems]
    return run_tasks(tasks, wall_limit_s=3600.0, workers=2)


@pytest.mark.parametrize("name", PUBLISHED)
def test_bond_lengths_are_those_of_pbe(results: dict[str, dict[str, Any]], name: str) -> None:
    result = results[name]
    assert result["status"] == "converged", result["reason"]
    positions, numbers = np.array(result["structure"]["positions"]), result["structure"]["numbers"]
    heavy = int(np.argmax(numbers))
    lengths = np.linalg.norm(np.delete(positions, heavy, axis=0) - positions[heavy], axis=1)
    assert lengths == pytest.approx(np.full(len(lengths), PUBLISHED[name][1]), abs=0.01)


@pytest.mark.parametrize("name", PUBLISHED)
def test_atomisation_energies_are_those_of_pbe(results: dict[str, dict[str, Any]], name: str) -> None:
    symbols = molecule(name).get_chemical_symbols()
    energy = sum(results[symbol]["energy"] for symbol in symbols) - results[name]["energy"]
    assert energy == pytest.approx(PUBLISHED[name][0] * EV_PER_KCAL_MOL, abs=0.1)
