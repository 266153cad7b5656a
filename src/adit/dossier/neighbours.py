"""Known systems near a candidate: the nearest crystals by structure and by composition, molecules by composition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from adit.elements import reduced_formula
from adit.score.matching.nearest import nearest_known
from adit.systems import AtomicSystem

ELEMENTS: Final = 119
"""Length of an array by atomic number, 0 to 118."""

MOLECULES: Final = 500
"""Largest number of molecules of the data that a molecule is compared with: those nearest in composition."""


def nearest(system: AtomicSystem, references: Sequence[AtomicSystem]) -> list[tuple[str, AtomicSystem]]:
    """Return the nearest crystals of the data, each with how it was found.

    By structure: difference of average minimum distances, among those of the same formula, else of the same elements.
    By composition: least sum of differences of the atomic fractions; among equals, the nearest in atoms per cell.

    Args:
        system: a crystal.
        references: crystals of the data.
    """
    near: list[tuple[str, AtomicSystem]] = []
    crystals = [reference for reference in references if reference.cell is not None]
    by_id = {reference.system_id: reference for reference in crystals}
    for match in nearest_known([system], crystals).values():
        how = f"nearest by structure: {match.formula}, {match.distance:.2f} Å apart"
        near.append((how, by_id[match.system_id]))
    if crystals:
        mine = _fractions(system)
        apart = np.array([np.abs(_fractions(reference) - mine).sum() for reference in crystals])
        sizes = np.array([abs(len(reference) - len(system)) for reference in crystals])
        best = int(np.lexsort((sizes, np.round(apart, 9)))[0])
        formula = reduced_formula(crystals[best].numbers)
        share = f"{100 * apart[best] / 2:.0f} % of the atoms differ"
        near.append((f"nearest by composition: {formula}, {share}", crystals[best]))
    return near


def absence(system: AtomicSystem, references: Sequence[AtomicSystem], near: int) -> str:
    """Return in a sentence why there is no nearest known system, or none by structure; empty if there is.

    Args:
        system: a candidate.
        references: known systems that were given.
        near: number of nearest systems that were found: for a crystal at most two, by structure and by composition.
    """
    kind = "molecule" if system.cell is None else "crystal"
    none = f"No nearest known {kind} is shown: "
    if not references:
        return f"{none}no known structures were given (--reference, or the data of a run)."
    same_kind = [one for one in references if (one.cell is None) == (system.cell is None)]
    if not same_kind:
        return f"{none}the known structures that were given have no {kind}."
    if system.cell is None or near > 1:
        return ""
    none = "No nearest known crystal by structure is shown: "
    elements = set(system.numbers.tolist())
    if any(set(one.numbers.tolist()) == elements for one in same_kind):
        return f"{none}the average minimum distances cannot be computed, of it or of those with the same elements."
    return f"{none}of those that were given, none has the same elements."


def _fractions(system: AtomicSystem) -> np.ndarray:
    """Return the atomic fractions (119,) by atomic number."""
    return np.bincount(system.numbers, minlength=ELEMENTS) / len(system)


def alike(system: AtomicSystem, references: Sequence[AtomicSystem], most: int = MOLECULES) -> list[AtomicSystem]:
    """Return the molecules of the data whose numbers of atoms of each element are nearest, nearest first.

    Args:
        system: a molecule.
        references: systems of the data; crystals are left out.
        most: largest number of molecules.
    """
    molecules = [reference for reference in references if reference.cell is None]
    mine = np.bincount(system.numbers, minlength=ELEMENTS)
    apart = [int(np.abs(np.bincount(one.numbers, minlength=ELEMENTS) - mine).sum()) for one in molecules]
    return [molecules[index] for index in np.argsort(apart, kind="stable")[:most]]
