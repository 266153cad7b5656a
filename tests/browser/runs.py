"""Runs for the browser: a small one with every kind of row, and a large one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from adit import store
from adit.config import Config, ReportStage
from adit.report.page import build
from adit.systems import AtomicSystem, Failure, Kind

HTML = "<b onclick=alert(1)>bold</b><script>document.title='taken'</script>"
"""What a formula, an id or a reason must not do."""

SMILES = ("CCO", "c1ccccc1O", "CC#N", "C[N+](=O)[O-]", "NCC(=O)O")


def write_report(run: Path) -> Path:
    stage = Config().stage(ReportStage)
    build.report(stage, run, run / "report", Config().model_dump_json())
    return run / "report"


def salt(system_id: str, edge: float = 5.64) -> AtomicSystem:
    cell = edge / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    return AtomicSystem(system_id, Kind.CRYSTAL, np.array([11, 17]), np.array([[0, 0, 0], [edge / 2] * 3]), cell)


def molecule(smiles: str, system_id: str) -> AtomicSystem:
    from rdkit import Chem
    from rdkit.Chem import AllChem

    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(mol, randomSeed=1)
    AllChem.MMFFOptimizeMolecule(mol)
    numbers = np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()])
    return AtomicSystem(system_id, Kind.MOLECULE, numbers, mol.GetConformer().GetPositions())


def mixed_run(folder: Path) -> Path:
    ids = [f"crystal-0-{k}" for k in range(5)] + [f"crystal-{HTML}"]
    salts = [salt(name, 5.4 + 0.1 * k) for k, name in enumerate(ids[:5])]
    failure = Failure(ids[5], "decode", HTML, Kind.CRYSTAL)
    store.write_systems(folder / "samples/crystal/0.arrow", [*salts, failure])
    store.write_systems(folder / "relaxed/crystal/0.arrow", [salt(name, 5.64) for name in ids[:4]])
    crystals = {
        "system_id": ids,
        "status": ["ok"] * 5 + ["failed"],
        "formula": ["ClNa"] * 4 + [HTML, ""],
        "n_atoms": [2] * 5 + [0],
        "e_above_hull": [0.3, -0.1, 0.05, 0.2, np.nan, np.nan],
        "formation_energy_per_atom": [-1.0, -2.0, -1.5, -1.2, np.nan, np.nan],
        "overall_validity": [True, True, False, True, False, False],
        "uniqueness_adit": [True, False, True, True, True, False],
        "novelty_adit": [False, True, True, True, True, False],
        "stable_adit": [False, True, False, False, False, False],
        "spacegroup": [225] * 5 + [0],
        "relax_status": ["converged"] * 3 + ["unconverged", "failed", "failed"],
        "reason": [""] * 5 + [HTML],
        "nearest_id": ["mp-22862"] * 6,
    }
    store.write_frame(folder / "scores/crystal.parquet", pd.DataFrame(crystals))
    names = [f"molecule-0-{k}" for k in range(len(SMILES) + 1)]
    molecules = [molecule(smiles, name) for smiles, name in zip(SMILES, names, strict=False)]
    broken = AtomicSystem(
        names[-1], Kind.MOLECULE, np.array([6, 1, 1]), np.array([[0, 0, 0], [1.1, 0, 0], [5.0, 0, 0]])
    )
    store.write_systems(folder / "samples/molecule/0.arrow", [*molecules, broken])
    valid = [True] * len(SMILES) + [False]
    rows = {"system_id": names, "formula": "CH4", "validity": valid, "smiles": [*SMILES, HTML], "novel": valid}
    store.write_frame(folder / "scores/molecule.parquet", pd.DataFrame(rows))
    return folder


def large_run(folder: Path, rows: int) -> Path:
    random = np.random.default_rng(0)
    crystals = [f"crystal-0-{k}" for k in range(rows)]
    patterns = [_crystal(random, n) for n in range(1, 21)]
    table = [replace(patterns[k % 20], system_id=name) for k, name in enumerate(crystals)]
    store.write_systems(folder / "samples/crystal/0.arrow", table)
    store.write_systems(folder / "relaxed/crystal/0.arrow", table)
    numbers = {f"value_{k}": random.normal(size=rows) for k in range(6)}
    flags = {f"flag_{k}_adit": random.random(rows) < 0.5 for k in range(16)}
    columns = {"system_id": crystals, "formula": "ClNa", "n_atoms": [len(one) for one in table]}
    columns |= {"e_above_hull": random.normal(size=rows), "overall_validity": random.random(rows) < 0.8}
    store.write_frame(folder / "scores/crystal.parquet", pd.DataFrame({**columns, **numbers, **flags}))
    molecules = [f"molecule-0-{k}" for k in range(rows)]
    ethanol = molecule("CCO", "ethanol")
    store.write_systems(folder / "samples/molecule/0.arrow", [replace(ethanol, system_id=name) for name in molecules])
    invalid = {"system_id": molecules, "validity": False, "reason": "no bonding fits (Final molecular charge (0))"}
    checks = {f"posebusters_check_{k}": False for k in range(12)}
    store.write_frame(folder / "scores/molecule.parquet", pd.DataFrame({**invalid, **checks}))
    return folder


def _crystal(random: np.random.Generator, n: int) -> AtomicSystem:
    cell = np.diag(random.uniform(3, 8, 3))
    return AtomicSystem("pattern", Kind.CRYSTAL, random.integers(1, 90, n), random.random((n, 3)) @ cell, cell)
