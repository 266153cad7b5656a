"""``adit relax`` and ``adit hull`` on users' files: one row per input, whatever it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from adit import cli, convert, store
from adit.readers import ReadRow, ReadSettings, read_structures
from adit.relax import standalone
from adit.relax.dft import run as dft_run
from adit.relax.potentials import batch
from adit.systems import AtomicSystem, Failure, Kind


def fcc(name: str, numbers: list[int], a: float, second: float = 0.5) -> AtomicSystem:
    cell = a / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    fractional = np.array([[0.0, 0, 0], [second] * 3])[: len(numbers)]
    return AtomicSystem(name, Kind.CRYSTAL, np.array(numbers), fractional @ cell, cell)


SILICON, SALT = fcc("si", [14, 14], 5.4, 0.25), fcc("nacl", [11, 17], 5.6)
NAN_XYZ = """1
Lattice="4.0 0 0 0 4.0 0 0 0 4.0" Properties=species:S:1:pos:R:3 pbc="T T T"
Na nan 0.0 0.0
"""
WATER_XYZ = "3\nwater\nO 0 0 0\nH 0.76 0.59 0\nH -0.76 0.59 0\n"


def large() -> AtomicSystem:
    """Return rock salt of 5 x 5 x 4 cells: 200 atoms."""
    cell = SALT.cell
    assert cell is not None
    shifts = np.array([(i, j, k) for i in range(5) for j in range(5) for k in range(4)]) @ cell
    positions = (SALT.positions[None] + shifts[:, None]).reshape(-1, 3)
    return AtomicSystem("large", Kind.CRYSTAL, np.tile(SALT.numbers, 100), positions, cell * [[5], [5], [4]])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("in") / "mine"
    folder.mkdir()
    store.write_text(folder / "si.cif", convert.to_cif(SILICON))
    store.write_text(folder / "overlap.cif", convert.to_cif(fcc("o", [11, 17], 5.6, 0.01)))
    store.write_text(folder / "polonium.cif", convert.to_cif(fcc("po", [84], 4.7)))
    store.write_text(folder / "nonsense.cif", "data_nothing\n")
    convert.to_structure(SALT).to(str(folder / "salt.vasp"), fmt="poscar")
    (folder / "case").mkdir()
    convert.to_structure(fcc("al", [13], 4.0)).to(str(folder / "case" / "POSCAR"), fmt="poscar")
    store.write_extxyz(folder / "pair.extxyz", [fcc("first", [11, 17], 5.7), fcc("second", [3, 9], 4.1)])
    (folder / "nan.extxyz").write_text(NAN_XYZ)
    (folder / "water.xyz").write_text(WATER_XYZ)
    store.write_systems(folder / "more.arrow", [fcc("si", [14, 14], 5.5, 0.25), Failure("lost", "decode", "no volume")])
    store.write_systems(folder / "large.arrow", [large()])
    return folder


STATUS = {
    "mine/case/POSCAR": "converged",
    "large": "converged",
    "si": "converged",
    "lost": "failed",
    "mine/nan": "failed",
    "mine/nonsense": "failed",
    "mine/overlap": "refused",
    "first": "converged",
    "second": "converged",
    "mine/polonium": "refused",
    "mine/salt": "converged",
    "mine/si": "converged",
    "mine/water": "refused",
}


def read(paths: list[Path]) -> list[ReadRow]:
    return read_structures(paths, ReadSettings(workers=0))


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def relaxed(files: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    out = tmp_path_factory.mktemp("out") / "chgnet"
    return out, run("relax", files, "--engine", "chgnet", "--out", out)


def test_every_input_is_a_row_and_the_exit_code_is_0(relaxed: tuple[Path, int]) -> None:
    out, code = relaxed
    assert code == 0
    table = store.read_frame(out / "relaxed.parquet")
    assert tuple(table.columns[:5]) == standalone.FIRST
    assert dict(zip(table["system_id"], table["status"], strict=True)) == STATUS
    assert (table.loc[table["status"] != "converged", "reason"] != "").all()
    by_id = table.set_index("system_id")
    assert by_id.loc["large", "n_atoms"] == 200
    assert by_id.loc["large", "energy_per_atom"] == pytest.approx(by_id.loc["mine/salt", "energy_per_atom"], abs=2e-3)
    assert "not finite" in by_id.loc["mine/nan", "reason"]
    assert "Po" in by_id.loc["mine/polonium", "reason"]
    assert by_id.loc["lost", "reason"] == "no volume"
    assert by_id.loc["mine/salt", "source"].endswith("salt.vasp")


def test_the_csv_holds_the_same(relaxed: tuple[Path, int]) -> None:
    out = relaxed[0]
    parquet, csv = store.read_frame(out / "relaxed.parquet"), store.read_frame(out / "relaxed.csv")
    assert list(csv.columns) == list(parquet.columns)
    assert list(csv["status"]) == list(parquet["status"])
    np.testing.assert_allclose(csv["energy"], parquet["energy"])


def test_structures_are_written_for_other_programs(relaxed: tuple[Path, int]) -> None:
    out = relaxed[0]
    good = {name for name, status in STATUS.items() if status == "converged"}
    assert {path.stem.replace("%2F", "/") for path in (out / "structures").glob("*.cif")} == good
    assert {given.row.system_id for given in read([out / "relaxed.extxyz"])} == good
    rows = {row.system_id: row for row in store.read_systems(out / "relaxed.arrow")}
    assert set(rows) == set(STATUS)
    back = convert.from_cif((out / "structures" / "mine%2Fsalt.cif").read_text(), "salt")
    assert back.volume == pytest.approx(rows["mine/salt"].volume, rel=1e-5)


def test_a_rerun_does_only_what_is_missing(
    files: Path, relaxed: tuple[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = store.read_frame(relaxed[0] / "relaxed.parquet")
    calls: list[object] = []
    monkeypatch.setattr(batch, "map_isolated", lambda function, items, **_: calls.extend(items))
    assert run("relax", files, "--engine", "chgnet", "--out", relaxed[0]) == 0
    assert calls == []
    pd.testing.assert_frame_equal(store.read_frame(relaxed[0] / "relaxed.parquet"), before)


def test_any_engine_gives_the_same_table(files: Path, tmp_path: Path) -> None:
    names = ("si.cif", "overlap.cif", "nonsense.cif", "nan.extxyz", "water.xyz", "case/POSCAR")
    given = [files / name for name in names]
    assert run("relax", *given, "--engine", "gfn1-xtb", "--preset", "demo", "--out", tmp_path) == 0
    table = store.read_frame(tmp_path / "relaxed.parquet")
    assert tuple(table.columns[:5]) == standalone.FIRST
    assert list(table["status"]) == ["converged", "refused", "failed", "failed", "converged", "failed"]
    assert (table.loc[[1, 2, 3, 5], "reason"] != "").all()
    assert {path.name for path in (tmp_path / "structures").glob("*")} == {"si.cif", "water.sdf"}
    assert (tmp_path / "dft" / "si" / "result.json").is_file()
    assert store.read_frame(tmp_path / "relaxed.csv")["status"].tolist() == table["status"].tolist()


def test_a_rerun_with_an_engine_does_only_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write_text(tmp_path / "si.cif", convert.to_cif(SILICON))
    arguments = ("relax", tmp_path / "si.cif", "--engine", "gfn1-xtb", "--preset", "demo", "--out", tmp_path / "out")
    assert run(*arguments) == 0
    before = store.read_frame(tmp_path / "out" / "relaxed.parquet")
    monkeypatch.setattr(dft_run, "_round", lambda *_: pytest.fail("computed again"))
    assert run(*arguments) == 0
    pd.testing.assert_frame_equal(store.read_frame(tmp_path / "out" / "relaxed.parquet"), before)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["gone.cif", "--out", "o"], 3, "gone.cif: no such file or folder"),
        (["note.txt", "--out", "o"], 3, "note.txt: format not known"),
        (["empty", "--out", "o"], 3, "empty: holds no structure"),
        (["si.cif", "--out", "note.txt"], 2, "is a file; name a folder"),
        (["si.cif", "--preset", "standard", "--out", "o"], 2, "--preset: is for"),
        (["si.cif", "--wall-limit", "-1", "--out", "o"], 2, "wall_limit_s"),
        (["si.cif", "--engine", "vasp", "--command", "no_vasp", "--out", "o"], 4, "vasp_std not found"),
        (["si.cif", "--engine", "gfn1-xtb", "--preset", "dmo", "--out", "o"], 2, "choose dft.preset from"),
        (["si.cif", "--engine", "gfn1-xtb", "--wall-limit", "-1", "--out", "o"], 2, "wall_limit_s"),
    ],
)
def test_what_is_wrong_with_the_command_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    store.write_text(tmp_path / "si.cif", convert.to_cif(SILICON))
    (tmp_path / "note.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    assert run("relax", *arguments) == code
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert words in last
    assert not (tmp_path / "o").exists()


def test_ids_are_unique_and_come_from_names(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        store.write_text(tmp_path / folder / "x.cif", convert.to_cif(SILICON))
    store.write_extxyz(tmp_path / "y.extxyz", [SILICON, SILICON])
    given = read([tmp_path])
    assert [item.row.system_id for item in given] == [f"{tmp_path.name}/a/x", f"{tmp_path.name}/b/x", "si-1", "si-2"]
    assert [Path(item.source).name for item in given] == ["x.cif", "x.cif", "y.extxyz", "y.extxyz"]


# --- the hull ---------------------------------------------------------------------------------------------------------


def entries(folder: Path) -> Path:
    table = pd.DataFrame(
        {
            "entry_id": ["a", "b", "c", "d"],
            "formula": ["Na", "Cl", "NaCl", "Si"],
            "composition": ['{"Na": 1}', '{"Cl": 1}', '{"Na": 1, "Cl": 1}', '{"Si": 1}'],
            "n_atoms": [1, 1, 2, 1],
            "energy_per_atom": [-1.31, -1.84, -3.65, -5.42],
            "is_element": [True, True, False, True],
            "status": "converged",
            "reason": "",
            "hull_tag": "vasp/PBE(+U)/MP2020",
        }
    )
    store.write_frame(folder / "entries.parquet", table)
    return folder / "entries.parquet"


def test_the_hull_of_anyones_structures(relaxed: tuple[Path, int], tmp_path: Path) -> None:
    out = tmp_path / "hull.parquet"
    assert run("hull", relaxed[0], "--reference", entries(tmp_path), "--out", out) == 0
    table = store.read_frame(out).set_index("system_id")
    assert set(table.index) == set(STATUS)
    assert abs(table.loc["mine/salt", "chgnet_surrogate_e_above_hull"]) < 0.05
    assert bool(table.loc["mine/salt", "hull_covers_chemistry"])
    assert not table.loc["mine/case/POSCAR", "hull_covers_chemistry"]
    assert "element Al" in table.loc["mine/case/POSCAR", "reason"]
    assert table.loc["mine/nonsense", "reason"] != ""


def test_a_hull_of_another_method_is_refused_with_exit_code_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.DataFrame({"system_id": ["a"], "formula": ["NaCl"], "energy_per_atom": [-3.0]})
    store.write_frame(tmp_path / "mine.csv", table)
    arguments = ("hull", tmp_path / "mine.csv", "--reference", entries(tmp_path), "--out", tmp_path / "h.parquet")
    assert run(*arguments) == 3
    assert run(*arguments, "--energy-tag", "gpaw-demo-12345678/PBE/none") == 3
    said = capsys.readouterr().err
    assert "--energy-tag" in said
    assert "gpaw-demo-12345678/PBE/none" in said
    assert run(*arguments, "--energy-tag", "vasp/PBE(+U)/MP2020") == 0


def test_the_hull_makes_its_own_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the configuration's default, the files of a mirror; made once, used again."""
    mirror = tmp_path / "mirror"
    elements = {
        name: {"energy": energy, "correction": 0.0, "composition": {name: 1.0}}
        for name, energy in (("Na", -1.31), ("Cl", -1.84))
    }
    store.write_json(mirror / "hull" / "mp_elemental_reference_entries.json", elements)
    frame = pd.DataFrame({"material_id": ["mp-1"], "pretty_formula": ["NaCl"], "formation_energy_per_atom": [-2.1]})
    store.write_frame(mirror / "hull" / "mp20_formation_energies.parquet", frame)
    mine = pd.DataFrame({"system_id": ["a"], "formula": ["NaCl"], "energy_per_atom": [-3.6]})
    store.write_frame(tmp_path / "mine.csv", mine)
    out = tmp_path / "o" / "h.parquet"
    arguments = ["hull", tmp_path / "mine.csv", "--energy-tag", "vasp/PBE(+U)/MP2020", "--out", out]
    monkeypatch.chdir(tmp_path)
    assert run(*arguments, "--mirror", mirror) == 0
    above = store.read_frame(out)["e_above_hull"][0]
    assert above == pytest.approx(-3.6 - (-2.1 + (-1.31 - 1.84) / 2))
    assert run(*arguments) == 0


