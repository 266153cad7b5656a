"""Inputs and results of a training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from adit.config import OptimConfig
from adit.train.corpus import Corpus
from adit.train.draws import Draws


class TrainingTask(Protocol):
    """A network and the loss of each system of a batch.

    Attributes:
        name: ``vae`` or ``dit``.
        module: the network.
        per_system: uniform random numbers that the losses need for each system.
        per_atom: normal random numbers that they need for each atom.
    """

    name: str
    module: nn.Module
    per_system: int
    per_atom: int

    def passes(self, draws: Draws) -> float:
        """Return the cost of a step, in units of one forward and one backward pass of the network."""
        ...

    def losses(self, rows: np.ndarray, draws: Draws, split: str) -> dict[str, Tensor]:
        """Return losses of each system (B,) by name; ``loss`` is minimised, the others are logged.

        Args:
            rows: (B,) indices of systems in the split.
            draws: random numbers of these systems.
            split: ``train`` or ``val``.
        """
        ...


@dataclass(frozen=True)
class Plan:
    """A training: network, data and settings.

    Attributes:
        task: network and losses.
        corpus: the systems.
        config: optimiser, budget, checkpoints.
        seed: seed of all random numbers; each step has its own generator.
        key: hash of configuration and data; a resume state of another key is not used.
        state_dir: folder of the resume states; not an output of the workflow, so that a failed job keeps it.
        device: device of the training.
        ema_decay: decay of the averaged weights; ``None`` for none.
        decay_steps: for a decayed copy, whose state is in ``state_dir``: steps over which its rate falls to zero.
    """

    task: TrainingTask
    corpus: Corpus
    config: OptimConfig
    seed: int
    key: str
    state_dir: Path
    device: torch.device
    ema_decay: float | None = None
    decay_steps: int | None = None


@dataclass
class Fit:
    """Result of a training.

    Attributes:
        steps: optimiser steps done.
        minutes: training time, minutes.
        metrics: one row per logged step.
        averaged: averaged weights, if requested.
        leads: whether this process writes the result.
    """

    steps: int
    minutes: float
    metrics: pd.DataFrame
    averaged: dict[str, Tensor] | None
    leads: bool = True
