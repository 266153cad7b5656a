"""Decomposition reactions: those of pymatgen for every entry above the hull."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from adit import store
from adit.dossier.decomposition import Phase, Phases
from adit.errors import DataError
from adit.hull.reference_rows import reference_row

SHARED = Path(__file__).parents[4] / "shared/data/hull/cl-mn-na-o-y_entries.json.gz"

MADE_UP = {
    "Na": -1.3, "Cl2": -3.6, "O2": -9.8, "NaCl": -6.9, "Na2O": -11.6, "NaClO": -11.0, "NaClO3": -19.6, "NaClO4": -24.0,
    "Cl2O": -8.0, "NaO2": -11.2, "Na2Cl": -8.0, "NaCl2O": -13.0,
}  # fmt: skip
"""Energies of formula units of a made-up set, eV."""


def phase(name: str, formula: str, energy: float) -> Phase:
    counts = {str(element): float(n) for element, n in Composition(formula).items()}
    return Phase(name, formula, counts, energy / sum(counts.values()))


def compare(phases: Sequence[Phase]) -> int:
    """Compare the decomposition of every entry above the hull with pymatgen's; return how many there were."""
    entries = [
        PDEntry(Composition(one.counts), one.energy_per_atom * sum(one.counts.values()), name=one.entry_id)
        for one in phases
    ]
    diagram = PhaseDiagram(entries)
    ours = Phases("made-up/none/none", phases)
    unstable = [entry for entry in entries if diagram.get_e_above_hull(entry) > 1e-6]
    for entry in unstable:
        reaction, above = diagram.get_decomp_and_e_above_hull(entry)
        result = ours.decompose({str(element): float(n) for element, n in entry.composition.items()})
        theirs = {other.name: float(share) for other, share in reaction.items() if share > 1e-6}
        mine = {one.entry_id: share for one, share in result.phases if share > 1e-6}
        assert mine == pytest.approx(theirs, abs=1e-6), entry
        assert entry.energy_per_atom - result.energy_per_atom == pytest.approx(above, abs=1e-8)
    return len(unstable)


def test_a_made_up_set_as_pymatgen_has_it() -> None:
    assert compare([phase(formula, formula, energy) for formula, energy in MADE_UP.items()]) >= 4


@pytest.mark.skipif(not SHARED.is_file(), reason="needs the shared entries")
def test_the_entries_of_cl_mn_na_o_y_as_pymatgen_has_them() -> None:
    rows: list[dict[str, Any]] = json.loads(gzip.decompress(SHARED.read_bytes()))
    phases = []
    for number, row in enumerate(rows):
        counts = {str(e): float(n) for e, n in Composition(row["composition"]).items()}
        energy = float(row["energy"]) + float(row.get("correction") or 0.0)
        phases.append(Phase(str(row.get("entry_id", number)), str(number), counts, energy / sum(counts.values())))
    assert compare(phases) > 50


def test_the_equation_balances() -> None:
    result = Phases("t", [phase(f, f, e) for f, e in MADE_UP.items()]).decompose({"Na": 2, "Cl": 2, "O": 2})
    assert result.equation.startswith("NaClO → NaCl + 0.5 O2")
    assert sum(share for _, share in result.phases) == pytest.approx(1)


def test_many_elements_are_a_linear_programme() -> None:
    symbols = ["Li", "Na", "K", "Rb", "Cs", "Cl", "Br"]
    phases = [phase(name, name, -1.0) for name in symbols] + [phase("salt", "NaCl", -8.0)]
    result = Phases("t", phases).decompose(dict.fromkeys(symbols, 1.0))
    assert result.phases[0][0].entry_id == "salt"
    assert result.phases[0][1] == pytest.approx(2 / 7)
    assert result.energy_per_atom == pytest.approx((-8.0 - 5.0) / 7)


def test_the_table_of_a_run_is_read(tmp_path: Path) -> None:
    path = tmp_path / "reference.parquet"
    rows = [
        reference_row(f, f, Composition(f).as_dict(), e / Composition(f).num_atoms, "t") for f, e in MADE_UP.items()
    ]
    rows.append(reference_row("bad", "NaCl9", {"Na": 1, "Cl": 9}, np.nan, "t", status="failed"))
    store.write_frame(path, pd.DataFrame(rows))
    phases = Phases.read(path)
    assert phases.tag == "t"
    assert len(phases.within(frozenset({"Na", "Cl", "O"}))) == len(MADE_UP)
    with pytest.raises(DataError, match="no reference energy of element Fe"):
        phases.decompose({"Fe": 1, "O": 1})
    store.write_frame(path, pd.DataFrame({"x": [1]}))
    with pytest.raises(DataError, match="is no table of `adit stage reference`"):
        Phases.read(path)