def test_the_hull_of_ones_own_relaxed_references(tmp_path: Path) -> None:
    """A table of `adit relax` serves as reference for another of the same method."""
    tag = "gpaw-standard-12345678/PBE/none"
    references = pd.DataFrame(
        {
            "system_id": ["na", "cl", "nacl", "lost"],
            "formula": ["Na", "Cl", "NaCl", "Si"],
            "energy_per_atom": [-1.3, -1.8, -3.6, float("nan")],
            "energy_tag": tag,
            "status": ["converged"] * 3 + ["failed"],
        }
    )
    store.write_frame(tmp_path / "references.csv", references)
    mine = pd.DataFrame({"system_id": ["a"], "formula": ["NaCl"], "energy_per_atom": [-3.5], "energy_tag": tag})
    store.write_frame(tmp_path / "mine.csv", mine)
    arguments = ["hull", tmp_path / "mine.csv", "--reference", tmp_path / "references.csv", "--out"]
    assert run(*arguments, tmp_path / "h.parquet") == 0
    assert store.read_frame(tmp_path / "h.parquet")["e_above_hull"][0] == pytest.approx(0.1)


def test_a_failed_surrogate_row_does_not_rename_the_others(tmp_path: Path) -> None:
    tags = ["vasp/PBE(+U)/MP2020", "chgnet-0.3.0/PBE(+U)/MP2020"]
    mine = pd.DataFrame(
        {
            "system_id": ["a", "b"],
            "formula": ["NaCl", "NaCl"],
            "energy_per_atom": [-3.6, float("nan")],
            "energy_tag": tags,
            "status": ["converged", "failed"],
        }
    )
    store.write_frame(tmp_path / "mine.csv", mine)
    arguments = ["hull", tmp_path / "mine.csv", "--reference", entries(tmp_path), "--out", tmp_path / "h.parquet"]
    assert run(*arguments) == 0
    table = store.read_frame(tmp_path / "h.parquet")
    assert table["e_above_hull"][0] == pytest.approx(0.05)
    assert "chgnet_surrogate_e_above_hull" not in table


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("system_id,formula,energy_per_atom\na,NaCl,abc\n", 0, ""),
        ("system_id,energy_per_atom\na,-3.0\n", 3, "has no column formula"),
    ],
)
def test_what_is_wrong_with_a_table_is_a_row_or_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, code: int, words: str
) -> None:
    (tmp_path / "mine.csv").write_text(text)
    out = tmp_path / "h.parquet"
    arguments = ["hull", tmp_path / "mine.csv", "--reference", entries(tmp_path), "--energy-tag", "vasp/PBE(+U)/MP2020"]
    assert run(*arguments, "--out", out) == code
    assert words in capsys.readouterr().err
    if code == 0:
        assert store.read_frame(out)["reason"][0] == "energy 'abc' is not a number"
    assert run(*arguments, "--out", tmp_path / "h.txt") == 2


def test_names_that_look_like_missing_numbers_are_names(tmp_path: Path) -> None:
    table = pd.DataFrame({"system_id": ["nan", "007"], "formula": ["NaN", "NaCl"], "energy_per_atom": [-1.0, -3.6]})
    store.write_frame(tmp_path / "mine.csv", table)
    read = store.read_frame(tmp_path / "mine.csv")
    assert list(read["system_id"]) == ["nan", "007"]
    assert list(read["formula"]) == ["NaN", "NaCl"]
    assert read["energy_per_atom"].dtype == float


def test_structures_of_an_earlier_run_go(tmp_path: Path) -> None:
    table = pd.DataFrame({name: ["x"] for name in standalone.FIRST})
    for system in (SILICON, SALT):
        standalone.write(tmp_path, [ReadRow(system, "x.cif")], table, [system])
    assert [path.name for path in (tmp_path / "structures").iterdir()] == ["nacl.cif"]


def test_a_broken_store_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "cut.arrow").write_bytes(b"ARROW1")
    row = read([tmp_path])[0].row
    assert isinstance(row, Failure)
    assert "not readable" in row.reason
