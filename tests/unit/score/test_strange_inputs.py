"""adit score on files as people have them: stray kinds, several blocks, ragged tables, used folders, wrong paths."""

from __future__ import annotations

import json
import logging
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from adit import convert, store
from adit.config import Config, ScoreConfig, ScoreStage
from adit.errors import AditError, ConfigError, DataError
from adit.readers.formats.base import CutSettings, Entry
from adit.readers.formats.tables import cut_csv
from adit.readers.ids import assign_ids
from adit.readers.sources import entries
from adit.score import standalone
from adit.score.standalone import Given, score_files
from adit.systems import AtomicSystem, Kind

STAGE = Config(score=ScoreConfig(controls=2, posebusters=0, xtb=0, wall_limit_s=60)).stage(ScoreStage)
WATER = "3\nsystem_id=water\nO 0 0 0.119\nH 0 0.763 -0.477\nH 0 -0.763 -0.477\n"


def salt(system_id: str, cation: int, anion: int, a: float) -> AtomicSystem:
    cell = (np.ones((3, 3)) - np.eye(3)) * a / 2
    return AtomicSystem(system_id, Kind.CRYSTAL, np.array([cation, anion]), np.array([[0, 0, 0], [a / 2] * 3]), cell)


MGO, NACL = salt("MgO", 12, 8, 4.2), salt("NaCl", 11, 17, 5.64)
CIFS = [convert.to_cif(MGO), convert.to_cif(NACL)]


def ids(items: Sequence[Entry]) -> list[str]:
    return assign_ids(items)


def test_a_stray_molecule_among_crystals_is_a_row_and_a_used_folder_is_emptied(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.write_systems(tmp_path / "data.arrow", [salt("d-0", 11, 17, 5.6), MGO], splits=["train", "train"])
    store.write_extxyz(tmp_path / "s.extxyz", [MGO, NACL])
    (tmp_path / "water.xyz").write_text(WATER)
    given, out = Given(reference=[tmp_path / "data.arrow"]), tmp_path / "out"
    with caplog.at_level(logging.WARNING):
        score_files(STAGE, [tmp_path / "s.extxyz", tmp_path / "water.xyz"], given, out, workers=1)
    assert "holds no molecule" in caplog.text
    assert list(store.read_frame(out / "scores/molecule.parquet")["system_id"]) == ["water"]
    assert len(store.read_frame(out / "scores/crystal.parquet")) == 2
    records = json.loads((out / "scores/summary.json").read_text())
    novelty = [r for r in records if r["kind"] == "molecule" and r["metric"].startswith("novelty")]
    assert novelty
    assert all(r["value"] is None and "no reference of this kind" in r["basis"] for r in novelty)
    assert {r["population"] for r in records if r["kind"] == "molecule" and r["denominator"]} == {"samples"}
    assert {r["population"] for r in records if r["kind"] == "crystal"} > {"samples", "noise"}
    verdicts = json.loads((out / "scores/separation.json").read_text())
    assert {verdict["real"] for verdict in verdicts} == {"train"}
    assert "test set" not in caplog.text

    score_files(STAGE, [tmp_path / "water.xyz"], Given(), out, workers=1)
    held = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert not [path for path in held if "crystal" in path]
    assert {"scores/molecule.parquet", "samples/molecule/samples.arrow"} <= held


def test_every_block_of_a_cif_and_every_member_of_an_archive_is_read_or_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "two.cif").write_text("".join(CIFS))
    pd.DataFrame({"id": ["a", "b"], "cif": CIFS}).to_parquet(tmp_path / "t.parquet")
    store.write_systems(tmp_path / "own.arrow", [MGO, NACL])
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        for name in ("two.cif", "t.parquet", "own.arrow"):
            archive.write(tmp_path / name, f"in/{name}")
        archive.writestr("in/notes.txt", "x")
    with caplog.at_level(logging.WARNING):
        items = entries([tmp_path / "z.zip"])
    assert ids(items) == ["MgO", "NaCl", "a", "b", "z/in/two-1", "z/in/two-2"]
    assert "1 file of other formats is not read: 1 .txt" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert ids(entries([tmp_path])) == ["MgO", "NaCl", "a", "b", *(f"{tmp_path.name}/two-{n}" for n in (1, 2))]
    assert "1 archive in it is not read: z.zip; give the archive itself" in caplog.text


def test_a_broken_table_in_an_archive_is_a_row_that_names_its_member(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("t.parquet", "x")
    (entry,) = entries([tmp_path / "z.zip"])
    assert "not readable" in entry.problem
    assert entry.source.endswith("z.zip:t.parquet")


@pytest.mark.parametrize("suffix", ["xyz", "sdf", "cif", "vasp"])
def test_an_empty_file_is_a_row(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"nothing.{suffix}").write_text("\n")
    (entry,) = entries([tmp_path / f"nothing.{suffix}"])
    assert assign_ids([entry]) == ["nothing"]


def test_a_ragged_row_of_a_csv_costs_itself_alone() -> None:
    text = 'id,cif,cif\na,"x\n""y""",1\n\nb,x,2,3,4\nc,x\nd,z,3\n'
    rows = list(cut_csv("\ufeff" + text, "t.csv", CutSettings()))
    assert [piece.title for piece in rows] == ["a", "b", "c", "d"]
    assert [bool(piece.problem) for piece in rows] == [False, True, False, False]
    assert rows[0].content == 'x\n"y"'
    assert "5 fields, the header 3" in rows[1].problem


def test_a_quote_that_is_never_closed_is_a_row_that_says_so() -> None:
    rows = list(cut_csv('id,cif\na,x\nb,"y\nc,z\n', "t.csv", CutSettings()))
    assert [bool(piece.problem) for piece in rows] == [False, True]
    assert "never closed" in rows[1].problem


def no_reading(*_: object, **__: object) -> None:
    pytest.fail("the samples were read before the paths were checked")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Given(reference=[Path("gone.arrow")]), "gone.arrow: no such"),
        (Given(reference=[Path("notes.pdf")]), "notes.pdf: format not known"),
        (Given(reference=[Path("broken.arrow")]), "broken.arrow: not readable"),
        (Given(relaxed=[Path("gone.parquet")]), "gone.parquet: no such file"),
        (Given(hull=Path("gone.parquet")), "gone.parquet: no such file"),
        (Given(dft=[Path("gone.parquet")]), "gone.parquet: no such file"),
    ],
)
def test_paths_are_checked_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: Given, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(standalone, "read_structures", no_reading)
    Path("w.xyz").write_text(WATER)
    for name in ("notes.pdf", "broken.arrow"):
        Path(name).write_text("?")
    with pytest.raises(DataError, match=message):
        score_files(STAGE, [Path("w.xyz")], given, Path("out"), workers=1)
    assert not Path("out").exists()


@pytest.mark.parametrize("held", ["samples/crystal/0000.arrow", "vae/model.safetensors", ""])
def test_a_file_and_the_folder_of_a_run_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: str) -> None:
    monkeypatch.setattr(standalone, "read_structures", no_reading)
    (tmp_path / "w.xyz").write_text(WATER)
    out = tmp_path / "out"
    (out / held).parent.mkdir(parents=True, exist_ok=True)
    (out / held).write_text("x")
    with pytest.raises(AditError) as caught:
        score_files(STAGE, [tmp_path / "w.xyz"], Given(), out, workers=1)
    assert isinstance(caught.value, ConfigError)
    assert "--out" in str(caught.value)
