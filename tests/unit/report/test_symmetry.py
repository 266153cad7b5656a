"""What symmetry found before relaxation changed: counts at the one bound of equal energies."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import adit
from adit.columns import Col
from adit.report.words.symmetry import facts
from adit.units import SAME_ENERGY


def table(*differences: float) -> pd.DataFrame:
    """Return rows of crystals that were relaxed both ways; eV/atom."""
    row: dict[str, object] = {Col.SYMMETRIZED: True, Col.SYMMETRY_TOLERANCE: 0.3}
    row |= {Col.SPACEGROUP_BEFORE: 1, Col.SPACEGROUP_AFTER: 225, Col.RAW_STEPS: 20, Col.SYMMETRIZED_STEPS: 5}
    row |= {Col.RAW_WALL_S: 2.0, Col.SYMMETRIZED_WALL_S: 1.0}
    return pd.DataFrame([{**row, Col.SYMMETRIZED_ENERGY_DIFFERENCE: each} for each in differences])


def test_energies_within_the_bound_are_equal() -> None:
    values = facts(table(*(factor * SAME_ENERGY for factor in (-2, -0.5, 0.5, 2, 3))))
    assert values["symmetric one lower in energy (more than 1 meV/atom)"] == "1"
    assert values["symmetric one higher"] == "2"
    assert facts(None) == {}


def test_the_bound_stands_in_one_place() -> None:
    """Relaxation and report may not import each other, so that each could have a bound of its own."""
    folder = Path(adit.__file__).parent
    lines = [line for path in folder.rglob("*.py") for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line for line in lines if line.startswith("SAME_ENERGY") and "=" in line] == ["SAME_ENERGY: Final = 1e-3"]
