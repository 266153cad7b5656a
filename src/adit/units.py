"""Units: the package works in Å, eV and degrees; networks see nm and radians. When two energies count as equal."""

from __future__ import annotations

from typing import Final

ANGSTROM_PER_NM: Final = 10.0
EV_PER_ANGSTROM3_IN_GPA: Final = 160.21766208

SAME_ENERGY: Final = 1e-3
"""Two relaxations of a crystal that differ by no more have the same energy, eV/atom."""
