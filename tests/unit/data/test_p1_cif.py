"""The fast CIF reader agrees with pymatgen and leaves to it what it does not know."""

from __future__ import annotations

import numpy as np
import pytest

from adit import convert
from adit.data.datasets import p1_cif
from adit.errors import DataError
from adit.systems import AtomicSystem, Kind

PEROVSKITE = AtomicSystem(
    "perovskite",
    Kind.CRYSTAL,
    [38, 22, 8, 8, 8],
    np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]) * 3.905,
    np.eye(3) * 3.905,
)
CIF = convert.to_cif(PEROVSKITE)


def test_fast_reader_agrees_with_pymatgen():
    fast, slow = p1_cif._read_p1(CIF, "a"), convert.from_cif(CIF, "a")
    assert fast is not None
    assert np.array_equal(fast.numbers, slow.numbers)
    assert np.allclose(fast.fractional, slow.fractional, atol=1e-6)
    assert np.allclose(fast.lengths, slow.lengths)
    assert np.allclose(fast.angles, slow.angles)


@pytest.mark.parametrize(
    "text",
    [
        CIF.replace("'x, y, z'", "'x, y, z'\n  2  '-x, -y, -z'"),
        CIF.replace("  Sr  Sr0", "  Sr2+  Sr0"),
        CIF.replace("3.90500000\n", "3.90500000(2)\n", 1),
        CIF.replace("_atom_site_label\n", "").replace("Sr  Sr0", "Sr"),
        CIF.rstrip()[:-1] + "0.5",
        "",
    ],
    ids=["symmetry", "oxidation state", "uncertainty", "other columns", "partial occupancy", "empty"],
)
def test_what_it_does_not_know_goes_to_pymatgen(text):
    assert p1_cif._read_p1(text, "a") is None


def test_symmetry_is_applied_by_the_fallback():
    text = """data_NaCl
_symmetry_space_group_name_H-M 'F m -3 m'
_cell_length_a 5.64
_cell_length_b 5.64
_cell_length_c 5.64
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_Int_Tables_number 225
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Na1 Na 0 0 0
Cl1 Cl 0.5 0.5 0.5
"""
    assert len(p1_cif.read_cif(text, "halite")) == 8


def test_disordered_and_broken_texts_are_data_errors():
    for text in ("no CIF at all", CIF[:300], CIF.rstrip()[:-1] + "0.5"):
        with pytest.raises(DataError, match="odd"):
            p1_cif.read_cif(text, "odd")
