"""Structures for the page: few characters, with enough digits for files that users save."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from adit.columns import Col
from adit.limits import PAIRWISE_ATOMS
from adit.report.candidates.molgraph import molecule_graph
from adit.report.words import formats
from adit.systems import AtomicSystem

FRACTION: Final = 100_000
"""Integer steps per fractional coordinate."""

ANGSTROM: Final = 10_000
"""Integer steps per Å."""


def frame(system: AtomicSystem, label: str, *, bonded: bool = False) -> dict[str, Any]:
    """Return a structure: ``l`` label, ``z`` atomic numbers, ``x`` flat integer positions, ``c`` flat cell in Å.

    Positions are fractional in steps of 1e-5 with a cell, else in steps of 1e-4 Å.

    Args:
        system: the structure.
        label: stage of the structure, e.g. ``generated``.
        bonded: add the bonds of a molecule (``b``), charges (``q``) and a drawing (``d``).
    """
    record: dict[str, Any] = {"l": label, "z": [int(z) for z in system.numbers]}
    if system.cell is None:
        record["x"] = _whole(system.positions * ANGSTROM)
        record |= _energy(system, label)
        return {**record, **molecule_graph(system)} if bonded else record
    record["x"] = _whole(system.fractional * FRACTION)
    record["c"] = [round(float(value), 5) for value in system.cell.ravel()]
    return record | _energy(system, label)


def _energy(system: AtomicSystem, label: str) -> dict[str, float]:
    """Return ``e``, the energy in eV/atom; empty where there is none."""
    energy = system.info.get("dft_energy_per_atom" if label.startswith("DFT") else Col.ENERGY_PER_ATOM)
    is_number = isinstance(energy, int | float) and not formats.is_missing(energy)
    return {"e": round(float(energy), 5)} if is_number else {}  # type: ignore[arg-type]


def _whole(values: np.ndarray) -> list[int]:
    return [int(value) for value in np.rint(values).ravel()]


def molecule_path(steps: Sequence[tuple[str, AtomicSystem | None]], *, bonded: bool) -> list[dict[str, Any]]:
    """Return the frames of a molecule from the generated geometry to the last relaxed one.

    Args:
        steps: label and structure; a step without a structure is left out.
        bonded: whether the generated geometry gets bonds; relaxed ones always do if bonds fit.
    """
    present = [(label, system) for label, system in steps if system is not None]
    return [frame(system, label, bonded=bonded or number > 0) for number, (label, system) in enumerate(present)]


def path(steps: Sequence[tuple[str, AtomicSystem | None]]) -> list[dict[str, Any]]:
    """Return the frames of a structure from the generated one to the last relaxed one.

    Structures of more than ``PAIRWISE_ATOMS`` atoms are left out, since browsers cannot draw them.
    """
    return [frame(system, label) for label, system in steps if system is not None and len(system) <= PAIRWISE_ATOMS]
