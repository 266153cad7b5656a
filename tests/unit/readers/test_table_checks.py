"""Structures in tables and frames are compared with the formula and the number of atoms beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from adit import convert, store
from adit.readers import ParseSettings, ReadRow, ReadSettings, read_structures
from adit.readers.formats.cif import parse_cif
from adit.systems import AtomicSystem, Failure
from tests.unit.readers import cases

CIF = convert.to_cif(parse_cif(cases.HYDRIDE).system)
"""Li4 H4."""


def read(path: Path, *, refuse: bool = False) -> ReadRow:
    (row,) = read_structures([path], ReadSettings(0, ParseSettings(refuse_contradictions=refuse)))
    return row


def table(folder: Path, suffix: str, **values: Any) -> Path:
    path = folder / f"t.{suffix}"
    frame = pd.DataFrame({"id": ["a"], "cif": [CIF], **{name: [value] for name, value in values.items()}})
    if suffix == "csv":
        frame.to_csv(path, index=False)
    else:
        store.write_frame(path, frame)
    return path


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("column", ["formula", "Composition", "pretty_formula"])
def test_a_column_with_another_formula_is_a_contradiction(tmp_path: Path, suffix: str, column: str) -> None:
    path = table(tmp_path, suffix, **{column: "LiF"})
    row = read(path)
    assert isinstance(row.row, AtomicSystem)
    assert row.notes == (f"contradiction: sites give H4 Li4, {column} says LiF",)
    refused = read(path, refuse=True).row
    assert isinstance(refused, Failure)
    assert refused.reason == f"sites give H4 Li4, {column} says LiF"


@pytest.mark.parametrize(
    ("formula", "agrees"),
    [
        *((text, True) for text in ("LiH", "HLi", "Li4 H4", "Li8H8", "LiD", "Li0.5H0.5", "(LiH)4", "Li₄H₄")),
        *((text, True) for text in ("", "n/a", "Li-F", "AB", "rock salt", "NaCl.2H2O", "Fm-3m", "{", "[1, 2]")),
        *((text, False) for text in ("LiH2", "Li", "LiHO", "Li0.5H0.6", "Li2H·H2O", '{"Li": 1, "H": 2}')),
        *((text, True) for text in ('{"Li": 1, "H": 1}', "{'Li': 4.0, 'H': 4.0, 'Na': 0}", '{"a": 1}')),
    ],
)
def test_formulas_are_compared_and_other_texts_are_not(tmp_path: Path, formula: str, agrees: bool) -> None:
    assert (read(table(tmp_path, "csv", formula=formula)).notes == ()) is agrees


def test_compositions_of_parquet_may_be_dictionaries(tmp_path: Path) -> None:
    assert read(table(tmp_path, "parquet", composition={"Li": 4.0, "H": 4.0})).notes == ()
    (note,) = read(table(tmp_path, "parquet", composition={"Li": 4.0, "F": 4.0})).notes
    assert note == "contradiction: sites give H4 Li4, composition says Li4 F4"


def test_keys_of_frames_and_records_are_compared_too(tmp_path: Path) -> None:
    frame = cases.WATER.format(h="H").replace("water", "formula={}")
    for formula, count in (("H2O", 0), ("D2O", 0), ("H4O2", 1), ("HO", 1), ("CH4", 1)):
        (tmp_path / "w.xyz").write_text(frame.format(formula))
        assert len(read(tmp_path / "w.xyz").notes) == count, formula
    structure = convert.to_structure(parse_cif(cases.HYDRIDE).system).as_dict()
    (tmp_path / "r.json").write_text(json.dumps([{"structure": structure, "formula": "LiF"}]))
    assert "formula says LiF" in read(tmp_path / "r.json").notes[0]


def test_another_number_of_atoms_is_refused_on_demand(tmp_path: Path) -> None:
    path = table(tmp_path, "csv", nsites=2)
    assert read(path).notes == ("contradiction: 8 atoms, nsites says 2",)
    assert isinstance(read(path, refuse=True).row, Failure)
