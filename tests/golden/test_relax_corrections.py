"""MP2020 corrections against the published ones, and the count that keeps entries from being dropped silently."""

from __future__ import annotations

from typing import Any

import pytest

from adit.errors import DataError
from adit.relax.dft.engines.corrections import corrected_entries

# Wang et al. 2021 (doi 10.1038/s41598-021-94550-5), Table 2: eV per atom of the anion, and per iron of GGA+U oxides.
OXIDE, CHLORIDE, NITRIDE, SULFIDE, IRON_IN_OXIDE = -0.687, -0.614, -0.361, -0.503, -2.256


def entry(formula: str, energy: float, hubbards: dict[str, float] | None = None, run_type: str | None = "") -> Any:
    from pymatgen.core import Composition
    from pymatgen.entries.computed_entries import ComputedEntry

    parameters: dict[str, Any] = {"hubbards": hubbards or {}}
    if run_type is not None:
        parameters["run_type"] = run_type or ("GGA+U" if hubbards else "GGA")
    return ComputedEntry(Composition(formula), energy, parameters=parameters, entry_id=formula)


@pytest.mark.parametrize(
    ("formula", "hubbards", "expected"),
    [
        ("Mg4O4", None, 4 * OXIDE),
        ("Na4Cl4", None, 4 * CHLORIDE),
        ("Fe4O4", {"Fe": 5.3}, 4 * OXIDE + 4 * IRON_IN_OXIDE),
        ("Ga2N2", None, 2 * NITRIDE),
        ("Zn4S4", None, 4 * SULFIDE),
        ("Al4", None, 0.0),
        ("O2", None, 0.0),
        ("Ni3Al", None, 0.0),
    ],
)
def test_corrections_are_the_published_ones(formula: str, hubbards: dict[str, float] | None, expected: float) -> None:
    corrected = corrected_entries([entry(formula, -40.0, hubbards)])
    assert corrected.energies[0] == pytest.approx(-40.0 + expected, abs=1e-6)
    assert corrected.corrections[0] == pytest.approx(expected, abs=1e-6)
    corrected.check(formula)


def test_magnesia_at_minus_50_becomes_minus_52_748() -> None:
    """0.34 eV/atom that a script without run_type loses: the entry is dropped, and its author keeps -50."""
    assert corrected_entries([entry("Mg4O4", -50.0)]).energies[0] == pytest.approx(-52.748, abs=1e-6)
    dropped = corrected_entries([entry("Mg4O4", -50.0, run_type=None)])
    assert dropped.energies == (None,)
    with pytest.raises(DataError, match=r"apply to 0\.0% of 1 entries"):
        dropped.check("mine")


def test_an_oxide_with_the_wrong_u_is_refused() -> None:
    corrected = corrected_entries([entry("Fe4O4", -40.0), entry("Mg4O4", -50.0)])
    assert corrected.energies[0] is None
    assert corrected.processed == 0.5
    with pytest.raises(DataError, match=r"50\.0% of 2 entries"):
        corrected.check("mine")
    corrected.check("mine", least=0.5)


def test_corrections_that_came_with_an_entry_are_not_added_twice() -> None:
    from pymatgen.entries.computed_entries import ConstantEnergyAdjustment

    once = entry("Mg4O4", -50.0)
    once.energy_adjustments.append(ConstantEnergyAdjustment(-7.0, name="of another scheme"))
    assert corrected_entries([once]).energies[0] == pytest.approx(-52.748, abs=1e-6)
    assert once.energy == pytest.approx(-57.0)  # the entry itself is left alone


def test_oxides_are_counted() -> None:
    corrected = corrected_entries(
        [entry("Mg4O4", -50.0), entry("O2", -10.0), entry("Na4Cl4", -27.0), entry("Mg", -1.6)]
    )
    assert (corrected.n_oxides, corrected.n_oxides_corrected, corrected.processed) == (1, 1, 1.0)
    assert corrected_entries([]).processed == 1.0
