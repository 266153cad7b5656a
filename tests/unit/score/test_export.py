"""``adit export``: the file is read back as LeMat-GenBench reads it, and by this package's own readers."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Structure

from adit import store
from adit.cli import main
from adit.config import Config, ScoreStage
from adit.readers import ReadSettings, read_structures
from adit.score.card import card
from adit.score.common.inputs import Energies
from adit.systems import AtomicSystem, Failure, Kind

CELL = np.array([[4.1, 0.0, 0.0], [-1.3, 3.9, 0.0], [0.2, 0.7, 5.123456789]])


def crystal(name: str) -> AtomicSystem:
    return AtomicSystem(name, Kind.CRYSTAL, np.array([12, 8]), np.array([[0.1, 0.2, 0.3], [2.0, 2.1, 2.6]]), CELL)


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    water = AtomicSystem("water", Kind.MOLECULE, np.array([8, 1]), np.array([[0, 0, 0], [0, 0, 0.96]]))
    rows = [crystal("crystal-0-0"), crystal("=a/b"), Failure("crystal-0-2", "decode", "no volume", Kind.CRYSTAL), water]
    store.write_systems(tmp_path / "samples.arrow", rows)
    return tmp_path / "samples.arrow"


def export(samples: Path, name: str) -> Path:
    out = samples.with_name(name)
    assert main(["export", str(samples), "--out", str(out)]) == 0
    return out


def same(structure: Structure, system: AtomicSystem) -> bool:
    shift = system.fractional - structure.frac_coords
    equal = np.allclose(shift - np.round(shift), 0, atol=1e-6) and list(structure.atomic_numbers) == [12, 8]
    return equal and np.allclose(structure.lattice.volume, system.volume, rtol=1e-6)


def test_the_table_is_read_as_the_benchmark_reads_it(samples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It takes a column ``structure`` with pymatgen's JSON."""
    out = export(samples, "lemat.csv")
    said = capsys.readouterr().err
    assert "2 without a crystal left out" in said
    assert "entries of 2500 structures, these are 2" in said
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["material_id", "structure"]
    assert rows[0]["material_id"] == "crystal-0-0"
    structures = [Structure.from_dict(json.loads(row["structure"])) for row in rows]
    assert len(structures) == 2
    assert all(same(structure, crystal("x")) for structure in structures)
    np.testing.assert_array_equal(structures[0].lattice.matrix, CELL)


def test_the_archive_has_a_cif_of_each_crystal(samples: Path) -> None:
    out = export(samples, "lemat.zip")
    with zipfile.ZipFile(out) as archive:
        assert sorted(archive.namelist()) == ["=a%2Fb.cif", "crystal-0-0.cif"]
        texts = [archive.read(name).decode() for name in archive.namelist()]
    assert all(same(Structure.from_str(text, fmt="cif"), crystal("x")) for text in texts)
    first = out.read_bytes()
    assert export(samples, "lemat.zip").read_bytes() == first


@pytest.mark.parametrize("name", ["lemat.csv", "lemat.zip"])
def test_this_packages_readers_read_it_back(samples: Path, name: str) -> None:
    rows = read_structures([export(samples, name)], ReadSettings(workers=0))
    assert [isinstance(each.row, AtomicSystem) for each in rows] == [True, True]
    assert all(isinstance(each.row, AtomicSystem) and len(each.row) == 2 for each in rows)


def test_what_cannot_be_exported_is_said_in_one_line(samples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(samples), "--out", str(samples.with_name("x.txt"))]) == 2
    assert "give a file with the suffix .csv or .zip" in capsys.readouterr().err
    store.write_systems(samples, [AtomicSystem("he", Kind.MOLECULE, np.array([2]), np.zeros((1, 3)))])
    assert main(["export", str(samples), "--out", str(samples.with_name("x.csv"))]) == 3
    assert "none of the 1 sample is a crystal" in capsys.readouterr().err
    assert not samples.with_name("x.csv").exists()


def test_the_card_says_what_differs() -> None:
    protocols = card(Config().stage(ScoreStage), {}, Energies())["crystal_protocols"]
    assert "the mean of ORB, MACE and UMA" in protocols["lemat"]["differs"]
    assert "LeMat-Bulk" in protocols["lemat"]["differs"]
    assert protocols["adit"]["differs"] is None
