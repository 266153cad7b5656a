"""Joins of structures with tables: by id, else by the last part of the path, never with another structure's values."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from adit import cli, convert, store
from adit.errors import ConfigError, DataError
from adit.hull.energy_tables import read_energy_tables
from adit.readers.charges import with_state
from adit.readers.formulas import parse_formula, reduced_from_text
from adit.readers.joins import RowIdentity, identity_of_record, join_ids, need_unique
from adit.readers.table_checks import table_contradictions
from adit.systems import AtomicSystem, Kind
from tests.unit.score.test_files import MGO, NACL, salt

SALT, OXIDE = RowIdentity(2, "ClNa"), RowIdentity(2, "MgO")


def test_equal_ids_meet_and_others_by_unique_stems(caplog: pytest.LogCaptureFixture) -> None:
    assert join_ids({"a": SALT, "b/c": OXIDE}, {"a": SALT, "x/c": OXIDE}, "t") == {"a": "a", "x/c": "b/c"}
    assert join_ids({"a/g": SALT, "b/g": OXIDE, "s": SALT}, {"g": SALT, "s": SALT}, "t") == {"s": "s"}
    assert "has no row for 2 of 3 samples" in caplog.text


def test_nothing_in_common_is_an_error_that_names_ids() -> None:
    with pytest.raises(ConfigError, match=r"t: none of its 2 ids .*table: g-1, g-2; samples: h") as error:
        join_ids({"h": SALT}, {"g-1": SALT, "g-2": SALT}, "t")
    assert error.value.exit_code == 2


@pytest.mark.parametrize("other", [OXIDE, RowIdentity(4, "ClNa"), RowIdentity(None, "MgO"), RowIdentity(3, None)])
def test_another_structure_under_the_same_id_is_an_error(other: RowIdentity) -> None:
    with pytest.raises(ConfigError, match="1 of 2 ids belong to other structures"):
        join_ids({"a": SALT, "b": SALT}, {"a": SALT, "b": other}, "t")


def test_ids_that_repeat_are_an_error() -> None:
    need_unique(["a", "b"], "t")
    with pytest.raises(ConfigError, match=r"1 ids occur in several rows \(a\)"):
        need_unique(["a", "b", "a"], "t")


def test_relaxations_of_other_samples_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, system in (("a", NACL), ("b", MGO)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "gen_0.cif").write_text(convert.to_cif(system))
    frame = pd.DataFrame({"system_id": ["gen_0"], "status": ["converged"], "energy_per_atom": [-3.0], "reason": [""]})
    store.write_frame(tmp_path / "r/relaxed.parquet", frame)
    store.write_systems(tmp_path / "r/relaxed.arrow", [salt("gen_0", 11, 17, 5.6)])
    sample = str(tmp_path / "b/gen_0.cif")
    arguments = ["score", sample, "--relaxed", str(tmp_path / "r"), "--out", str(tmp_path / "o"), "--workers", "1"]
    assert cli.main(arguments) == 2
    assert "gen_0: ClNa with 2 atoms in the table, MgO with 2 atoms in the sample" in capsys.readouterr().err


def test_energies_with_structures_and_tables_of_energies(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("system_id,formula,energy_per_atom\n001,NaCl,-3.5\n002,NaCl.2H2O,-4\n")
    (table,) = read_energy_tables([tmp_path / "t.csv"], "x")
    assert list(table.frame["system_id"]) == ["001", "002"]
    (tmp_path / "twice.csv").write_text("system_id,formula,energy_per_atom\n001,NaCl,-3.5\n001,MgO,-4\n")
    with pytest.raises(ConfigError, match="several rows"):
        read_energy_tables([tmp_path / "twice.csv"], "x")
    frames = f"{store_frame('energy=-7.0')}{store_frame('energy=n/a')}"
    (tmp_path / "e.extxyz").write_text(frames)
    (table,) = read_energy_tables([tmp_path / "e.extxyz"], "x")
    assert table.frame["energy_per_atom"].tolist()[0] == -3.5
    (tmp_path / "n.extxyz").write_text(store_frame("other=1"))
    with pytest.raises(DataError, match="have no energy_per_atom and no energy; columns or keys: other"):
        read_energy_tables([tmp_path / "n.extxyz"], "x")


def test_a_table_of_energies_may_hold_its_structures(tmp_path: Path) -> None:
    quoted = convert.to_cif(NACL).replace('"', '""')
    rows = "".join(f'{name},"{quoted}",-3.5,{status}\n' for name, status in (("a", "converged"), ("b", "failed")))
    (tmp_path / "t.csv").write_text(f"system_id,cif,energy_per_atom,status\n{rows}")
    (table,) = read_energy_tables([tmp_path / "t.csv"], "x")
    assert table.frame["status"].tolist() == ["converged", "failed"]
    assert table.structures["a"].numbers.tolist() == NACL.numbers.tolist()
    (tmp_path / "n.csv").write_text("system_id,energy_per_atom\na,-3.5\n")
    with pytest.raises(DataError, match=r"no column formula, and no structures lie beside it \(n.arrow\)"):
        read_energy_tables([tmp_path / "n.csv"], "x")


def test_files_of_structures_with_energies_have_the_ids_of_every_verb(tmp_path: Path) -> None:
    files = [tmp_path / name / "gen.extxyz" for name in "ab"]
    for file, keys in zip(files, ("energy=-7.0", "energy=-7.0 energy_tag=y"), strict=True):
        file.parent.mkdir()
        file.write_text(store_frame(keys))
    (table,) = read_energy_tables(files, "x")
    assert dict(zip(table.frame["system_id"], table.frame["energy_tag"], strict=True)) == {"a/gen": "x", "b/gen": "y"}
    with pytest.raises(DataError, match="does not say whose energies"):
        read_energy_tables(files, None)


def store_frame(keys: str) -> str:
    lattice = 'Lattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3'
    return f"2\n{lattice} {keys}\nNa 0 0 0\nCl 2 2 2\n"


@pytest.mark.parametrize("text", ["NaCl.2H2O", "MgSO4.7H2O", "NaCl.H2O", "Na.5Cl", "nacl", "", "Xx2", "(NaCl", "Na0"])
def test_formulas_that_are_none_or_are_read_in_two_ways_are_refused(text: str) -> None:
    with pytest.raises(DataError):
        parse_formula(text)


def test_formulas() -> None:
    assert parse_formula("CuSO4·5H2O") == {"Cu": 1, "S": 1, "O": 9, "H": 10}
    assert parse_formula("Ca3(PO4)2") == {"Ca": 3, "P": 2, "O": 8}
    assert parse_formula("Na0.5Cl0.5") == {"Na": 0.5, "Cl": 0.5}
    assert parse_formula("D₂O") == {"H": 2, "O": 1}
    assert reduced_from_text("Na2Cl2") == "ClNa"
    assert reduced_from_text("Na0.5Cl0.5") is None


def test_a_hydrate_is_a_row_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("system_id,formula,energy_per_atom\nx,NaCl.2H2O,-4.0\ny,NaCl,-3.0\n")
    arguments = ["hull", str(tmp_path / "t.csv"), "--hull", "builtin", "--energy-tag", "chgnet-0.3.0/PBE(+U)/MP2020"]
    assert cli.main([*arguments, "--out", str(tmp_path / "h.csv")]) == 0
    table = store.read_frame(tmp_path / "h.csv")
    assert table["e_above_hull"].isna().tolist() == [True, False]
    assert "NaCl.2H2O" in table["reason"][0]


@pytest.mark.parametrize(
    ("value", "number"),
    [(2, 2), (2.0, 2), (2.5, None), (float("inf"), None), (float("nan"), None), (0, None), (-1, None), ("2", None)],
)
def test_a_number_of_atoms_that_is_none_is_not_compared(value: object, number: int | None) -> None:
    assert identity_of_record({"n_atoms": value, "formula": "NaCl"}) == RowIdentity(number, "ClNa")


def test_numbers_beyond_a_float_are_not_compared_and_no_charge() -> None:
    huge = 10**400
    assert identity_of_record({"n_atoms": huge}).n_atoms == huge
    assert table_contradictions({"nsites": huge, "composition": {"Na": huge}}, NACL) == []
    with pytest.raises(DataError, match="not an integer"):
        with_state(AtomicSystem("m", Kind.MOLECULE, [1, 1], [[0, 0, 0], [0.74, 0, 0]]), {"total_charge": huge})
