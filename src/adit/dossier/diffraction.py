"""Powder diffraction of a crystal with Cu Kα, computed by pymatgen: peaks as CSV and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from adit import convert
from adit.systems import AtomicSystem

WAVELENGTH: Final = 1.54184
"""Cu Kα, mean of Kα1 and Kα2 weighted 2 : 1, Å."""

RANGE: Final = (5.0, 90.0)
"""Lowest and highest angle 2θ, degrees."""

WIDTH: Final = 0.1
"""Full width at half maximum of the drawn peaks, degrees."""

HEADS: Final = ("two_theta_deg", "d_angstrom", "intensity_percent", "hkl")
"""Columns of the CSV file: angle 2θ (degrees), spacing (Å), intensity (%), Miller indices."""


@dataclass(frozen=True)
class Peak:
    """A peak.

    Attributes:
        two_theta: angle 2θ, degrees.
        spacing: spacing of the lattice planes, Å.
        intensity: intensity relative to that of the strongest peak, %.
        planes: Miller indices of one plane of each family, in the cell of the crystal.
    """

    two_theta: float
    spacing: float
    intensity: float
    planes: Sequence[tuple[int, ...]]


def peaks(system: AtomicSystem, wavelength: float = WAVELENGTH) -> list[Peak]:
    """Return the peaks of a powder of the crystal, in the order of angles.

    Atoms are at rest: no Debye-Waller factors, no texture, no instrument.

    Args:
        system: a crystal.
        wavelength: wavelength of the radiation, Å.
    """
    from pymatgen.analysis.diffraction.xrd import XRDCalculator

    structure = convert.to_structure(system)
    pattern = XRDCalculator(wavelength=wavelength).get_pattern(structure, two_theta_range=RANGE)
    rows = zip(pattern.x, pattern.d_hkls, pattern.y, pattern.hkls, strict=True)
    return [Peak(float(x), float(d), float(y), [tuple(plane["hkl"]) for plane in planes]) for x, d, y, planes in rows]


def csv(pattern: Sequence[Peak]) -> str:
    """Return the peaks as the text of a CSV file with the columns ``HEADS``."""
    lines = [",".join(HEADS)]
    lines += [
        f"{peak.two_theta:.4f},{peak.spacing:.5f},{peak.intensity:.3f},"
        + ";".join(" ".join(map(str, plane)) for plane in peak.planes)
        for peak in pattern
    ]
    return "\n".join(lines) + "\n"


def picture(pattern: Sequence[Peak]) -> str:
    """Return the pattern as SVG: peaks of ``WIDTH``, and a tick below each peak of more than 1 %."""
    angles = np.arange(*RANGE, WIDTH / 5)
    signal = np.zeros_like(angles)
    for peak in pattern:
        signal += peak.intensity * np.exp(-4 * np.log(2) * ((angles - peak.two_theta) / WIDTH) ** 2)
    width, height, left, bottom = 720.0, 260.0, 44.0, 46.0
    scale = (width - left - 10) / (RANGE[1] - RANGE[0])
    top = max(float(signal.max()), 1e-9)
    x = left + (angles - RANGE[0]) * scale
    y = height - bottom - (height - bottom - 12) * signal / top
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    base = height - bottom
    strong = [left + (peak.two_theta - RANGE[0]) * scale for peak in pattern if peak.intensity > 1]
    ticks = "".join(_line(place, base + 3, place, base + 10) for place in strong)
    numbers = "".join(
        _text(left + (angle - RANGE[0]) * scale, height - 16, str(angle)) for angle in range(10, int(RANGE[1]) + 1, 10)
    )
    axis = _line(left, base, width - 10, base) + _text(width / 2, height - 2, "2θ, Cu Kα (degrees)")
    turned = f'<g transform="rotate(-90 14 {height / 2:g})">{_text(14, height / 2, "intensity")}</g>'
    return (
        f'<svg class="figure" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="powder diffraction" fill="none" font-family="sans-serif" font-size="12">'
        f'<polyline points="{line}" stroke="var(--blue, #0072b2)" stroke-width="1.2"/>'
        f"{axis}{ticks}{numbers}{turned}</svg>"
    )


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="currentColor"/>'


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" fill="currentColor">{text}</text>'
