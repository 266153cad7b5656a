"""MP2020 corrections for potentials that were trained on uncorrected PBE(+U) energies.

The corrections depend on what a crystal is (its anions, and transition metals with oxygen or fluorine), not on its
energy, so that the Materials Project's own can be added to a potential's. Without them formation energies of oxides are
off by some 0.2 eV/atom.

Source: Wang et al. 2021, doi 10.1038/s41598-021-94550-5, as implemented in pymatgen.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

from adit import convert
from adit.errors import DataError
from adit.systems import AtomicSystem


@cache
def _scheme() -> Any:
    from pymatgen.entries.compatibility import MaterialsProject2020Compatibility

    return MaterialsProject2020Compatibility(check_potcar=False)


def hubbards(elements: set[str]) -> dict[str, float]:
    """Return element → U (eV) in the Materials Project's settings for a compound; empty: PBE without U.

    Args:
        elements: symbols of the elements of the compound.
    """
    anion = next((name for name in ("F", "O") if name in elements), None)
    if anion is None:
        return {}
    values = _scheme().u_settings[anion]
    return {element: float(values[element]) for element in sorted(elements) if values.get(element, 0)}


def mp2020(system: AtomicSystem) -> float:
    """Return the MP2020 correction of a crystal, eV per cell.

    Raises:
        DataError: the scheme refuses the crystal.
    """
    from pymatgen.entries.computed_entries import ComputedStructureEntry

    structure = convert.to_structure(system)
    values = hubbards({element.symbol for element in structure.composition})
    run = {"run_type": "GGA+U" if values else "GGA", "is_hubbard": bool(values), "hubbards": values}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        entry = _scheme().process_entry(ComputedStructureEntry(structure, 0.0, parameters=run), clean=True)
    if entry is None:
        raise DataError(f"{system.system_id}: MP2020 has no correction for {structure.composition.reduced_formula}")
    return float(entry.correction)
