"""Compositional validity: the published SMACT test, and smact's own function for comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import gcd, prod
from typing import Final

MAX_COMBINATIONS: Final = 10_000_000
"""Products of oxidation states above this fail. Source: CDVAE's test."""

MAX_NATIVE_COMBINATIONS: Final = 100_000
"""smact's own function enumerates combinations; above this number (seconds to minutes per composition) it is not called
and the composition fails. No crystal of MP20's test set has more than 13,440."""


@dataclass(frozen=True)
class ElementData:
    """Data of an element for the test.

    Attributes:
        states: SMACT14 oxidation states.
        electronegativity: on Pauling's scale; ``None`` if there is none (He, Ne, Ar, Pm, Rn, Lr).
        metal: whether smact counts it as a metal.
        n_native: number of oxidation states in smact's default list.
    """

    states: tuple[int, ...]
    electronegativity: float | None
    metal: bool
    n_native: int


@cache
def element_data(symbol: str) -> ElementData:
    """Return the data of an element; unknown ones have no oxidation state."""
    import smact

    try:
        element = smact.Element(symbol)
    except (KeyError, NameError):
        return ElementData((), None, False, 0)
    return ElementData(
        states=tuple(element.oxidation_states_smact14 or ()),
        electronegativity=element.pauling_eneg,
        metal=symbol in smact.metals,
        n_native=len(element.oxidation_states or ()),
    )


def reduced(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the counts divided by their greatest common divisor.

    Args:
        counts: number of atoms by element symbol.
    """
    divisor = gcd(*counts.values())
    return {element: count // divisor for element, count in counts.items()}


def compositionally_valid(counts: Mapping[str, int]) -> bool:
    """Return whether a composition passes the published SMACT test on the SMACT14 oxidation states.

    A single element passes, and so does a composition of metals only; more than 1e7 combinations of oxidation states
    fail. Otherwise, one oxidation state per element must make the reduced formula neutral and pass Pauling's test:
    every cation is less electronegative than every anion (elements without an electronegativity pass).

    The combinations are not enumerated: Pauling's test holds if and only if some threshold has all cations below it and
    all anions above it, and for each threshold the possible sums of charges form a small set.

    Args:
        counts: number of atoms by element symbol; multiples of the reduced formula give the same answer.

    Source: CDVAE's test (T. Xie et al., ICLR 2022), with the data of smact.
    """
    counts = reduced(counts)
    elements = {symbol: element_data(symbol) for symbol in counts}
    if len(elements) == 1 or all(data.metal for data in elements.values()):
        return True
    if prod(len(data.states) for data in elements.values()) > MAX_COMBINATIONS:
        return False
    thresholds = {data.electronegativity for data in elements.values() if data.electronegativity is not None}
    return any(0 in _sums(counts, elements, threshold) for threshold in (-1.0, *thresholds))


def _sums(counts: Mapping[str, int], elements: Mapping[str, ElementData], threshold: float) -> set[int]:
    """Return the possible total charges if elements up to the threshold are not anions, and others not cations."""
    sums = {0}
    for symbol, data in elements.items():
        electronegativity = data.electronegativity
        allowed = [
            state
            for state in data.states
            if electronegativity is None or (state >= 0 if electronegativity <= threshold else state <= 0)
        ]
        sums = {total + counts[symbol] * state for total in sums for state in allowed}
    return sums


@cache
def _native(formula: str) -> bool:
    from smact.screening import smact_validity

    return bool(smact_validity(formula))


def smact_native_valid(counts: Mapping[str, int]) -> bool:
    """Return smact's own ``smact_validity`` with its defaults (another list of oxidation states, other rules).

    A composition with more than ``MAX_NATIVE_COMBINATIONS`` combinations, or an unknown element, fails.

    Args:
        counts: number of atoms by element symbol.
    """
    counts = reduced(counts)
    data = [element_data(symbol) for symbol in counts]
    if prod(max(1, each.n_native) for each in data) > MAX_NATIVE_COMBINATIONS:
        return False
    return _native("".join(f"{symbol}{count}" for symbol, count in sorted(counts.items())))
