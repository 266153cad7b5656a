"""The optimisers: AdamW as in the paper, or Muon for the matrices of the blocks and AdamW for the rest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from adit.config import OptimConfig

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the odd polynomial that is iterated. Source: Jordan et al., Muon (2024)."""

ITERATIONS = 5
"""Number of Newton–Schulz iterations for each update."""

MOMENTUM = 0.95
"""Decay of Muon's averaged gradient."""


class Optimizers:
    """Several optimisers that are used as one."""

    def __init__(self, parts: Sequence[torch.optim.Optimizer]) -> None:
        self.parts = list(parts)

    def set_rate(self, lr: float) -> None:
        """Set the learning rate of all optimisers and parameter groups."""
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = lr

    def step(self) -> None:
        """Update all parameters from their gradients."""
        for part in self.parts:
            part.step()

    def zero_grad(self) -> None:
        """Remove the gradients of all parameters."""
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict[str, Any]]:
        """Return the states, in the order of the parts."""
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: Sequence[dict[str, Any]]) -> None:
        """Load states that ``state_dict`` returned.

        Raises:
            ValueError: the number of optimisers, or the parameters of one, are others.
        """
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)


def make_optimizer(module: nn.Module, config: OptimConfig, *, in_bf16: bool = False) -> Optimizers:
    """Return the optimiser that the configuration names, over the parameters that require gradients.

    Args:
        module: the trained network.
        config: names the optimiser and its settings.
        in_bf16: whether Muon iterates in bfloat16, for devices with fast bfloat16.
    """
    named = {name: p for name, p in module.named_parameters() if p.requires_grad}
    matrices = {name: p for name, p in named.items() if config.optimizer == "muon" and is_block_matrix(name, p)}
    others = [p for name, p in named.items() if name not in matrices]
    parts: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(others, lr=config.lr, weight_decay=config.weight_decay, fused=True)
    ]
    if matrices:
        groups = [
            {"params": [p for name, p in matrices.items() if ("qkv" in name) == stacked], "pieces": 3 if stacked else 1}
            for stacked in (True, False)
        ]
        parts.append(Muon([group for group in groups if group["params"]], config.lr, config.weight_decay, in_bf16))
    return Optimizers(parts)


def is_block_matrix(name: str, parameter: Tensor) -> bool:
    """Return whether a parameter, by its name in the network, is a matrix of a block's attention or feed-forward."""
    return parameter.ndim == 2 and (".attention." in name or ".feed." in name)


class Muon(torch.optim.Optimizer):
    """Momentum with each update matrix replaced by the nearest orthogonal one, in float32 or bfloat16.

    The update of an m × n matrix is scaled by 0.2 √max(m, n), so that its elements have the size of AdamW's and both
    share a learning rate. Matrices of equal shape are orthogonalised together.

    Args:
        groups: parameter groups of matrices; ``pieces`` of a group is the number of parts into which its matrices are
            split along the rows (queries, keys and values are in one matrix).
        lr: learning rate.
        weight_decay: decoupled decay, multiplied by the learning rate, as in AdamW.
        in_bf16: whether to iterate in bfloat16.

    Source: Jordan et al. (2024); the scale: Liu et al., "Muon is scalable" (2025). Differs: ``torch.optim.Muon``
    always iterates in bfloat16, which is slow on a CPU without it.
    """

    def __init__(self, groups: list[dict[str, Any]], lr: float, weight_decay: float, in_bf16: bool = False) -> None:
        self._precision = torch.bfloat16 if in_bf16 else None
        super().__init__(groups, {"lr": lr, "weight_decay": weight_decay, "pieces": 1})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every matrix that has a gradient; ``closure`` is not used."""
        for group in self.param_groups:
            shapes: dict[tuple[int, ...], list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    shapes.setdefault(tuple(parameter.shape), []).append(parameter)
            for parameters in shapes.values():
                self._update(parameters, group)

    def _update(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        pieces = group["pieces"]
        looked_ahead = [piece for p in parameters for piece in self._momentum(p).chunk(pieces)]
        stacked = torch.stack(looked_ahead)
        directions = orthogonalized(stacked.to(self._precision or stacked.dtype)).to(stacked.dtype)
        for index, parameter in enumerate(parameters):
            direction = directions[index * pieces : (index + 1) * pieces].flatten(0, 1)
            scale = 0.2 * math.sqrt(max(direction.shape[0] // pieces, direction.shape[1]))
            parameter.mul_(1.0 - group["lr"] * group["weight_decay"])
            parameter.add_(direction, alpha=-group["lr"] * scale)

    def _momentum(self, parameter: Tensor) -> Tensor:
        """Return Nesterov's look-ahead of the averaged gradient."""
        gradient = parameter.grad
        if gradient is None:
            raise ValueError("a parameter without a gradient has no momentum")
        buffer = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
        buffer.lerp_(gradient, 1.0 - MOMENTUM)
        return torch.lerp(gradient, buffer, MOMENTUM)


def orthogonalized(matrices: Tensor, iterations: int = ITERATIONS) -> Tensor:
    """Return matrices (k, m, n) with the same singular vectors and singular values near 1 (0.7 to 1.2).

    Source: Newton–Schulz iteration of Jordan et al., Muon (2024).
    """
    wide = matrices.shape[-2] <= matrices.shape[-1]
    x = matrices if wide else matrices.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    x = (_by_gram_matrices if x.shape[-1] >= 2 * x.shape[-2] else _directly)(x, iterations)
    return x if wide else x.mT


def _directly(x: Tensor, iterations: int) -> Tensor:
    """Iterate X ← S X with S = a + b G + c G² and G = X Xᵀ."""
    a = NEWTON_SCHULZ[0]
    for _ in range(iterations):
        x = torch.baddbmm(x, _polynomial(x @ x.mT), x, beta=a)
    return x


def _by_gram_matrices(x: Tensor, iterations: int) -> Tensor:
    """Iterate G ← S G S and the product of the S, all (m, m): for wide matrices half of the operations."""
    a = NEWTON_SCHULZ[0]
    gram = x @ x.mT
    product = factor = a * torch.eye(x.shape[-2], dtype=x.dtype, device=x.device) + _polynomial(gram)
    for _ in range(iterations - 1):
        gram = factor @ (gram @ factor)
        factor = a * torch.eye(x.shape[-2], dtype=x.dtype, device=x.device) + _polynomial(gram)
        product = factor @ product
    return product @ x


def _polynomial(gram: Tensor) -> Tensor:
    """Return b G + c G²."""
    _, b, c = NEWTON_SCHULZ
    return torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
