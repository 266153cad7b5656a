"""Several processes, one per GPU: the rank of this process, and sums over all processes.

Every process draws the random numbers of the whole batch and processes its own share of the systems. Gradients are
summed before the optimiser's step, so that the result does not depend on the number of processes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, distributed


@dataclass(frozen=True)
class World:
    """The processes of a training.

    Attributes:
        rank: index of this process.
        size: number of processes.
        local_rank: index of this process on its machine, and of its GPU.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def leads(self) -> bool:
        """Whether this process, of rank 0, writes files and messages."""
        return self.rank == 0

    @classmethod
    def named(cls) -> World:
        """Return this process from the variables of ``torchrun`` (or ``srun``), without connecting to the others."""
        rank, size, local = (os.environ.get(name) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
        return cls(int(rank or 0), int(size or 1), int(local or 0))

    def sum_(self, tensors: Iterable[Tensor]) -> None:
        """Sum tensors of the same shapes over all processes in float32, in place, as one message."""
        if self.size == 1:
            return
        chosen = list(tensors)
        flat = torch.cat([t.reshape(-1).float() for t in chosen])
        distributed.all_reduce(flat)
        for tensor, part in zip(chosen, torch.split(flat, [t.numel() for t in chosen]), strict=True):
            tensor.copy_(part.view_as(tensor))


def join() -> World:
    """Return the world of this process from the variables of ``torchrun`` (or ``srun``), connected to the others.

    With one process (``WORLD_SIZE`` 1 or unset), nothing is connected.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return World()
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return World(distributed.get_rank(), size, int(os.environ.get("LOCAL_RANK", "0")))
