"""Checks of coordinates in every reader."""

from __future__ import annotations

import numpy as np

from adit.errors import DataError


def need_geometry(positions: np.ndarray) -> None:
    """Refuse coordinates without information: several atoms, all at one point.

    Args:
        positions: (n, 3), Å.

    Raises:
        DataError: all atoms are at one point.
    """
    if len(positions) > 1 and np.ptp(positions, axis=0).max() < 1e-6:
        raise DataError("no geometry: all atoms lie at one point")
