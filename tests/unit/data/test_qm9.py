"""QM9: its own XYZ, the list of uncharacterized molecules, both forms, and the splits."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from adit.data.datasets import qm9
from adit.data.datasets.catalogue import known_dataset
from adit.data.sources.registry import RawFile
from adit.errors import DataError

METHANE = """5
gdb 1\t157.7118\t157.70997\t157.70699\t0.\t13.21\t-0.3877\t0.1171\t0.5048\t35.3641\t0.044749
C\t-0.0126981359\t 1.0858041578\t 0.0080009958\t-0.535689
H\t 0.002150416\t-0.0060313176\t 0.0019761204\t 0.133921
H\t 1.0117308433\t 1.4637511618\t 2.765748*^-4\t 0.133922
H\t-0.540815069\t 1.4475266138\t-0.8766437152\t 0.133923
H\t-0.5238136345\t 1.4379326443\t 9.063972942*^-1\t 0.133923
1341.307\t1341.3284\t1341.365\t1562.6731\t1562.7453\t3038.3205\t3151.6034\t3151.6788\t3151.7078
C\tC
InChI=1S/CH4/h1H4\tInChI=1S/CH4/h1H4
"""


@pytest.fixture(autouse=True)
def unpublished(monkeypatch):
    """These archives are not the published ones: take them without a checksum."""
    monkeypatch.setattr(qm9, "QM9", tuple(RawFile(file.name) for file in qm9.QM9))


def write_archive(folder: Path, texts: dict[int, str], excluded: tuple[int, ...]) -> Path:
    (folder / "qm9").mkdir(parents=True)
    with tarfile.open(folder / qm9.QM9[0].name, "w:bz2") as tar:
        for index, text in texts.items():
            member = tarfile.TarInfo(f"dsgdb9nsd_{index:06d}.xyz")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    rows = "".join(f"{index:6d}   C#N   C=N   0.1\n" for index in excluded)
    (folder / qm9.QM9[1].name).write_text(f"=====\nIndices of molecules that\n=====\n{rows}=====\n")
    return folder


def test_fortran_like_floats_are_read():
    methane = qm9.read_xyz(METHANE, "gdb_1")
    assert list(methane.numbers) == [6, 1, 1, 1, 1]
    assert methane.positions[2, 2] == pytest.approx(2.765748e-4)
    assert methane.positions[4, 2] == pytest.approx(0.9063972942)
    bonds = np.linalg.norm(methane.positions[1:] - methane.positions[0], axis=1)
    assert bonds == pytest.approx(np.full(4, 1.0919), abs=1e-3)


@pytest.mark.parametrize("text", ["", "5\nshort\nC 0 0 0\n", "x", METHANE.replace("H\t 1.0", "Q\t 1.0"), "0\n\n"])
def test_broken_xyz_is_a_data_error(text):
    with pytest.raises(DataError, match="gdb_1"):
        qm9.read_xyz(text, "gdb_1")


def test_archive_leaves_the_uncharacterized_out(tmp_path):
    mirror = write_archive(tmp_path, {1: METHANE, 2: METHANE, 21: METHANE, 7: "broken"}, (2, 21))
    loaded = known_dataset("qm9").load(str(mirror))
    assert [record.system_id for record in loaded.records] == ["gdb_1", "gdb_7"]
    assert len(loaded.records[0].make()) == 5
    with pytest.raises(DataError):
        loaded.records[1].make()


def test_archive_and_parquet_give_the_same_systems_and_splits(tmp_path):
    indices = list(range(1, 41))
    archive = write_archive(tmp_path / "a", dict.fromkeys(indices, METHANE), ())
    methane = qm9.read_xyz(METHANE, "x")
    (tmp_path / "p" / "qm9").mkdir(parents=True)
    table = pa.table(
        {
            "id": [f"gdb_{i}" for i in indices],
            "atomic_numbers": [methane.numbers.astype(np.uint8)] * 40,
            "positions": [methane.positions.ravel().astype(np.float32)] * 40,
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "p" / qm9.QM9_PARQUET[0].name)
    first, second = (known_dataset("qm9").load(str(folder)).records for folder in (archive, tmp_path / "p"))
    assert [(r.system_id, r.split) for r in first] == [(r.system_id, r.split) for r in second]
    assert np.allclose(first[3].make().positions, second[3].make().positions, atol=1e-6)


def test_parquet_row_with_missing_coordinates_is_a_data_error(tmp_path):
    (tmp_path / "qm9").mkdir()
    table = pa.table({"id": ["gdb_1"], "atomic_numbers": [[6, 1]], "positions": [[0.0, 0.0, 0.0]]})
    pyarrow.parquet.write_table(table, tmp_path / qm9.QM9_PARQUET[0].name)
    (record,) = known_dataset("qm9").load(str(tmp_path)).records
    with pytest.raises(DataError, match="2 atoms but 3 coordinates"):
        record.make()


def test_unknown_id_is_a_data_error(tmp_path):
    (tmp_path / "qm9").mkdir()
    table = pa.table({"id": ["zinc_1"], "atomic_numbers": [[6]], "positions": [[0.0, 0.0, 0.0]]})
    pyarrow.parquet.write_table(table, tmp_path / qm9.QM9_PARQUET[0].name)
    with pytest.raises(DataError, match="'zinc_1' is not an id of QM9"):
        known_dataset("qm9").load(str(tmp_path))


def test_whole_set_is_cut_as_in_edm():
    labels = qm9.splits(range(1, qm9.N_CHARACTERIZED + 1))
    assert [labels.count(split) for split in ("train", "val", "test")] == [100_000, 17_748, 13_083]


def test_split_is_fixed():
    assert qm9.splits(range(1, 13)) == qm9.splits(range(1, 13))
    labels = qm9.splits(range(1, 1001))
    assert (labels.count("train"), labels.count("test")) == (764, 100)
