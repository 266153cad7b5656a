"""Which noise goes with which latents: by chance, or so that paths are short."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def optimal_transport(
    noise: Float[Tensor, "b m d"], clean: Float[Tensor, "b m d"], sizes: np.ndarray
) -> Float[Tensor, "b m d"]:
    """Return the noise, exchanged among systems of one size so that its squared distances to the latents are least.

    The marginals stay what they were; the noise of a system depends on its batch mates. Waits for the device.

    Args:
        noise: padded; zero where there is no atom.
        clean: the latents.
        sizes: (B,) atoms of each system, on the host.

    Source: Tong et al., Trans. Mach. Learn. Res. (2024), minibatch optimal transport.
    """
    from scipy.optimize import linear_sum_assignment

    order = np.arange(len(sizes))
    for size in np.unique(sizes):
        rows = np.flatnonzero(sizes == size)
        if len(rows) > 1:
            apart = torch.cdist(clean[rows].flatten(1), noise[rows].flatten(1)).square()
            order[rows] = rows[linear_sum_assignment(apart.cpu().numpy())[1]]
    return noise[torch.from_numpy(order).to(noise.device)]
