"""Batches of samples of similar size within a budget of atoms; a sample does not depend on its batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Literal

import torch

from adit.sample.prior import Draw
from adit.sample.request import Request

BUDGET = {"cuda": 32768, "cpu": 256}
"""Largest number of atoms of a batch by type of device: enough to use the device, and few enough for a CPU's cache."""

BATCHES_A_WINDOW = 32
"""Batches in a window. Samples are drawn, sorted by size and written window by window, which limits the memory."""


def budget(batch_atoms: int | Literal["auto"], device: torch.device) -> int:
    """Return the largest number of atoms of a batch, padding included; ``auto`` takes that of the device's type."""
    return BUDGET.get(device.type, BUDGET["cpu"]) if batch_atoms == "auto" else batch_atoms


def windows(request: Request, indices: Sequence[int], batch_atoms: int) -> Iterator[list[Draw]]:
    """Yield the initial states of samples in windows of about ``BATCHES_A_WINDOW`` batches.

    Args:
        request: the requested samples.
        indices: global indices, in the order wanted.
        batch_atoms: largest number of atoms of a batch.
    """
    remaining = iter(indices)
    while True:
        window: list[Draw] = []
        atoms = 0
        while atoms < BATCHES_A_WINDOW * batch_atoms and (batch := list(islice(remaining, 1))):
            window.append(request.draw(batch[0]))
            atoms += len(window[-1])
        if not window:
            return
        yield window


def batches(sizes: Sequence[int], batch_atoms: int, *, alone: bool = False) -> list[list[int]]:
    """Return batches of indices into ``sizes``, of systems of similar size, each of at most ``batch_atoms`` atoms.

    Args:
        sizes: number of atoms of each system.
        batch_atoms: largest number of atoms of a batch, padding included; a larger system is its own batch.
        alone: whether every system gets its own batch.
    """
    order = sorted(range(len(sizes)), key=lambda i: (-sizes[i], i))
    groups: list[list[int]] = []
    for i in order:
        if groups and not alone and (len(groups[-1]) + 1) * sizes[groups[-1][0]] <= batch_atoms:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups
