"""Units: the package works in Å, eV and degrees; networks see nm and radians. When two energies count as equal."""

from __future__ import annotations

from typing import Final

ANGSTROM_PER_NM: Final = 10.0
"""Å in 1 nm."""

EV_PER_ANGSTROM3_IN_GPA: Final = 160.21766208
"""1 eV/Å³ in GPa. Source: CODATA 2014."""

SAME_ENERGY: Final = 1e-3
"""Largest difference between two energies of a crystal that count as equal, eV/atom."""
