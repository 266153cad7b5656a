"""Control populations: training set, test set, noisy test set, random atoms in the same boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from adit import seeds
from adit.columns import Population
from adit.systems import AtomicSystem

NOISE_STD: Final = 0.1
"""Standard deviation of the noise on each coordinate, Å."""


def controls(
    systems: Sequence[AtomicSystem], splits: Sequence[str | None], count: int, seed: int
) -> dict[Population, list[AtomicSystem]]:
    """Return the control populations of one kind.

    Args:
        systems: the data of one kind.
        splits: name of the split of each system; ``None``: in none.
        count: largest number of systems per population.
        seed: seed of the run. The selection depends on it and on the ids, not on the order of the data.

    Returns:
        Systems by population. ``noise`` and ``random`` are made from those of ``test``, or from those of
        ``train`` if there is no test split.
    """
    train, test = (
        _choose([s for s, split in zip(systems, splits, strict=True) if split == name], count, seed, name)
        for name in ("train", "test")
    )
    real = test or train
    pool = np.concatenate([system.numbers for system in real]) if real else np.zeros(0, dtype=np.int64)
    return {
        Population.TRAIN: train,
        Population.TEST: test,
        Population.NOISE: [noisy(system, seed) for system in real],
        Population.RANDOM: [randomised(system, pool, seed) for system in real],
    }


def _choose(systems: Sequence[AtomicSystem], count: int, seed: int, split: str) -> list[AtomicSystem]:
    ordered = sorted(systems, key=lambda system: system.system_id)
    chosen = seeds.generator("control", seed, split).permutation(len(ordered))[:count]
    return [ordered[index] for index in sorted(chosen)]


def noisy(system: AtomicSystem, seed: int) -> AtomicSystem:
    """Return the system with Gaussian noise of 0.1 Å on every coordinate."""
    draw = seeds.generator("control-noise", seed, system.system_id).normal(0.0, NOISE_STD, system.positions.shape)
    return replace(system, positions=system.positions + draw)


def randomised(system: AtomicSystem, pool: np.ndarray, seed: int) -> AtomicSystem:
    """Return as many random atoms, uniform in the same cell (or the molecule's bounding box).

    Args:
        system: gives the box and the number of atoms.
        pool: (m,) atomic numbers to draw from: those of all atoms of the population.
        seed: seed of the run.
    """
    generator = seeds.generator("control-random", seed, system.system_id)
    unit = generator.uniform(size=system.positions.shape)
    if system.cell is not None:
        positions = unit @ system.cell
    else:
        low, high = system.positions.min(axis=0), system.positions.max(axis=0)
        positions = low + unit * (high - low)
    return replace(system, numbers=generator.choice(pool, size=len(system)), positions=positions)
