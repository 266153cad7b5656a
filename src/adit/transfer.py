"""Moving tensors to a device without the host waiting for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def to_device(tensor: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """Return ``tensor`` on ``device``.

    What lies on the host goes to a GPU through pinned memory, in the order of the GPU's work: the host goes on at once.
    """
    import torch

    target = torch.device(device)
    if target.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(target, non_blocking=True)
    return tensor.to(target)
