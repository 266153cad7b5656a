"""Stability class of a crystal from its energy above the hull, by one potential or two; unknown in gaps of the hull."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

TIE = 1e-6
"""Energies closer to the hull than this, in eV/atom, are on the hull, and not below it."""

MIN_ELEMENTS = 2
"""Smallest number of elements of a stable crystal: crystals of one element are known."""


class Verdict(StrEnum):
    """The class of a crystal; ``UNKNOWN_HULL`` is neither stable nor unstable."""

    STABLE = "stable"
    UNSTABLE = "unstable"
    BOTH = "stable by both"
    ONE = "stable by one"
    NONE = "stable by none"
    UNKNOWN_HULL = "unknown hull"
    NO_ENERGY = "no energy"


def is_stable(e_above_hull: float, n_elements: int) -> bool:
    """Return whether a crystal is stable by the paper's protocol: below the hull, and of at least two elements.

    Args:
        e_above_hull: energy above the hull of the references, eV/atom; negative below it; NaN is not stable.
        n_elements: number of elements of the crystal.
    """
    return n_elements >= MIN_ELEMENTS and e_above_hull < -TIE


def verdict(e_above_hull: float, n_elements: int, missing_pairs: str) -> Verdict:
    """Return the class of a crystal by one potential.

    Args:
        e_above_hull: energy above the hull, eV/atom; NaN if there is none.
        n_elements: number of elements of the crystal.
        missing_pairs: gaps of the hull in its chemical system (``Hull.gaps``), or an empty text.
    """
    if missing_pairs:
        return Verdict.UNKNOWN_HULL
    if e_above_hull != e_above_hull:
        return Verdict.NO_ENERGY
    return Verdict.STABLE if is_stable(e_above_hull, n_elements) else Verdict.UNSTABLE


def joint(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the class by several potentials; ``UNKNOWN_HULL`` or ``NO_ENERGY`` if that of one of them is."""
    for blank in (Verdict.UNKNOWN_HULL, Verdict.NO_ENERGY):
        if blank in verdicts:
            return blank
    stable = sum(each is Verdict.STABLE for each in verdicts)
    return {0: Verdict.NONE, len(verdicts): Verdict.BOTH}.get(stable, Verdict.ONE)
