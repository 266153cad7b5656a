"""Which crystals are compared to choose the references of a DFT hull, and by how many processes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adit import store
from adit.hull import dft_references
from adit.systems import AtomicSystem, Kind


def system(name: str, kind: Kind, numbers: list[int]) -> AtomicSystem:
    cell = np.eye(3) * 4.0 if kind is Kind.CRYSTAL else None
    return AtomicSystem(name, kind, np.array(numbers), np.arange(3.0 * len(numbers)).reshape(-1, 3), cell)


@pytest.mark.parametrize(("crystals", "workers", "used"), [(0, 4, 1), (1, 4, 1), (3, 4, 3), (3, 2, 2)])
def test_no_more_processes_than_crystals(
    monkeypatch: pytest.MonkeyPatch, crystals: int, workers: int, used: int
) -> None:
    counts: list[int] = []

    def record(function: object, systems: Sequence[AtomicSystem], *, workers: int, **_: Any) -> None:
        counts.append(workers)

    monkeypatch.setattr(dft_references, "map_isolated", record)
    dft_references._energies([system(f"s{n}", Kind.CRYSTAL, [11]) for n in range(crystals)], workers)
    assert counts == [used]


def test_a_file_of_molecules_is_left_at_its_first_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file holds systems of one kind: a large set of molecules is not read to its end."""
    store.write_systems(tmp_path / "molecules.arrow", [system(f"m{n}", Kind.MOLECULE, [11]) for n in range(5)])
    rows: list[str] = []
    read = store.read_systems

    def counted(path: Path) -> Any:
        for row in read(path):
            rows.append(row.system_id)
            yield row

    monkeypatch.setattr(dft_references.store, "read_systems", counted)
    systems_read = dft_references.candidates([tmp_path / "molecules.arrow"], [], {frozenset({"Na"})})
    assert systems_read == []
    assert rows == ["m0"]
