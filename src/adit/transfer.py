"""Tensors on a device: transfer without blocking the host, and computation in a given precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def to_device(tensor: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """Return ``tensor`` on ``device``.

    Data on the host are copied to a GPU from pinned memory, in stream order; the host does not wait.
    """
    import torch

    target = torch.device(device)
    if target.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(target, non_blocking=True)
    return tensor.to(target)


def exact(values: torch.Tensor) -> torch.autocast:
    """Return a context without autocast on the device of ``values``.

    In bf16, a fractional coordinate has a resolution of 0.004 and an angle of 0.4° only.
    """
    import torch

    return torch.autocast(values.device.type, enabled=False)
