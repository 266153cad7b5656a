"""The padded view of a batch, used inside ``model`` and where its inputs are made; a mask always accompanies it."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def padding_mask(n_atoms: Int[Tensor, " b"], length: int | None = None) -> Bool[Tensor, "b m"]:
    """Return the mask of real atoms.

    Args:
        n_atoms: (B,) atoms of each system.
        length: M; by default that of the largest system, for which the host waits for the device.
    """
    length = int(n_atoms.max()) if length is None else length
    return torch.arange(length, device=n_atoms.device)[None, :] < n_atoms[:, None]


def pad(values: Tensor, mask: Bool[Tensor, "b m"]) -> Tensor:
    """Spread concatenated values (N, …) over the padded view (B, M, …); padding is zero."""
    # Gathered by atom index: boolean indexing with the mask would make the host wait for the device.
    order = (mask.flatten().cumsum(0) - 1).clamp(min=0)
    spread = values[order].view(*mask.shape, *values.shape[1:])
    return torch.where(mask.view(*mask.shape, *[1] * (values.ndim - 1)), spread, spread.new_zeros(()))


def unpad(values: Tensor, mask: Bool[Tensor, "b m"]) -> Tensor:
    """Concatenate the real atoms of a padded view (B, M, …) to (N, …); the host waits for the device."""
    return values[mask]


def masked_mean(values: Float[Tensor, "b m d"], mask: Bool[Tensor, "b m"]) -> Float[Tensor, "b d"]:
    """Return the mean over the real atoms of each system."""
    weights = mask.unsqueeze(-1).to(values.dtype)
    return (values * weights).sum(dim=1) / weights.sum(dim=1)
