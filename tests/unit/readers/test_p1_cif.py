"""The fast CIF reader gives what the general one gives, bit for bit, and leaves to it what it does not know."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adit import convert
from adit.errors import DataError
from adit.readers.formats import cif
from adit.readers.formats.cif import parse_cif
from adit.readers.formats.p1_cif import read_p1
from adit.systems import AtomicSystem, Kind
from tests.conftest import random_crystal
from tests.systems import same_systems

PEROVSKITE = AtomicSystem(
    "perovskite",
    Kind.CRYSTAL,
    [38, 22, 8, 8, 8],
    np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]) * 3.905,
    np.eye(3) * 3.905,
)
CIF = convert.to_cif(PEROVSKITE)


def general(text: str, monkeypatch: pytest.MonkeyPatch) -> cif.Parsed:
    """Parse without the fast reader."""
    with monkeypatch.context() as patch:
        patch.setattr(cif, "read_p1", lambda _: None)
        return parse_cif(text)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), atoms=st.integers(1, 12), change=st.sampled_from(["", "formula", "Z", "volume"]))
def test_both_readers_agree_bit_for_bit(seed: int, atoms: int, change: str) -> None:
    text = convert.to_cif(random_crystal(np.random.default_rng(seed), atoms, "x"))
    items = {"formula": "_chemical_formula_sum", "Z": "_cell_formula_units_Z", "volume": "_cell_volume"}
    if change:
        name, value = items[change], "'Fr3 H7'" if change == "formula" else "7777"
        text = re.sub(rf"^{name}\s+('[^']*'|\S+)", f"{name}  {value}", text, flags=re.MULTILINE)
    with pytest.MonkeyPatch.context() as patch:
        fast, slow = read_p1(text), general(text, patch)
    assert fast is not None
    assert same_systems(fast.system, slow.system)
    assert fast.notes == slow.notes
    assert bool(fast.notes) == bool(change)


def test_the_general_reader_agrees_with_pymatgen(monkeypatch: pytest.MonkeyPatch) -> None:
    read, pymatgen = general(CIF, monkeypatch).system, convert.from_cif(CIF, "a")
    assert np.array_equal(read.numbers, pymatgen.numbers)
    assert np.allclose(read.fractional, pymatgen.fractional, atol=1e-6)
    assert np.allclose(read.lengths, pymatgen.lengths)
    assert np.allclose(read.angles, pymatgen.angles)


@pytest.mark.parametrize(
    "text",
    [
        CIF.replace("'x, y, z'", "'x, y, z'\n  2  '-x, -y, -z'"),
        CIF.replace("  Sr  Sr0", "  Sr2+  Sr0"),
        CIF.replace("3.90500000\n", "3.90500000(2)\n", 1),
        CIF.replace("_atom_site_label\n", "").replace("Sr  Sr0", "Sr"),
        CIF.rstrip()[:-1] + "0.5",
        CIF.replace("_symmetry_Int_Tables_number   1", "_symmetry_Int_Tables_number   225"),
        CIF.replace("_cell_volume", "_exptl_crystal_density_diffrn 9.9\n_cell_volume"),
        CIF.replace("_cell_length_a ", "_cell_length_a 3.0\n_cell_length_a "),
        CIF.replace("loop_", "stray words\nloop_", 1),
        "",
    ],
    ids=[
        "symmetry",
        "oxidation state",
        "uncertainty",
        "columns",
        "partly filled",
        "number of another group",
        "other item",
        "twice",
        "words",
        "empty",
    ],
)
def test_what_it_does_not_know_goes_to_the_general_reader(text: str) -> None:
    assert read_p1(text) is None


def test_disordered_and_broken_texts_are_data_errors() -> None:
    for text in ("no CIF at all", CIF[:300], CIF.rstrip()[:-1] + "0.5"):
        with pytest.raises(DataError):
            parse_cif(text)


@pytest.mark.parametrize(
    ("item", "value"),
    [("_cell_angle_(?:alpha|beta|gamma)", "1.5708"), ("fractional", "12.82"), ("fractional", "1e300")],
)
def test_what_the_general_reader_refuses_or_notes_is_not_read_fast(item: str, value: str) -> None:
    text = re.sub(r"^_cell_volume.*\n", "", CIF, flags=re.MULTILINE)
    if item == "fractional":
        text = re.sub(r"(\bTi\d*\s+1\s+)\S+", rf"\g<1>{value}", text)
    else:
        text = re.sub(rf"^({item})\s+\S+", rf"\1  {value}", text, flags=re.MULTILINE)
    assert value in text
    assert read_p1(text) is None
    if item != "fractional":
        with pytest.raises(DataError, match="write degrees"):
            parse_cif(text)
    elif value != "1e300":
        assert any("beyond 10 cells" in note for note in parse_cif(text).notes)
