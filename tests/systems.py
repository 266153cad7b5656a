"""Systems as tests need them: compared bit for bit, and as a batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from adit.systems import AtomicSystem, SystemBatch


def same_systems(first: AtomicSystem, second: AtomicSystem) -> bool:
    """Return whether every stored field is equal, bit for bit."""
    cells = [np.zeros((0, 3)) if each.cell is None else each.cell for each in (first, second)]
    return (
        (first.system_id, first.kind, dict(first.info)) == (second.system_id, second.kind, dict(second.info))
        and np.array_equal(*cells)
        and np.array_equal(first.numbers, second.numbers)
        and np.array_equal(first.positions, second.positions)
    )


def batch_of(systems: Sequence[AtomicSystem]) -> SystemBatch:
    """Concatenate systems into one batch (float32 on the CPU)."""
    n_atoms = torch.tensor([len(s) for s in systems])
    zero = np.zeros((3, 3))
    return SystemBatch(
        numbers=torch.from_numpy(np.concatenate([s.numbers for s in systems])),
        positions=torch.from_numpy(np.concatenate([s.positions for s in systems])).float(),
        cell=torch.from_numpy(np.stack([zero if s.cell is None else s.cell for s in systems])).float(),
        n_atoms=n_atoms,
        system_idx=torch.repeat_interleave(torch.arange(len(systems)), n_atoms),
        kind=torch.tensor([s.kind.label for s in systems]),
    )
