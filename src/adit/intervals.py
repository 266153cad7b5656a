"""Confidence intervals of rates."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist


def wilson(numerator: int, denominator: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the lower and the upper end of Wilson's score interval of a rate, both in 0..1.

    Args:
        numerator: number of successes.
        denominator: number of trials, at least one.
        confidence: level, e.g. 0.95.

    Source: E. B. Wilson, J. Am. Stat. Assoc. 22, 209 (1927).
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate = numerator / denominator
    centre = rate + z * z / (2 * denominator)
    half = z * sqrt(rate * (1 - rate) / denominator + z * z / (4 * denominator**2))
    scale = 1 + z * z / denominator
    low = 0.0 if numerator == 0 else (centre - half) / scale
    high = 1.0 if numerator == denominator else (centre + half) / scale
    return low, high
