"""GFN1-xTB for ASE that ends a diverged relaxation."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from ase.calculators.calculator import all_changes
from tblite.ase import TBLite

from adit.relax.potentials.divergence import Watch

if TYPE_CHECKING:
    from ase import Atoms

METHOD = "GFN1-xTB"
"""Name of the method in tblite."""


class WatchedXtb(TBLite):  # type: ignore[misc]
    """tblite's calculator, which ends a diverged relaxation (``divergence.Watch``).

    Args:
        settings: settings of tblite's calculator.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._watch = Watch(free_atoms)

    def calculate(self, atoms: Atoms | None = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        """Compute energy (eV), forces (eV/Å) and stress (eV/Å³) of a geometry.

        Raises:
            DivergedError: energy, forces or cell are outside the bounds of ``divergence``.
        """
        self._watch.enter(self.atoms if atoms is None else atoms)
        super().calculate(atoms, properties, system_changes)
        self._watch.leave(self.atoms, self.results["energy"], self.results["forces"])


def free_atoms(numbers: Iterable[int]) -> float:
    """Return the energy of the free atoms of these atomic numbers, eV; the zero of GFN1-xTB is bare cores."""
    return sum(_free_atom(int(number)) for number in numbers)


@cache
def _free_atom(number: int) -> float:
    from ase import Atoms

    atom = Atoms(numbers=[number])
    atom.calc = TBLite(method=METHOD, verbosity=0)
    return float(atom.get_potential_energy())
