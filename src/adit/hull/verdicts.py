"""Stability class of a crystal from its energy above the hull, by one potential or two; unknown at gaps of the hull."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

TIE = 1e-6
"""eV/atom: energies closer than this to the hull are on it."""

MIN_ELEMENTS = 2
"""Crystals of fewer elements are never called stable: elements are known."""


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
    """Return whether a crystal is stable by the paper's protocol; ``e_above_hull`` in eV/atom, NaN is not stable."""
    return n_elements >= MIN_ELEMENTS and e_above_hull < -TIE


def verdict(e_above_hull: float, n_elements: int, missing_pairs: str) -> Verdict:
    """Return the class of a crystal by one potential.

    Args:
        e_above_hull: eV/atom; NaN where there is none.
        n_elements: of the crystal.
        missing_pairs: pairs of its elements of which the hull has no compound, or an empty text.
    """
    if missing_pairs:
        return Verdict.UNKNOWN_HULL
    if e_above_hull != e_above_hull:
        return Verdict.NO_ENERGY
    return Verdict.STABLE if is_stable(e_above_hull, n_elements) else Verdict.UNSTABLE


def joint(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the class by two potentials; unknown if one of them has no energy or no hull."""
    for blank in (Verdict.UNKNOWN_HULL, Verdict.NO_ENERGY):
        if blank in verdicts:
            return blank
    stable = sum(each is Verdict.STABLE for each in verdicts)
    return {0: Verdict.NONE, len(verdicts): Verdict.BOTH}.get(stable, Verdict.ONE)
