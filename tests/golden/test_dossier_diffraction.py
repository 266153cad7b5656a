"""Powder diffraction against reference patterns: lattice spacings and strengths of NaCl, Si and α-quartz.

Spacings and relative intensities: powder diffraction file, cards 5-628 (NaCl), 27-1402 (Si, NIST 640b) and 33-1161
(α-quartz); all measured with Cu Kα1. Cells and atoms: those of the same materials at room temperature.
"""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from adit import convert
from adit.dossier.diffraction import WAVELENGTH, csv, peaks, picture
from adit.systems import AtomicSystem

CU_KA1 = 1.5405929

CRYSTALS = {
    "NaCl": Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.6402), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    "Si": Structure.from_spacegroup("Fd-3m", Lattice.cubic(5.43088), ["Si"], [[0, 0, 0]]),
    "quartz": Structure.from_spacegroup(
        "P3_221", Lattice.hexagonal(4.9134, 5.4052), ["Si", "O"], [[0.4699, 0, 2 / 3], [0.4141, 0.2681, 0.7854]]
    ),
}
REFERENCE = {
    "NaCl": [(3.258, 13), (2.821, 100), (1.994, 55), (1.701, 2), (1.628, 15), (1.410, 6), (1.261, 11), (1.1515, 7)],
    "Si": [(3.1355, 100), (1.9201, 55), (1.6375, 30), (1.3577, 6), (1.2459, 11), (1.1086, 12)],
    "quartz": [
        *[(4.257, 22), (3.342, 100), (2.457, 8), (2.282, 8), (2.237, 4), (2.127, 6), (1.9792, 4), (1.8179, 14)],
        *[(1.6719, 4), (1.5418, 9), (1.3820, 6), (1.3752, 7), (1.3718, 8)],
    ],
}
"""Spacing, Å, and intensity, % of the strongest."""

SI_ANGLES = [28.442, 47.302, 56.121, 69.130, 76.377, 88.026]
"""2θ of the same peaks of silicon, degrees, Cu Kα1."""


def crystal(name: str) -> AtomicSystem:
    return convert.from_structure(CRYSTALS[name], name)


@pytest.mark.parametrize("name", CRYSTALS)
def test_spacings_and_the_order_of_strong_peaks(name: str) -> None:
    pattern = peaks(crystal(name), CU_KA1)
    spacings = np.array([peak.spacing for peak in pattern])
    for spacing, intensity in REFERENCE[name]:
        nearest = pattern[int(np.abs(spacings - spacing).argmin())]
        assert nearest.spacing == pytest.approx(spacing, rel=1.2e-3), spacing
        assert nearest.intensity == pytest.approx(intensity, abs=14), spacing  # no temperature factors here
    strong = {round(peak.spacing, 1) for peak in pattern if peak.intensity > 15}
    assert strong <= {round(spacing, 1) for spacing, _ in REFERENCE[name]}


def test_angles_of_silicon() -> None:
    pattern = peaks(crystal("Si"), CU_KA1)
    assert [peak.two_theta for peak in pattern] == pytest.approx(SI_ANGLES, abs=0.006)
    assert pattern[0].planes == [(1, 1, 1)]


def test_the_default_is_the_mean_of_cu_ka() -> None:
    assert pytest.approx((2 * CU_KA1 + 1.5444274) / 3, abs=1e-4) == WAVELENGTH
    pattern = peaks(crystal("NaCl"))
    angle = 2 * np.degrees(np.arcsin(WAVELENGTH / 2 / pattern[1].spacing))
    assert pattern[1].two_theta == pytest.approx(angle, abs=1e-3)


def test_the_table_and_the_picture_have_every_peak() -> None:
    pattern = peaks(crystal("Si"))
    assert len(csv(pattern).splitlines()) == len(pattern) + 1
    assert csv(pattern).splitlines()[1].split(",")[3] == "1 1 1"
    assert picture(pattern).startswith("<svg")
    assert picture(pattern).count("<line") == 1 + sum(peak.intensity > 1 for peak in pattern)
