"""Files that ``adit relax`` reads: a bad structure costs itself alone, and what is not read is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from adit import convert, store
from adit.systems import AtomicSystem, Failure, Kind
from tests.unit.relax.test_standalone import NAN_XYZ, SALT, SILICON, read


def test_one_bad_frame_costs_itself_alone(tmp_path: Path) -> None:
    store.write_extxyz(tmp_path / "many.extxyz", [SILICON, SALT])
    unknown = NAN_XYZ.replace("Na nan", "Xx 0.0")
    text = (tmp_path / "many.extxyz").read_text()
    (tmp_path / "many.extxyz").write_text(NAN_XYZ + text + unknown)
    rows = [item.row for item in read([tmp_path / "many.extxyz"])]
    assert [isinstance(row, AtomicSystem) for row in rows] == [False, True, True, False]
    assert [row.system_id for row in rows] == ["many-1", "si", "nacl", "many-4"]


def test_counts_that_are_none_and_periods_that_are_not_there(tmp_path: Path) -> None:
    store.write_extxyz(tmp_path / "many.extxyz", [SILICON, SALT])
    text = (tmp_path / "many.extxyz").read_text()
    isolated = '1\nLattice="9 0 0 0 9 0 0 0 9" pbc="F F F" system_id=atom\nHe 0 0 0\n'
    flat = isolated.replace("F F F", "T T T").replace("0 9 0", "9 0 0").replace("=atom", "=flat")
    for count in ("²", "99999999"):
        bad = f"{count}\nno count\nHe 0 0 0\n"
        (tmp_path / "many.extxyz").write_text(bad + text + isolated + flat)
        rows = [item.row for item in read([tmp_path / "many.extxyz"])]
        assert [row.system_id for row in rows] == ["many-1", "si", "nacl", "atom", "flat"]
        assert [isinstance(row, AtomicSystem) for row in rows] == [False, True, True, True, False]
        assert rows[3].kind is Kind.MOLECULE
        assert isinstance(rows[0], Failure)
        assert "line 1" in rows[0].reason


def test_a_folder_says_what_it_skips_and_a_cif_gives_every_block(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "two.cif").write_text(convert.to_cif(SILICON) + convert.to_cif(SALT))
    (tmp_path / "notes.txt").write_text("x")
    with caplog.at_level("WARNING"):
        rows = [item.row for item in read([tmp_path])]
    assert [row.system_id for row in rows] == [f"{tmp_path.name}/two-1", f"{tmp_path.name}/two-2"]
    assert all(isinstance(row, AtomicSystem) for row in rows)
    assert "not read: 1 .txt" in caplog.text


def test_a_poscar_that_names_no_elements_is_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "POSCAR").write_text("old\n1.0\n3 0 0\n0 3 0\n0 0 3\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n")
    row = read([tmp_path / "POSCAR"])[0].row
    assert isinstance(row, Failure)
    assert "element symbols" in row.reason
