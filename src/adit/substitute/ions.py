"""Ions of a composition, and their exchange for others.

Source: G. Hautier et al., Inorg. Chem. 50, 656 (2011), with the table of pymatgen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import log, prod
from typing import Final

import numpy as np

MOST_COMBINATIONS: Final = 20_000
"""Largest number of combinations of oxidation states of a composition; with more, it gets no ions."""

DRAWS: Final = 64
"""Number of exchanges that are drawn at once; the first valid one is used."""


@dataclass(frozen=True)
class IonTable:
    """Ions with the probabilities of their substitution.

    Attributes:
        numbers: (s,) int, atomic number of each ion.
        charges: (s,) int, oxidation state of each ion.
        prior: (s,) probability of each ion; the sum is 1.
        cumulative: (s, s) row i: cumulative probability over j that ion i is replaced by ion j, itself included.
        of_element: atomic number → indices of its ions.
    """

    numbers: np.ndarray
    charges: np.ndarray
    prior: np.ndarray
    cumulative: np.ndarray
    of_element: Mapping[int, tuple[int, ...]]


@cache
def ion_table() -> IonTable:
    """Return pymatgen's table of substitution probabilities; ions with integer oxidation states."""
    from pymatgen.analysis.structure_prediction.substitution_probability import SubstitutionProbability

    table = SubstitutionProbability()
    ions = sorted(
        (ion for ion in table.species if float(ion.oxi_state).is_integer() and ion.oxi_state),
        key=lambda ion: (ion.Z, ion.oxi_state),
    )
    weights = np.array([[table.cond_prob(new, old) for new in ions] for old in ions])
    of_element: dict[int, tuple[int, ...]] = {}
    for place, ion in enumerate(ions):
        of_element[ion.Z] = (*of_element.get(ion.Z, ()), place)
    prior = np.array([table.get_px(ion) for ion in ions])
    return IonTable(
        numbers=np.array([ion.Z for ion in ions]),
        charges=np.array([int(ion.oxi_state) for ion in ions]),
        prior=prior / prior.sum(),
        cumulative=np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1),
        of_element=of_element,
    )


def ions_of(counts: Mapping[int, int]) -> tuple[int, ...] | None:
    """Return the most probable ions of a composition that make it neutral, one for each element.

    Args:
        counts: atomic number → number of atoms.

    Returns:
        Indices of the table, in the order of ``counts``; ``None`` if no ions make it neutral (alloys, elements), or
        there are too many combinations.
    """
    table = ion_table()
    choices = [table.of_element.get(z, ()) for z in counts]
    if len(counts) < 2 or not 0 < prod(map(len, choices)) <= MOST_COMBINATIONS:
        return None
    amounts = list(counts.values())
    neutral = [
        ions
        for ions in product(*choices)
        if sum(amount * int(table.charges[ion]) for amount, ion in zip(amounts, ions, strict=True)) == 0
    ]
    return max(neutral, key=lambda ions: sum(log(table.prior[ion]) for ion in ions), default=None)


def exchanged(counts: Mapping[int, int], ions: Sequence[int], random: np.random.Generator) -> tuple[int, ...] | None:
    """Return other ions for a composition, drawn with the substitution probabilities.

    The result is neutral, its elements differ from each other, and at least one differs from the original.

    Args:
        counts: atomic number → number of atoms.
        ions: ions of the composition, as ``ions_of`` returns them.
        random: random number generator.

    Returns:
        Indices of the table, in the order of ``counts``; ``None`` if none of ``DRAWS`` exchanges is valid.
    """
    table = ion_table()
    drawn = np.stack([np.searchsorted(table.cumulative[ion], random.random(DRAWS)) for ion in ions], axis=1)
    drawn = np.minimum(drawn, len(table.numbers) - 1)
    elements = np.sort(table.numbers[drawn], axis=1)
    distinct = (np.diff(elements, axis=1) > 0).all(axis=1)
    neutral = table.charges[drawn] @ np.array(list(counts.values())) == 0
    changed = (table.numbers[drawn] != np.array(list(counts))).any(axis=1)
    valid = np.flatnonzero(distinct & neutral & changed)
    return tuple(int(ion) for ion in drawn[valid[0]]) if len(valid) else None
