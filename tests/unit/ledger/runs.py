"""Runs on disk for a ledger: a few salts and molecules with scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adit import store
from adit.ledger.query import query
from adit.systems import AtomicSystem, Failure, Kind

WEIGHTS = "ab" * 32


def salt(system_id: str, anion: int = 17, edge: float = 5.64, shift: float = 0.0) -> AtomicSystem:
    """Return rock salt in its primitive cell; ``shift`` displaces all atoms, which makes no other crystal."""
    cell = edge / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    positions = np.array([[0, 0, 0], [edge / 2] * 3]) + shift
    return AtomicSystem(system_id, Kind.CRYSTAL, np.array([11, anion]), positions, cell)


def caesium(system_id: str, anion: int = 17) -> AtomicSystem:
    """Return the same elements in the structure of CsCl."""
    return AtomicSystem(
        system_id, Kind.CRYSTAL, np.array([11, anion]), np.array([[0, 0, 0], [1.7] * 3]), np.eye(3) * 3.4
    )


def water(system_id: str, length: float = 0.96) -> AtomicSystem:
    positions = np.array([[0, 0, 0], [length, 0, 0], [-0.24, length, 0]])
    return AtomicSystem(system_id, Kind.MOLECULE, np.array([8, 1, 1]), positions)


def write_run(
    folder: Path, crystals: Sequence[AtomicSystem], scores: Mapping[str, Sequence[Any]] | None = None
) -> Path:
    """Write a run with crystals, their scores, and one failure."""
    rows = [*crystals, Failure("broken", "decode", "no atoms", Kind.CRYSTAL)]
    metadata = {"dit_sha256": WEIGHTS, "seed": 7, "kind": "crystal"}
    store.write_systems(folder / "samples/crystal/0.arrow", rows, metadata=metadata)
    table: dict[str, Any] = {"system_id": [row.system_id for row in rows], "formula": "ClNa", "n_atoms": 2}
    table |= {"e_above_hull": [0.1 * n for n in range(len(crystals))] + [np.nan]}
    table |= {"novelty_adit": [True] * len(crystals) + [False], "spacegroup": 225, "overall_validity": True}
    table |= {name: [*values, None] for name, values in (scores or {}).items()}
    store.write_frame(folder / "scores/crystal.parquet", pd.DataFrame(table))
    return folder


def write_molecules(folder: Path, molecules: Sequence[AtomicSystem], smiles: Sequence[str]) -> Path:
    store.write_systems(folder / "samples/molecule/0.arrow", molecules)
    ids = [system.system_id for system in molecules]
    rows = {"system_id": ids, "smiles": smiles, "validity": True, "novel": True, "formula": "H2O"}
    store.write_frame(folder / "scores/molecule.parquet", pd.DataFrame(rows))
    return folder


def rows(path: Path, text: str = "", *columns: str) -> list[tuple[object, ...]]:
    """Return columns of the candidates that fulfil a condition."""
    return list(query(path, text, columns).rows)
