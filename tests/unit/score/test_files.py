"""adit score on users' files: every format, broken entries as rows, no reference, a hang in a reader."""

from __future__ import annotations

import json
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from adit import cli, convert, store
from adit.config import Config, ScoreConfig, ScoreStage
from adit.errors import DataError
from adit.limits import DEFAULTS
from adit.readers import ParseSettings, ReadSettings, by_kind, read, read_structures
from adit.readers.formats.base import Entry, Parsed
from adit.readers.kinds import looks_like_mof
from adit.readers.sources import entries
from adit.score.given import read_any_references
from adit.score.standalone import Given, score_files
from adit.systems import AtomicSystem, Failure, Kind
from tests.unit.readers import cases

STAGE = Config(score=ScoreConfig(controls=2, wall_limit_s=60)).stage(ScoreStage)


def salt(system_id: str, cation: int, anion: int, a: float) -> AtomicSystem:
    cell = (np.ones((3, 3)) - np.eye(3)) * a / 2
    return AtomicSystem(system_id, Kind.CRYSTAL, np.array([cation, anion]), np.array([[0, 0, 0], [a / 2] * 3]), cell)


MGO, NACL = salt("MgO", 12, 8, 4.2), salt("NaCl", 11, 17, 5.64)
WATER = """3
water
O 0 0 0.119
H 0 0.763 -0.477
H 0 -0.763 -0.477
"""


def big(n: int) -> AtomicSystem:
    random = np.random.default_rng(0)
    return AtomicSystem("big", Kind.CRYSTAL, random.integers(3, 80, n), random.random((n, 3)) * 30, np.eye(3) * 30)


def one_element(name: str, number: int) -> AtomicSystem:
    return AtomicSystem(name, Kind.CRYSTAL, np.array([number]), np.zeros((1, 3)), np.eye(3) * 4)


def xyz(symbols: str, lattice: str = '"4 0 0 0 4 0 0 0 4"') -> str:
    names = symbols.split()
    lines = [f"{name} {n} 0 0.5" for n, name in enumerate(names)]
    return "\n".join([str(len(names)), f"Lattice={lattice} Properties=species:S:1:pos:R:3", *lines]) + "\n"


def broken_and_strange(folder: Path) -> Path:
    """Write one good crystal and everything that scoring must survive."""
    cif = convert.to_cif(MGO)
    texts = {
        "good.cif": cif,
        "unparsable.cif": "no CIF at all",
        "empty.cif": "",
        "infinite.cif": cif.replace("0.50000000", "nan").replace("0.5 ", "nan "),
        "no-atoms.cif": cif[: cif.index("loop_")],
        "zero.xyz": xyz("X O"),
        "infinite.xyz": xyz("Mg O").replace("1 0 0.5", "nan 0 0.5"),
        "flat.xyz": xyz("Mg O", '"4 0 0 4 0 0 0 0 4"'),
        "none.xyz": "0\nnothing\n",
        "cut.xyz": xyz("Mg O O")[:60],
    }
    texts |= {f"{s}.cif": convert.to_cif(one_element(s, z)) for s, z in {"He": 2, "Xe": 54, "Pm": 61, "Tc": 43}.items()}
    texts["U.cif"] = convert.to_cif(one_element("U", 92))
    texts["big.cif"] = convert.to_cif(big(1000))
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder


