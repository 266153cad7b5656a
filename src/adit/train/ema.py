"""Exponential moving average of weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Ema:
    """Averaged copy of a module's state: w̄ ← decay · w̄ + (1 − decay) · w after every step.

    Floating-point buffers are averaged as the weights are; other buffers keep their first values.

    Source: Section 3 (decay 0.9999).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights: dict[str, Tensor] = {k: v.detach().clone() for k, v in module.state_dict().items()}

    @contextmanager
    def in_place_of(self, module: nn.Module) -> Iterator[None]:
        """Use the averaged weights within the block, and restore the original ones exactly after it."""
        own = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
        module.load_state_dict(self.weights)
        try:
            yield
        finally:
            module.load_state_dict(own)

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Update the average with the module's current weights."""
        state = module.state_dict()
        names = [k for k, v in state.items() if v.is_floating_point()]
        averaged = [self.weights[k] for k in names]
        torch._foreach_lerp_(averaged, [state[k].detach() for k in names], 1.0 - self.decay)
