"""Molecules by GPAW's preset standard against published values of PBE."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest
from ase.build import molecule
from ase.units import kcal, mol

from adit.isolate import map_isolated
from adit.relax.dft.engines.presets import read_preset
from adit.relax.dft.engines.registry import Engine, available
from adit.relax.dft.job import execute
from adit.relax.dft.task import DftTask
from adit.systems import AtomicSystem, Kind

PRESETS = Path(__file__).parents[2] / "config" / "dft"

BONDS = {"H2O": 0.970, "NH3": 1.021, "CH4": 1.096, "CO": 1.135}
"""Bond lengths of PBE, Å: NIST Computational Chemistry Comparison and Benchmark Database, PBEPBE/aug-cc-pVTZ."""

ATOMISATION = {"H2O": 234, "NH3": 302, "CH4": 420, "CO": 269}
"""Atomisation energies of PBE, kcal/mol: Perdew, Burke, Ernzerhof, Phys. Rev. Lett. 77, 3865 (1996), Table I."""

UNPAIRED = {"H": 1, "C": 2, "N": 3, "O": 2}
"""Unpaired electrons of the ground states of the atoms."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(available("gpaw") is None, reason="GPAW is not installed"),
]


@cache
def result_of(formula: str) -> dict[str, Any]:
    """Return the result of a molecule or an atom, as the pipeline computes it: in its own process, one thread."""
    atoms = molecule(formula)
    system = AtomicSystem(formula, Kind.MOLECULE, atoms.numbers, atoms.positions)
    preset = read_preset("gpaw", "standard", PRESETS, molecules=True)
    engine = Engine("gpaw", available("gpaw") or "", "standard", preset, molecules=True)
    task = DftTask(system, engine, Path(mkdtemp()), unpaired=UNPAIRED.get(formula, 0))
    (outcome,) = map_isolated(execute, [task], workers=1, wall_limit_s=3600.0)
    assert outcome.status == "ok", outcome.reason
    result: dict[str, Any] = outcome.value
    assert result["status"] == "converged", result["reason"]
    return result


@pytest.mark.parametrize("formula", list(BONDS))
def test_bond_lengths_are_those_of_pbe(formula: str) -> None:
    structure = result_of(formula)["structure"]
    positions = np.array(structure["positions"])
    first = int(np.argmax(structure["numbers"]))
    distances = np.delete(np.linalg.norm(positions - positions[first], axis=1), first)
    assert distances == pytest.approx(np.full(len(distances), BONDS[formula]), abs=0.01)


@pytest.mark.parametrize("formula", list(ATOMISATION))
def test_atomisation_energies_are_those_of_pbe(formula: str) -> None:
    atoms = molecule(formula).get_chemical_symbols()
    energy = sum(result_of(symbol)["energy"] for symbol in atoms) - result_of(formula)["energy"]
    assert energy == pytest.approx(ATOMISATION[formula] * kcal / mol, abs=0.1)