def test_broken_and_strange_entries_are_rows(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    files = broken_and_strange(tmp_path / "in")
    total = len(list(files.iterdir()))
    score_files(STAGE, [files], Given(Kind.CRYSTAL), tmp_path / "out", workers=2, protocols=["adit", "strict"])
    table = store.read_frame(tmp_path / "out/scores/crystal.parquet").set_index("system_id")
    assert len(table) == total
    bad = ["in/unparsable", "in/empty", "in/infinite.cif", "in/no-atoms", "in/zero", "in/infinite.xyz"]
    bad += ["in/flat", "in/none", "in/cut"]
    assert (table.loc[bad, "status"] == "failed").all()
    assert (table.loc[bad, "reason"].str.len() > 5).all()
    assert not table.loc[bad, "overall_validity"].any()
    fine = [f"in/{name}" for name in ("good", "He", "Xe", "Pm", "Tc", "U", "big")]
    assert (table.loc[fine, "status"] == "ok").all()
    assert table.loc["in/good", "overall_validity"]
    assert not [column for column in table.columns if column.endswith(("_flowmm", "_mattergen", "_lemat"))]
    assert table["novelty_adit"].isna().all()
    assert len(store.read_frame(tmp_path / "out/scores/crystal.csv")) == len(table)
    assert table.loc["in/good", "source"] == str(tmp_path / "in/good.cif")
    summary = json.loads((tmp_path / "out/scores/summary.json").read_text())
    novelty = [each for each in summary if each["metric"] == "novelty" and each["population"] == "samples"]
    assert [each["value"] for each in novelty] == [None]
    assert "no reference" in novelty[0]["basis"]
    validity = next(each for each in summary if each["metric"] == "overall_validity")
    assert validity["denominator"] == total


def test_a_structure_beyond_a_limit_is_a_row_of_a_scored_file(tmp_path: Path) -> None:
    path = tmp_path / "large.xyz"
    path.write_text("12\n\n" + "".join(f"C {n}.0 0.0 0.0\n" for n in range(12)))
    reading = ReadSettings(1, ParseSettings(limits=DEFAULTS.model_copy(update={"atoms": 10})))
    score_files(STAGE, [path], Given(), tmp_path / "out", workers=1, reading=reading)
    table = store.read_frame(tmp_path / "out/scores/crystal.parquet")  # of unknown kind
    assert "limits.atoms" in table["reason"].iloc[0]


def test_samples_of_which_none_can_be_read_are_an_error(tmp_path: Path) -> None:
    texts = ["Full Formula (Mg1 O1)", "Full Formula (Na1 Cl1)"]
    pd.DataFrame({"id": ["a", "b"], "structure": texts}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=r"none of the 2 structures can be read \(a: .*no data block"):
        score_files(STAGE, [tmp_path / "t.csv"], Given(), tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def parse_but_hang_on_mgo(entry: Entry, settings: ParseSettings) -> Parsed | str:
    if "Mg" in entry.content:
        time.sleep(600)
    return read.parse_entry(entry, settings)


def hang_on_mgo(task: Any) -> list[Parsed | str]:
    return [parse_but_hang_on_mgo(entry, task.settings) for entry in task.entries]


def test_a_reader_that_hangs_costs_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for system in (MGO, NACL):
        (tmp_path / f"{system.system_id}.cif").write_text(convert.to_cif(system))
    monkeypatch.setattr(read, "_parse_task", hang_on_mgo)
    limits = DEFAULTS.model_copy(update={"read_s": 8.0})
    rows = [each.row for each in read_structures([tmp_path], ReadSettings(2, ParseSettings(limits=limits)))]
    assert isinstance(rows[0], Failure)
    assert "wall limit" in rows[0].reason
    assert isinstance(rows[1], AtomicSystem)


def write_every_format(folder: Path) -> list[tuple[Path, Kind]]:
    from rdkit import Chem
    from rdkit.Chem.rdDistGeom import EmbedMolecule

    cifs = [convert.to_cif(MGO), convert.to_cif(NACL)]
    pd.DataFrame({"id": ["a", "b"], "cif": cifs}).to_csv(folder / "t.csv", index=False)
    pd.DataFrame({"what": ["a", "b"], "text": cifs}).to_parquet(folder / "t.parquet")
    arrays = {
        "numbers": [list(MGO.numbers)],
        "positions": [MGO.positions.tolist()],
        "cell": [np.asarray(MGO.cell).ravel()],
    }
    pd.DataFrame(arrays).to_parquet(folder / "arrays.parquet")
    store.write_systems(folder / "own.arrow", [MGO, Failure("x", "decode", "no", Kind.CRYSTAL)])
    store.write_extxyz(folder / "two.extxyz", [MGO, NACL])
    (folder / "water.xyz").write_text(WATER + WATER)
    mol = Chem.AddHs(Chem.MolFromSmiles("CO"))
    EmbedMolecule(mol, randomSeed=1)
    (folder / "m.sdf").write_text((Chem.MolToMolBlock(mol) + "$$$$\n") * 2)
    with zipfile.ZipFile(folder / "z.zip", "w") as archive:
        for name, text in zip(("a/x.cif", "b/x.cif", "readme.txt"), (*cifs, "text"), strict=True):
            archive.writestr(name, text)
    (folder / "POSCAR").write_text(str(convert.to_structure(MGO).to(fmt="poscar")))
    names = ["t.csv", "t.parquet", "arrays.parquet", "own.arrow", "two.extxyz", "z.zip", "POSCAR"]
    return [(folder / n, Kind.CRYSTAL) for n in names] + [(folder / n, Kind.MOLECULE) for n in ("water.xyz", "m.sdf")]


def test_every_format_is_read_and_its_kind_recognised(tmp_path: Path) -> None:
    files = write_every_format(tmp_path)
    counts = {str(kind): 0 for kind in Kind}
    expected = {"crystal": 12, "molecule": 4, "mof": 0}
    for kind, reads in by_kind(read_structures([path for path, _ in files], ReadSettings(2)), None).items():
        rows = [each.row for each in reads]
        counts[kind] = len(rows)
        systems = [row for row in rows if isinstance(row, AtomicSystem)]
        assert {system.kind for system in systems} == {kind}
        assert len({row.system_id for row in rows}) == len(rows)
        assert len(systems) == len(rows) - (kind is Kind.CRYSTAL)
        if kind is Kind.CRYSTAL:
            assert {frozenset(system.numbers.tolist()) for system in systems} == {
                frozenset({12, 8}),
                frozenset({11, 17}),
            }
    assert counts == expected


def test_failures_have_the_kind_of_their_format(tmp_path: Path) -> None:
    (tmp_path / "drawing.sdf").write_text(cases.glycine(charges=True, zero=True))
    for name, text in (("a.cif", convert.to_cif(MGO)), ("b.cif", convert.to_cif(NACL)), ("c.cif", "data_nothing\n")):
        (tmp_path / name).write_text(text)
    rows = by_kind(read_structures([tmp_path], ReadSettings(0)), None)
    assert {kind: len(each) for kind, each in rows.items()} == {Kind.CRYSTAL: 3, Kind.MOLECULE: 1}
    (each,) = by_kind(read_structures([tmp_path / "drawing.sdf"], ReadSettings(0)), None)
    assert each is Kind.MOLECULE


def test_the_kind_can_be_given(tmp_path: Path) -> None:
    (tmp_path / "w.xyz").write_text(WATER)
    (each,) = by_kind(read_structures([tmp_path / "w.xyz"], ReadSettings(0)), Kind.CRYSTAL)[Kind.CRYSTAL]
    assert isinstance(each.row, Failure)
    assert "no cell" in each.row.reason


def test_large_crystals_with_carbon_hydrogen_and_metal_are_mofs() -> None:
    random = np.random.default_rng(0)
    numbers = np.array([30] * 2 + [6] * 16 + [1] * 16)
    framework = AtomicSystem("m", Kind.CRYSTAL, numbers, random.random((34, 3)) * 12, np.eye(3) * 12)
    assert looks_like_mof(framework)
    assert not looks_like_mof(MGO)
    assert not looks_like_mof(AtomicSystem("o", Kind.CRYSTAL, np.full(34, 6), framework.positions, framework.cell))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.pdf", b"?", "format not known"),
        ("x.zip", b"no zip", "zip"),
        ("x.csv", b"a,b\n1,2\n", "no column of CIF"),
        ("x.arrow", b"?", "not readable"),
    ],
)
def test_files_that_are_none_are_one_clear_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        entries([tmp_path / name])
    with pytest.raises(DataError, match="no such"):
        entries([tmp_path / "missing.cif"])


