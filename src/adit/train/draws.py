"""Random numbers of a training step, drawn for the whole batch before it is split into parts.

The numbers of a system depend only on the seed, the step and the batch, not on the parts or on the number of processes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from adit.data.augment import Views
from adit.seeds import derive_seed
from adit.transfer import to_device


@dataclass(frozen=True)
class Draws:
    """Random numbers of the systems of a batch.

    Attributes:
        views: augmentation of each system.
        uniform: (B, k) in [0, 1) for each system.
        atom_uniform: (N,) in [0, 1) for each atom.
        atom_normal: (N, c) standard normal for each atom.
        step: one number in [0, 1) for the whole step.
        sizes: (B,) atoms of each system.
        choices: (B, k) the numbers of ``uniform``, on the host.
    """

    views: Views
    uniform: Tensor
    atom_uniform: Tensor
    atom_normal: Tensor
    step: float
    sizes: np.ndarray
    choices: np.ndarray

    @property
    def largest(self) -> int:
        """Return the number of atoms of the largest system."""
        return int(self.sizes.max())

    @classmethod
    def make(cls, sizes: np.ndarray, generator: torch.Generator, per_system: int, per_atom: int) -> Draws:
        """Draw the numbers of a batch on the CPU.

        Args:
            sizes: (B,) atoms of each system.
            generator: on the CPU.
            per_system: k, uniform numbers for each system.
            per_atom: c, normal numbers for each atom.
        """
        count, atoms = len(sizes), int(sizes.sum())
        step = float(torch.rand((), generator=generator))
        views = Views.draw(count, generator)
        uniform = torch.rand(count, per_system, generator=generator)
        return cls(
            views,
            uniform,
            torch.rand(atoms, generator=generator),
            torch.randn(atoms, per_atom, generator=generator),
            step,
            sizes,
            uniform.numpy(),
        )

    def part(self, positions: np.ndarray, device: torch.device | str) -> Draws:
        """Return the numbers of the systems at ``positions`` (b,) in the batch, in the order given, on ``device``."""
        starts = np.cumsum(self.sizes) - self.sizes
        chosen = self.sizes[positions]
        ends = np.cumsum(chosen)
        atoms = np.repeat(starts[positions] - (ends - chosen), chosen) + np.arange(int(chosen.sum()))
        rows, atom_rows = torch.from_numpy(positions), torch.from_numpy(atoms)
        return Draws(
            self.views.part(rows, device),
            to_device(self.uniform[rows], device),
            to_device(self.atom_uniform[atom_rows], device),
            to_device(self.atom_normal[atom_rows], device),
            self.step,
            chosen,
            self.choices[positions],
        )


def step_generator(seed: int, *parts: str | int) -> torch.Generator:
    """Return the CPU generator of a step; it depends only on the seed and ``parts``, such as stage and step."""
    return torch.Generator().manual_seed(derive_seed("step", seed, *parts))
