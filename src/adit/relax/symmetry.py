"""Symmetry before relaxation: a symmetrised start, relaxed with its symmetry in addition to the crystal or instead.

Generated crystals are mostly P1, with atoms near the sites of a symmetric structure. spglib finds that symmetry at a
tolerance of tenths of an ångström; cell and atoms are moved to it, and forces and stress are symmetrised in every step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from adit import convert
from adit.columns import Col
from adit.progress import log
from adit.relax.potentials.outcome import Limits, Relaxed
from adit.relax.potentials.screen import refuse
from adit.systems import AtomicSystem
from adit.units import SAME_ENERGY

Mode = Literal["off", "try", "only"]
"""Values of ``relax.symmetrize``, see ``relax_with_symmetry``."""

TOLERANCES = (0.5, 0.3, 0.2, 0.1, 0.05, 0.01)
"""Tolerances of spglib that are tried, largest first, Å."""

COLUMNS = (
    Col.SYMMETRIZED,
    Col.SYMMETRY_TOLERANCE,
    Col.SPACEGROUP_SYMMETRIZED,
    Col.SYMMETRIZED_ENERGY_DIFFERENCE,
    Col.SYMMETRIZED_STEPS,
    Col.SYMMETRIZED_WALL_S,
    Col.SYMMETRIZED_SPACEGROUP_AFTER,
    Col.RAW_STEPS,
    Col.RAW_WALL_S,
    Col.RAW_SPACEGROUP,
)
"""Columns of the table of relaxations if ``relax.symmetrize`` is not ``off``; energy in eV/atom, tolerance in Å."""

COUNTS = (
    Col.SPACEGROUP_SYMMETRIZED,
    Col.SYMMETRIZED_STEPS,
    Col.SYMMETRIZED_SPACEGROUP_AFTER,
    Col.RAW_STEPS,
    Col.RAW_SPACEGROUP,
)
"""Columns of ``COLUMNS`` with whole numbers."""

Relax = Callable[[Sequence[AtomicSystem], Limits], list[Relaxed]]
"""Function that relaxes systems within limits and returns one result each."""


@dataclass(frozen=True)
class SymmetricStart:
    """A symmetrised crystal.

    Attributes:
        system: the crystal, with the atoms in the same order and the cell in the same setting.
        tolerance: tolerance at which its symmetry was found, Å.
        spacegroup: international number of the spacegroup.
    """

    system: AtomicSystem
    tolerance: float
    spacegroup: int


def symmetrized(
    system: AtomicSystem, limits: Limits, tolerances: Sequence[float] = TOLERANCES
) -> SymmetricStart | None:
    """Return a crystal moved to the symmetry that is found at the largest usable tolerance.

    A tolerance is skipped if the symmetrised structure does not have the symmetry that was found, if an atom moved
    by more than twice the tolerance, or if the structure would be refused (overlapping atoms).

    Args:
        system: a crystal; for other systems there is no start.
        limits: limits of the relaxation; those of distance and volume are used.
        tolerances: tolerances in Å, in the order in which they are tried.

    Returns:
        The start; ``None`` if no tolerance gives more than P1, or if the crystal has that symmetry already.
    """
    if system.cell is None:
        return None
    for tolerance in tolerances:
        start = _at(system, tolerance)
        if start is None or refuse(start.system, limits.min_distance, limits.max_volume_per_atom) is not None:
            continue
        return start
    return None


def _at(system: AtomicSystem, tolerance: float) -> SymmetricStart | None:
    from ase.spacegroup.symmetrize import get_symmetrized_atoms

    number = convert.spacegroup_number(system, tolerance)
    if number <= 1:
        return None
    if convert.spacegroup_number(system, EXACT) == number:
        return None
    atoms = convert.to_atoms(system)
    try:
        atoms, _ = get_symmetrized_atoms(atoms, tolerance, EXACT)
    except Exception:  # noqa: BLE001 - ASE and spglib raise many kinds where a symmetry is inconsistent: it is none then
        return None
    moved = convert.from_atoms(atoms, system.system_id, system.kind, dict(system.info))
    if convert.spacegroup_number(moved, EXACT) != number or _displacements(system, moved).max() > 2 * tolerance:
        return None
    return SymmetricStart(moved, tolerance, number)


EXACT = 1e-3
"""Tolerance at which a symmetrised structure has its symmetry, Å."""


def _displacements(before: AtomicSystem, after: AtomicSystem) -> np.ndarray:
    """Return the displacement of each atom (n,) without the common drift, in the cell after, Å."""
    shift = after.fractional - before.fractional
    shift -= np.round(shift)
    moved: np.ndarray = np.linalg.norm((shift - shift.mean(axis=0)) @ after.cell, axis=1)
    return moved


def relax_with_symmetry(systems: Sequence[AtomicSystem], limits: Limits, mode: Mode, relax: Relax) -> list[Relaxed]:
    """Relax crystals with the symmetry that is found before the relaxation.

    Args:
        systems: crystals; others are relaxed as they are.
        limits: limits of a relaxation.
        mode: ``off``: as given. ``try``: also the symmetrised start with its symmetry kept; the lower energy is taken,
            within ``SAME_ENERGY`` the symmetric one. ``only``: the symmetrised start alone if there is one that
            relaxes, else as given.
        relax: function that relaxes systems within limits.

    Returns:
        One result per system, in order; with a mode other than ``off`` the details have ``COLUMNS``.
    """
    if mode == "off":
        return relax(systems, limits)
    starts = {index: start for index, system in enumerate(systems) if (start := symmetrized(system, limits))}
    log.info("%d of %d structures have a symmetry within %g Å", len(starts), len(systems), TOLERANCES[0])
    kept = replace(limits, keep_symmetry=True)
    symmetric = dict(zip(starts, relax([start.system for start in starts.values()], kept), strict=True))
    usable = {index for index, result in symmetric.items() if result.system is not None}
    todo = [index for index in range(len(systems)) if mode == "try" or index not in usable]
    raw = dict(zip(todo, relax([systems[index] for index in todo], limits), strict=True))
    return [
        chosen(system, raw.get(index), starts.get(index), symmetric.get(index)) for index, system in enumerate(systems)
    ]


def chosen(
    system: AtomicSystem, raw: Relaxed | None, start: SymmetricStart | None, symmetric: Relaxed | None
) -> Relaxed:
    """Return the result of a crystal that is kept, with both relaxations in its details.

    Args:
        system: the crystal.
        raw: result of the crystal as given; ``None`` if it was not relaxed.
        start: the symmetrised crystal; ``None`` if there is none.
        symmetric: result of the symmetrised crystal; ``None`` if there is none.

    Raises:
        ValueError: there is no result.
    """
    details: dict[str, Any] = {Col.SYMMETRIZED: False}
    if raw is not None:
        details |= {
            Col.RAW_STEPS: raw.steps,
            Col.RAW_WALL_S: raw.wall_s,
            Col.RAW_SPACEGROUP: raw.spacegroup_after,
        }
    if start is None or symmetric is None:
        if raw is None:
            raise ValueError(f"{system.system_id}: neither relaxation was done")
        return replace(raw, details={**raw.details, **details})
    details |= _of_start(start, symmetric)
    difference = symmetric.energy_per_atom - raw.energy_per_atom if raw is not None else float("nan")
    if np.isfinite(difference):
        details[Col.SYMMETRIZED_ENERGY_DIFFERENCE] = difference
    if raw is not None and not _better(symmetric, raw, difference):
        return replace(raw, details={**raw.details, **details})
    details[Col.SYMMETRIZED] = True
    moved = symmetric.rmsd_moved
    if symmetric.system is not None:  # Å, from the crystal as given
        moved = float(np.sqrt((_displacements(system, symmetric.system) ** 2).mean()))
    return replace(
        symmetric,
        spacegroup_before=convert.spacegroup_number(system),
        rmsd_moved=moved,
        details={**symmetric.details, **details},
    )


def _of_start(start: SymmetricStart, symmetric: Relaxed) -> Mapping[str, Any]:
    return {
        Col.SYMMETRY_TOLERANCE: start.tolerance,
        Col.SPACEGROUP_SYMMETRIZED: start.spacegroup,
        Col.SYMMETRIZED_STEPS: symmetric.steps,
        Col.SYMMETRIZED_WALL_S: symmetric.wall_s,
        Col.SYMMETRIZED_SPACEGROUP_AFTER: symmetric.spacegroup_after,
    }


def _better(symmetric: Relaxed, raw: Relaxed, difference: float) -> bool:
    """Return whether the symmetric result is kept: at most ``SAME_ENERGY`` higher, and converged if the other is."""
    order = ("converged", "unconverged")
    if symmetric.status not in order:
        return False
    if raw.status not in order:
        return True
    if symmetric.status != raw.status:
        return symmetric.status == "converged" and difference <= SAME_ENERGY
    return difference <= SAME_ENERGY
