"""The flow-matching loss."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor


def flow_loss(
    predicted: Float[Tensor, "b m d"],
    clean: Float[Tensor, "b m d"],
    t: Float[Tensor, " b"],
    mask: Bool[Tensor, "b m"],
    t_clip: float,
) -> Float[Tensor, " b"]:
    """Return the loss of each system: 1/(1 − min(t, t_clip))² · mean over atoms of ‖z − z′‖².

    Args:
        predicted: Z′, the predicted clean latents.
        clean: Z⁽¹⁾.
        t: time of each system, in [0, 1].
        mask: real atoms; each system has at least one.
        t_clip: highest t that the weight uses; below 1.

    Source: Eq. 12. Only the weight is clipped; the interpolant uses t itself.
    """
    squared = (clean - predicted).square().sum(dim=-1) * mask
    per_system = squared.sum(dim=1) / mask.sum(dim=1)
    return per_system / (1.0 - t.clamp(max=t_clip)).square()
