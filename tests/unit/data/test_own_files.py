"""Preparation reads as every verb does: ids are texts, what is missing is not a label, a bad frame costs one row."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from adit import cli, convert, store
from adit.config import CustomDataset
from adit.data.datasets import custom
from adit.errors import DataError
from adit.systems import AtomicSystem
from tests.unit.score.test_files import NACL, salt


def frames(*keys: str) -> str:
    lattice = 'Lattice="4.1 0 0 0 4.1 0 0 0 4.1" Properties=species:S:1:pos:R:3:forces:R:3'
    atoms = "Cs 0 0 0 0 0 0\nCl 2 2 {z} 0 0 0\n"
    return "".join(f"2\n{lattice} {key}\n" + atoms.format(z=2 + n / 100) for n, key in enumerate(keys))


def load(path: Path, text: str, **values: object) -> list[custom.Record]:
    path.write_text(text)
    described = CustomDataset.model_validate({"path": str(path), "kind": "crystal", **values})
    return list(custom.dataset("mine", described).load(None).records)


def test_energies_are_labels_and_a_misspelt_one_is_named(tmp_path: Path) -> None:
    text = frames("mid=000 energy=-3.0", "mid=001 energy=-4.5")
    records = load(tmp_path / "x.extxyz", text, id="mid", properties=["energy"])
    assert [(record.system_id, record.make().info["energy"]) for record in records] == [("000", -3.0), ("001", -4.5)]
    with pytest.raises(DataError, match="has no 'enregy' for properties; columns or keys: mid, energy"):
        load(tmp_path / "x.extxyz", text, properties=["enregy"])


def test_a_bad_frame_costs_one_row(tmp_path: Path) -> None:
    text = frames("mid=a", "mid=b") + frames("mid=c").replace("2\n", "3\n", 1)
    records = load(tmp_path / "x.extxyz", text, id="mid")
    assert [record.system_id for record in records] == ["a", "b", "x-3"]
    with pytest.raises(DataError, match="says 3 atoms"):
        records[2].make()


def test_a_file_whose_name_is_not_utf8_is_prepared_as_others(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.cif")).write_text(convert.to_cif(NACL))
    for n in range(3):
        (folder / f"{n}.cif").write_text(convert.to_cif(salt(str(n), 12, 8, 4.2 + n / 10)))
    assert cli.main(["prepare", str(folder), "--out", str(tmp_path / "x.arrow")]) == 0
    assert "caf\\udce9.cif" in store.read_json(tmp_path / "x.stats.json")["files"]


def test_labels_of_tables_that_are_missing_are_none_and_ids_stay_texts(tmp_path: Path) -> None:
    quoted = convert.to_cif(NACL).replace('"', '""')
    rows = [f'000{n},"{quoted}",{gap}\n' for n, gap in enumerate(("1.0", "", "n/a", "NaN", "inf", "2", " - "))]
    records = load(tmp_path / "t.csv", "mid,cif,gap\n" + "".join(rows), id="mid", properties=["gap"])
    assert [record.system_id for record in records] == [f"000{n}" for n in range(7)]
    labels = [record.make().info.get("gap") for record in records]
    assert labels == [1.0, None, None, None, None, 2, None]
    assert "gap" not in records[1].make().info


def test_decimal_commas_are_no_labels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gap of x-2 is '1,5': write a decimal point"):
        load(tmp_path / "x.extxyz", frames("gap=1.5", "gap=1,5"), properties=["gap"])


def test_a_table_is_prepared_as_it_is_scored(tmp_path: Path) -> None:
    lines = convert.to_cif(NACL).splitlines()
    cell = [n for n, line in enumerate(lines) if line.startswith(("_cell_length", "_cell_angle"))]
    turned = [lines[n] for n in (*cell[3:], *cell[:3])]
    text = "\n".join([*lines[: cell[0]], *turned, *lines[cell[-1] + 1 :]]).replace('"', '""')
    (record,) = load(tmp_path / "t.csv", f'mid,cif\nm,"{text}"\n')
    assert record.make().volume == pytest.approx(NACL.volume, rel=1e-6)


def test_a_file_is_prepared_without_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    elements = [(11, 17), (3, 9), (19, 35), (37, 53), (12, 8), (20, 8), (38, 8), (56, 8), (47, 17), (55, 9)]
    store.write_extxyz(tmp_path / "C.extxyz", [salt(f"s-{n}", *pair, 5.0) for n, pair in enumerate(elements)])
    assert cli.main(["prepare", "C.extxyz", "--out", "c.arrow"]) == 0
    assert store.read_systems(tmp_path / "c.arrow").ids == [f"s-{n}" for n in range(10)]


def test_charge_and_spin_of_a_file_are_in_the_prepared_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pymatgen.core import Molecule

    monkeypatch.chdir(tmp_path)
    ammonium = [("N", 0, 0, 0), *(("H", x, y, x * y / 0.58) for x in (0.58, -0.58) for y in (0.58, -0.58))]
    atoms = "".join(f"{x:10.4f}{y:10.4f}{z:10.4f} {name:3} 0  0\n" for name, x, y, z in ammonium)
    head = "ammonium\n  x         3D\n\n  5  0  0  0  0  0  0  0  0  0999 V2000\n"
    Path("c").mkdir()
    Path("c/a.sdf").write_text(f"{head}{atoms}M  CHG  1   1   1\nM  END\n$$$$\n")
    water = Molecule(["O", "H", "H"], [[0, 0, 0.1], [0, 0.7, -0.4], [0, -0.7, -0.4]], charge=1, spin_multiplicity=2)
    Path("c/b.json").write_text(json.dumps({"ion": water.as_dict()}))
    pairs = ("H F", "H Cl", "C O", "N O", "N N", "Cl F", "Br Cl", "H Br")  # some are training systems by their formula
    frames = (pair.split() for pair in pairs)
    Path("c/z.xyz").write_text("".join(f"2\n\n{one} 0 0 0\n{other} 0 0 1.2\n" for one, other in frames))
    assert cli.main(["prepare", "c", "--kind", "molecule", "--out", "c.arrow"]) == 0
    rows = [row for row in store.read_systems(Path("c.arrow")) if isinstance(row, AtomicSystem)]
    state = {row.system_id: dict(row.info) for row in rows}
    assert state["ammonium"]["total_charge"] == 1
    assert (state["ion"]["total_charge"], state["ion"]["unpaired_electrons"]) == (1, 1)
