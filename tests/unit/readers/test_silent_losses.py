"""Contents of files that would be lost or wrong without a word: repeated keys, spins, numbers that are no lengths."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from adit import convert, store
from adit.errors import DataError
from adit.readers import ReadSettings, read_structures
from adit.readers.formats.pymatgen_json import loads
from adit.systems import AtomicSystem, Failure, Kind
from tests.unit.readers import cases

CIF = """data_x
_cell_length_a {length}
_cell_length_b 5.64
_cell_length_c 5.64
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_Int_Tables_number 1
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Na 0 0 0
Cl .5 .5 .5
"""
P1 = convert.to_cif(AtomicSystem("x", Kind.CRYSTAL, np.array([11, 17]), np.diag([0.0, 1, 2])[:2], np.diag([3.5, 4, 5])))
XYZ = '2\nLattice="{} 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3\nCs 0 0 0\nCl {} 2 2\n'


def read_one(path: Path, text: str) -> AtomicSystem | Failure:
    path.write_text(text)
    (read,) = read_structures([path], ReadSettings(workers=0))
    return read.row


def reason_of(row: AtomicSystem | Failure) -> str:
    return row.reason if isinstance(row, Failure) else "read"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.cif", CIF.format(length="9" * 300), "lattice vector"),
        ("b.cif", CIF.format(length="1e155").replace("5.64", "1e155"), "lattice vector of 1e+155 Å; at most 10,000 Å"),
        ("c.cif", P1.replace("3.50000000", "35000.00000000"), "lattice vector of 3.5e+04 Å"),
        ("d.xyz", XYZ.format("10001", "2"), "lattice vector of 1e+04 Å"),
        ("e.xyz", XYZ.format("9999", "-1e200"), "coordinate of 1e+200 Å; at most 100,000 Å are read"),
        ("f.xyz", "2\n\nH 0 0 0\nH 0 0 2e5\n", "coordinate of 2e+05 Å"),
        ("h.cif", CIF.format(length="5.64").replace(".5 .5", ".5 1e200"), "coordinate of"),
        ("i.xyz", XYZ.replace("4", "1e155").format("1e155", "2"), "lattice vector of 1e+155 Å"),
        ("j.xyz", XYZ.replace("4", "1e308").format("1e308", "1e308"), "lattice vector of 1e+308 Å"),
        ("k.vasp", cases.poscar("x").replace("4.12", "1e155"), "lattice vector of"),
        ("l.cif", P1.replace("3.50000000", "9" * 300), "lattice vector of 1e+300 Å"),
        ("g.xyz", XYZ.format("9999", "9e4"), "read"),
    ],
)
def test_numbers_that_are_no_lengths_are_refused_without_warnings(
    tmp_path: Path, name: str, text: str, reason: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        assert reason in reason_of(read_one(tmp_path / name, text))


def test_own_files_have_the_same_bounds(tmp_path: Path) -> None:
    far = AtomicSystem("far", Kind.MOLECULE, np.array([1, 1]), np.array([[0, 0, 0], [0, 0, 1e6]]))
    store.write_systems(tmp_path / "x.arrow", [far])
    (read,) = read_structures([tmp_path / "x.arrow"], ReadSettings(workers=0))
    assert "coordinate of 1e+06 Å" in reason_of(read.row)


def structure() -> dict[str, Any]:
    from adit.readers.formats.cif import parse_cif

    return convert.to_structure(parse_cif(cases.SILICON).system).as_dict()


def test_a_key_that_is_repeated_in_json_is_refused(tmp_path: Path) -> None:
    text = json.dumps(structure())
    for name, repeated in {
        "ids.json": f'{{"a": {text}, "a": {text}}}',
        "records.json": f'[{{"structure": {text}, "energy": -1, "energy": -2}}]',
    }.items():
        (tmp_path / name).write_text(repeated)
        with pytest.raises(DataError, match=f"{name}: has the key '(a|energy)' twice in one dictionary"):
            read_structures([tmp_path / name], ReadSettings(workers=0))
    cell = text.replace('"sites"', '"charge": 0, "sites"')
    pd.DataFrame({"id": ["s"], "structure": [cell]}).to_csv(tmp_path / "t.csv", index=False)
    row = read_structures([tmp_path / "t.csv"], ReadSettings(workers=0))[0].row
    assert "has the key 'charge' twice" in reason_of(row)


def test_a_key_that_is_repeated_in_a_python_literal_is_refused() -> None:
    assert loads("{'a': 1, 'b': {'a': (2,)}}") == {"a": 1, "b": {"a": (2,)}}
    with pytest.raises(DataError, match="has the key 'b' twice"):
        loads("{'a': {'b': 1, 'b': 2}}")


@pytest.mark.parametrize(
    ("charge", "multiplicity", "info"),
    [
        (1, 2, {"total_charge": 1, "unpaired_electrons": 1}),
        (0, 3, {"unpaired_electrons": 2}),
        (0, None, {}),
        (0.5, None, "charge is 0.5, which is not an integer"),
        (0, 1.5, "not possible for this molecule"),
        (0, 0, "spin_multiplicity is 0, which is not a positive integer"),
        (0, 2, "not possible for this molecule"),
    ],
)
def test_charge_and_spin_of_a_molecule_of_pymatgen(
    tmp_path: Path, charge: float, multiplicity: float | None, info: dict[str, int] | str
) -> None:
    sites = [
        {"species": [{"element": name, "occu": 1}], "xyz": xyz}
        for name, xyz in (("O", [0, 0, 0.1]), ("H", [0, 0.7, -0.4]), ("H", [0, -0.7, -0.4]))
    ]
    value = {"@class": "Molecule", "charge": charge, "spin_multiplicity": multiplicity, "sites": sites}
    row = read_one(tmp_path / "m.json", json.dumps(value))
    if isinstance(row, AtomicSystem):
        assert row.info == info
    else:
        assert str(info) in row.reason
