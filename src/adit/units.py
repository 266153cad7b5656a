"""Units: the package works in Å, eV and degrees; networks see nm and radians."""

from __future__ import annotations

from typing import Final

ANGSTROM_PER_NM: Final = 10.0
EV_PER_ANGSTROM3_IN_GPA: Final = 160.21766208
