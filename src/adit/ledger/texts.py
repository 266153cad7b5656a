"""Structures as text in the ledger: JSON with every digit."""

from __future__ import annotations

import json

import numpy as np

from adit.systems import AtomicSystem, Kind


def to_text(system: AtomicSystem) -> str:
    """Return a structure as JSON, positions and cell in Å with every digit; without its id."""
    record = {
        "kind": str(system.kind),
        "numbers": system.numbers.tolist(),
        "positions": system.positions.tolist(),
        "cell": None if system.cell is None else system.cell.tolist(),
    }
    return json.dumps(record, separators=(",", ":"))


def from_text(text: str, system_id: str) -> AtomicSystem:
    """Return the structure that ``to_text`` wrote, with an id."""
    record = json.loads(text)
    cell = None if record["cell"] is None else np.array(record["cell"])
    numbers, positions = np.array(record["numbers"]), np.array(record["positions"])
    return AtomicSystem(system_id, Kind(record["kind"]), numbers, positions, cell)
