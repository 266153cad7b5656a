"""MP2020 corrections of VASP's energies, with a check that none is silently missing.

pymatgen silently drops entries that it cannot correct, e.g. all entries without ``run_type``. So it is counted
how many entries of a set were processed, and how many oxides were corrected.

Source: Wang et al. 2021, doi 10.1038/s41598-021-94550-5, as implemented in pymatgen.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from adit.errors import DataError


@dataclass(frozen=True)
class Corrected:
    """Entries after MP2020.

    Attributes:
        energies: corrected energy of each entry's cell, eV; ``None`` if the scheme refuses the entry.
        corrections: correction contained in each energy, eV.
        n_oxides: number of processed compounds of oxygen; MP2020 has a correction for each.
        n_oxides_corrected: number of them that were corrected.
    """

    energies: tuple[float | None, ...]
    corrections: tuple[float | None, ...]
    n_oxides: int
    n_oxides_corrected: int

    @property
    def processed(self) -> float:
        """Return the fraction of entries that the scheme accepted; 1 if there are none."""
        taken = sum(energy is not None for energy in self.energies)
        return taken / len(self.energies) if self.energies else 1.0

    def check(self, where: str, least: float = 1.0) -> None:
        """Check that the energies are corrected.

        Args:
            where: name of the entries, for the message.
            least: smallest allowed fraction of processed entries.

        Raises:
            DataError: fewer entries were processed, or an oxide has no correction.
        """
        if self.processed < least:
            raise DataError(
                f"{where}: MP2020 corrections apply to {self.processed:.1%} of {len(self.energies)} entries, "
                f"at least {least:.1%} are needed; entries need run_type GGA or GGA+U and the Materials Project's U"
            )
        if self.n_oxides_corrected < self.n_oxides:
            missing = self.n_oxides - self.n_oxides_corrected
            raise DataError(f"{where}: {missing} of {self.n_oxides} oxides have no MP2020 correction; use raw energies")


def corrected_entries(entries: Sequence[Any]) -> Corrected:
    """Correct computed entries; their previous corrections are removed first.

    Args:
        entries: pymatgen's ``ComputedEntry`` or ``ComputedStructureEntry``, with ``run_type``, ``hubbards`` and
            ``potcar_symbols`` or ``potcar_spec`` in their parameters.
    """
    from pymatgen.entries.compatibility import MaterialsProject2020Compatibility

    scheme = MaterialsProject2020Compatibility(check_potcar=False)
    energies: list[float | None] = []
    corrections: list[float | None] = []
    oxides = corrected = 0
    for entry in entries:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            processed = scheme.process_entry(entry.copy(), clean=True, inplace=False)
        energies.append(None if processed is None else float(processed.energy))
        corrections.append(None if processed is None else float(processed.correction))
        if processed is not None and "O" in processed.composition and len(processed.composition) > 1:
            oxides += 1
            corrected += any("anion correction" in str(a.name) for a in processed.energy_adjustments)
    return Corrected(tuple(energies), tuple(corrections), oxides, corrected)
