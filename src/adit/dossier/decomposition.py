"""Decomposition of a crystal: the reaction to the phases of the hull, with their energies and sources."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from adit import store
from adit.columns import Col
from adit.errors import DataError
from adit.hull.convex_hull import MAX_QHULL_ELEMENTS
from adit.hull.reference_rows import composition_of

if TYPE_CHECKING:
    import pandas as pd

_USELESS: Final = ("failed", "timeout", "refused")
LEAST: Final = 1e-8
"""Share of the atoms below which a phase takes no part."""


@dataclass(frozen=True)
class Phase:
    """A reference entry.

    Attributes:
        entry_id: id of the entry, e.g. ``mp-22862``.
        formula: formula, for display.
        counts: number of atoms by element symbol.
        energy_per_atom: energy, eV/atom.
    """

    entry_id: str
    formula: str
    counts: Mapping[str, float]
    energy_per_atom: float


@dataclass(frozen=True)
class Decomposition:
    """The mixture of phases with the composition of a crystal and the lowest energy.

    Attributes:
        phases: phases with their share of the atoms, largest first; shares add up to 1.
        energy_per_atom: energy of the mixture, eV/atom.
        equation: reaction of one formula unit of the crystal to formula units of the phases.
    """

    phases: Sequence[tuple[Phase, float]]
    energy_per_atom: float
    equation: str


class Phases:
    """Reference entries of one method.

    Args:
        tag: method of all energies.
        phases: the entries.
    """

    def __init__(self, tag: str, phases: Sequence[Phase]) -> None:
        self.tag = tag
        self._phases = phases
        self._diagrams: dict[frozenset[str], Any] = {}

    @classmethod
    def read(cls, path: Path) -> Phases:
        """Read ``hull/reference.parquet``; rows without an energy are left out.

        Raises:
            DataError: the file is missing or broken, is no table of reference entries, has a composition that cannot be
                read, or has energies of several methods or of none.
        """
        import pandas as pd

        frame = store.read_frame(path)
        needed = [Col.ENTRY_ID, Col.COMPOSITION, Col.ENERGY_PER_ATOM, Col.STATUS, Col.HULL_TAG]
        missing = [str(name) for name in needed if name not in frame]
        if missing:
            raise DataError(f"{path}: is no table of `adit stage reference` (lacks {', '.join(missing)})")
        energies = pd.to_numeric(frame[Col.ENERGY_PER_ATOM], errors="coerce").astype(float)
        good = frame[~frame[Col.STATUS].isin(_USELESS) & np.isfinite(energies)]
        tags = sorted(set(map(str, good[Col.HULL_TAG])))
        if len(tags) != 1:
            raise DataError(f"{path}: has energies of {len(tags)} methods; a hull needs one")
        return cls(tags[0], _phases(path, good))

    def within(self, elements: frozenset[str]) -> list[Phase]:
        """Return the entries that have no elements other than these symbols."""
        return [phase for phase in self._phases if elements.issuperset(phase.counts)]

    def decompose(self, counts: Mapping[str, float]) -> Decomposition:
        """Return the decomposition of a composition on the hull of the entries.

        Args:
            counts: number of atoms by element symbol.

        Raises:
            DataError: an element has no reference entry, or no mixture has this composition.
        """
        elements = frozenset(counts)
        there = self.within(elements)
        missing = sorted(element for element in elements if not any(set(one.counts) == {element} for one in there))
        if missing:
            raise DataError(f"no reference energy of element {', '.join(missing)}")
        if len(elements) > MAX_QHULL_ELEMENTS:
            shares = _by_programme(there, counts)
        else:
            shares = self._by_diagram(elements, there, counts)
        kept = sorted(((phase, share) for phase, share in shares if share > LEAST), key=_order)
        energy = sum(phase.energy_per_atom * share for phase, share in kept)
        return Decomposition(kept, energy, equation(counts, kept))

    def _by_diagram(
        self, elements: frozenset[str], there: Sequence[Phase], counts: Mapping[str, float]
    ) -> list[tuple[Phase, float]]:
        from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
        from pymatgen.core import Composition

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # noble gases have no electronegativity, which only orders formulas
            if elements not in self._diagrams:
                entries = [
                    PDEntry(Composition(one.counts), one.energy_per_atom * sum(one.counts.values()), attribute=one)
                    for one in there
                ]
                self._diagrams[elements] = PhaseDiagram(entries)
            shares = self._diagrams[elements].get_decomposition(Composition(counts))
        return [(entry.attribute, float(share)) for entry, share in shares.items()]


def _order(pair: tuple[Phase, float]) -> tuple[float, str]:
    """Return the sort key of a phase and its share: the largest share first, equal ones by their ids."""
    return -round(pair[1], 9), pair[0].entry_id


def _phases(path: Path, frame: pd.DataFrame) -> list[Phase]:
    formulas = frame[Col.FORMULA] if Col.FORMULA in frame else frame[Col.ENTRY_ID]
    rows = zip(frame[Col.ENTRY_ID], formulas, frame[Col.COMPOSITION], frame[Col.ENERGY_PER_ATOM], strict=True)
    return [
        Phase(str(name), str(formula), composition_of(path, text), float(energy))
        for name, formula, text, energy in rows
    ]


def _by_programme(there: Sequence[Phase], counts: Mapping[str, float]) -> list[tuple[Phase, float]]:
    """Return the shares by a linear programme: Qhull's cost explodes with the number of elements.

    Raises:
        DataError: no mixture has this composition.
    """
    from scipy.optimize import linprog

    elements = sorted(counts)
    fractions = np.array([_fractions(phase.counts, elements) for phase in there]).T
    costs = [phase.energy_per_atom for phase in there]
    result = linprog(costs, A_eq=fractions, b_eq=_fractions(counts, elements), bounds=(0, None), method="highs")
    if not result.success:
        raise DataError(f"no hull at this composition ({result.message})")
    return [(phase, float(share)) for phase, share in zip(there, result.x, strict=True)]


def _fractions(counts: Mapping[str, float], elements: Sequence[str]) -> list[float]:
    total = sum(counts.values())
    return [counts.get(element, 0.0) / total for element in elements]


def equation(counts: Mapping[str, float], phases: Sequence[tuple[Phase, float]]) -> str:
    """Return the reaction of one formula unit, e.g. ``NaClO3 → NaCl + 1.5 O2``.

    Args:
        counts: number of atoms by element symbol.
        phases: phases with their share of the atoms.
    """
    from pymatgen.core import Composition

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = Composition(Composition(counts).reduced_formula)  # of elements: O2, not O
        parts = []
        for phase, share in phases:
            unit = Composition(Composition(phase.counts).reduced_formula)
            amount = share * whole.num_atoms / unit.num_atoms
            text = f"{amount:.4g} " if abs(amount - 1) > 1e-4 else ""
            parts.append(text + Composition(phase.counts).reduced_formula)
        return f"{Composition(counts).reduced_formula} → {' + '.join(parts)}"
