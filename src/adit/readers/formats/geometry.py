"""What every reader asks of coordinates."""

from __future__ import annotations

import numpy as np

from adit.errors import DataError


def need_geometry(positions: np.ndarray) -> None:
    """Refuse coordinates that say nothing: several atoms, all at one point.

    Args:
        positions: (n, 3), Å.

    Raises:
        DataError: so it is.
    """
    if len(positions) > 1 and np.ptp(positions, axis=0).max() < 1e-6:
        raise DataError("no geometry: all atoms lie at one point")