def test_a_reference_without_splits_counts_as_training(tmp_path: Path) -> None:
    (tmp_path / "MgO.cif").write_text(convert.to_cif(MGO))
    kinds = [Kind.CRYSTAL, Kind.MOLECULE]
    references = read_any_references([tmp_path / "MgO.cif"], kinds, ReadSettings(0))
    assert list(references[Kind.CRYSTAL].splits) == ["train"]
    assert list(references[Kind.MOLECULE].systems) == []
    with pytest.raises(DataError, match="holds no molecule"):
        read_any_references([tmp_path / "MgO.cif"], [Kind.MOLECULE], ReadSettings(0))


def test_the_command_writes_scores_and_page_and_keeps_the_controls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    references = [salt("d-0", 11, 17, 5.6), salt("d-1", 3, 9, 4.0), salt("d-2", 20, 8, 4.81)]
    store.write_systems(tmp_path / "data.arrow", references, splits=["train", "train", "test"])
    store.write_extxyz(tmp_path / "s.extxyz", [MGO, NACL])
    monkeypatch.chdir(tmp_path)
    command: list[Any] = ["score", "s.extxyz", "--reference", "data.arrow", "--protocol", "adit,strict", "--out", "o"]
    command += ["--cache", "kept", "--workers", "2"]
    assert cli.main(command) == 0
    assert (tmp_path / "o/report/index.html").is_file()
    table = store.read_frame(tmp_path / "o/scores/crystal.parquet").set_index("system_id")
    assert table["novelty_adit"].to_dict() == {"MgO": True, "NaCl": False}
    card = json.loads((tmp_path / "o/scores/card.json").read_text())
    assert card["references"] == {"crystal": {"train": 2, "test": 1}}
    assert card["matchers"]["loose"] == {"name": "loose", "ltol": 0.3, "stol": 0.5, "angle_tol": 10.0}
    assert card["libraries"]["pymatgen"]
    before = json.loads((tmp_path / "o/scores/summary.json").read_text())
    (kept,) = (tmp_path / "kept").glob("controls-crystal-*.json")
    stamp = kept.stat().st_mtime_ns
    assert cli.main(command) == 0
    assert kept.stat().st_mtime_ns == stamp
    assert json.loads((tmp_path / "o/scores/summary.json").read_text()) == before
    assert {each["population"] for each in before} == {"samples", "train", "test", "noise", "random"}


def test_an_unknown_protocol_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["score", "x.cif", "--protocol", "mine"])
    assert "known protocols are adit" in capsys.readouterr().err
