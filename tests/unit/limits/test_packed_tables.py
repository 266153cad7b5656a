"""Tables of which a few bytes stand for gigabytes: one failure row, and the main process stays small."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest

from adit.config import LimitsConfig, ReadConfig
from adit.convert import to_cif
from adit.errors import DataError
from adit.limits import LimitError, limited
from adit.readers import ReadRow, read_structures, settings_of
from adit.store import read_frame, read_json, read_systems, write_extxyz, write_frame, write_json, write_systems
from adit.store.arrow_sizes import unpacked_size
from adit.systems import Failure
from tests.conftest import random_crystal

SMALL = {"archive_bytes": 20_000_000}
READER = """
import resource, sys
from pathlib import Path
from adit.config import LimitsConfig, ReadConfig
from adit.readers import read_structures, settings_of
from adit.systems import Failure
read_structures([Path(sys.argv[2])], settings_of(ReadConfig(), LimitsConfig(), 0))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
limits = LimitsConfig(archive_bytes=150_000_000)
rows = read_structures([Path(sys.argv[1]), Path(sys.argv[2])], settings_of(ReadConfig(), limits, 0))
assert [isinstance(each.row, Failure) for each in rows] == [True, False], rows
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
print(rows[0].row.reason)
"""


def good(path: Path) -> Path:
    write_extxyz(path / "good.extxyz", [random_crystal(np.random.default_rng(0), 3, "s0")])
    return path / "good.extxyz"


def read(paths: list[Path], **limits: float) -> list[ReadRow]:
    return read_structures(paths, settings_of(ReadConfig(), LimitsConfig.model_validate(limits), 0))


def growth(path: Path) -> tuple[int, str]:
    """Return by how many bytes a process grows that reads a file, and the reason of its row."""
    words = [sys.executable, "-c", READER, str(path), str(good(path.parent))]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    size, reason = done.stdout.splitlines()
    return 1024 * int(size), reason


def parquet(path: Path, column: pa.Array, **options: bool) -> Path:
    pyarrow.parquet.write_table(pa.table({"cif": column}), path, compression="zstd", **options)
    assert path.stat().st_size < 100_000
    return path


def arrow(path: Path, rows: int, batches: int = 1, compression: str | None = "zstd") -> Path:
    """Write a file of systems of which each has 10,000 atoms at one place."""
    system = random_crystal(np.random.default_rng(0), 3, "s0")
    write_systems(path, [system])
    table = read_systems(path)._table
    record = table.to_pylist()[0] | {"numbers": [6] * 10_000, "positions": [0.0] * 30_000}
    batch = pa.Table.from_pylist([record], schema=table.schema)
    batch = pa.concat_tables([batch] * rows).combine_chunks()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema, options=options) as out:
        for _ in range(batches):
            out.write_table(batch)
    return path


@pytest.mark.parametrize("stated", [False, True])
@pytest.mark.parametrize("rows", [10_000, 100, 1])
def test_one_long_text_many_times_in_a_parquet_table(tmp_path: Path, rows: int, stated: bool) -> None:
    """Without ``stated``, the file does not say that the column is a dictionary of pyarrow."""
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 10_000, pa.int32()), pa.array(["x" * 300_000]))
    if rows < 10_000:
        column = pa.ListArray.from_arrays(list(range(0, 10_001, 10_000 // rows)), column)
    size, reason = growth(parquet(tmp_path / "a.parquet", column, store_schema=stated))
    assert "limits.archive_bytes" in reason
    assert size < 600_000_000


def test_empty_rows_of_a_parquet_table_count(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", pa.nulls(2_000_000, pa.string()))
    rows = read([path, good(tmp_path)], **SMALL)
    assert [isinstance(each.row, Failure) for each in rows] == [True, False]


def test_many_numbers_in_one_cell_of_a_parquet_table_count(tmp_path: Path) -> None:
    numbers = pa.ListArray.from_arrays([0, 50_000_000], pa.array(np.zeros(50_000_000, dtype=np.int8)))
    size, reason = growth(parquet(tmp_path / "a.parquet", numbers))
    assert "limits.archive_bytes" in reason
    assert size < 600_000_000


def test_nested_columns_of_a_parquet_table_are_read_as_before(tmp_path: Path) -> None:
    from adit.readers.formats.parquet import parquet_columns

    rows = [
        {"t": "a", "n": [1, 2], "s": {"x": 1.5, "y": ["b", None]}, "m": [("k", "v")], "o": None, "b": b"z", "f": 1.0},
        {"t": None, "n": None, "s": None, "m": None, "o": None, "b": None, "f": None},
    ] * 100
    kinds = {
        "t": pa.string(),
        "n": pa.list_(pa.int8()),
        "s": pa.struct({"x": pa.float64(), "y": pa.list_(pa.string())}),
    }
    kinds |= {"m": pa.map_(pa.string(), pa.string()), "o": pa.null(), "b": pa.binary(), "f": pa.float32()}
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows, schema=pa.schema(kinds)), tmp_path / "a.parquet")
    columns = parquet_columns(tmp_path / "a.parquet", "a", LimitsConfig())
    assert columns == pyarrow.parquet.read_table(tmp_path / "a.parquet").to_pydict()


def test_a_parquet_table_within_the_limit_is_read(tmp_path: Path) -> None:
    text = to_cif(random_crystal(np.random.default_rng(0), 3, "s0"))
    parquet(tmp_path / "a.parquet", pa.array([text] * 500).dictionary_encode())
    rows = read([tmp_path / "a.parquet"])
    assert len(rows) == 500
    assert not [each for each in rows if isinstance(each.row, Failure)]
    (beyond,) = read([tmp_path / "a.parquet"], archive_bytes=100_000)
    assert isinstance(beyond.row, Failure)


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_the_unpacked_size_of_an_arrow_file_is_that_of_its_buffers(tmp_path: Path, compression: str) -> None:
    path = arrow(tmp_path / "a.arrow", 20, 3, compression)
    with pa.ipc.open_file(path) as file:
        size = sum(file.get_batch(n).nbytes for n in range(file.num_record_batches))
    assert unpacked_size(path) == pytest.approx(size, rel=0.01)
    assert unpacked_size(arrow(tmp_path / "b.arrow", 20, 1, None)) == 0


@pytest.mark.parametrize(("rows", "batches"), [(4000, 1), (400, 10)])
def test_a_compressed_arrow_file_of_gigabytes_is_not_unpacked(tmp_path: Path, rows: int, batches: int) -> None:
    path = arrow(tmp_path / "a.arrow", rows, batches)
    assert path.stat().st_size < 2_000_000
    size, reason = growth(path)
    assert "without compression" in reason
    assert size < 100_000_000
    with pytest.raises(DataError, match="bytes unpacked"):
        read_systems(path)


def test_a_small_compressed_arrow_file_is_read(tmp_path: Path) -> None:
    assert len(read_systems(arrow(tmp_path / "a.arrow", 20))) == 20


def test_an_arrow_file_of_dictionaries_is_a_row(tmp_path: Path) -> None:
    write_systems(tmp_path / "a.arrow", [random_crystal(np.random.default_rng(0), 3, "s0")])
    table = read_systems(tmp_path / "a.arrow")._table
    encoded = table.set_column(0, "system_id", table.column("system_id").dictionary_encode())
    with pa.OSFile(str(tmp_path / "b.arrow"), "wb") as sink, pa.ipc.new_file(sink, encoded.schema) as out:
        out.write_table(encoded)
    rows = read([tmp_path / "b.arrow", good(tmp_path)])
    assert [isinstance(each.row, Failure) for each in rows] == [True, False]


def test_damaged_headers_of_an_arrow_file_are_said(tmp_path: Path) -> None:
    content = bytearray(arrow(tmp_path / "a.arrow", 5).read_bytes())
    (length,) = struct.unpack_from("<i", content, len(content) - 10)
    generator = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(content)
        place = len(content) - 10 - int(generator.integers(0, length + 1))
        damaged[place : place + 4] = generator.bytes(4)
        (tmp_path / "b.arrow").write_bytes(damaged)
        rows = read([tmp_path / "b.arrow", good(tmp_path)])
        assert not isinstance(rows[-1].row, Failure)


FRAME = """
import resource, sys
from adit.cli import main
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
out, mine, settings = sys.argv[2:]
code = main(["hull", mine, "--reference", sys.argv[1], "--out", out, "--config", settings, "--energy-tag", "x"])
print(code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def packed_csv(path: Path, block: bytes) -> Path:
    """Write a packed text table of 120 MB."""
    path.write_bytes(gzip.compress(b"system_id,formula,energy_per_atom\n") + gzip.compress(block) * 120)
    return path


def constant(path: Path, value: str | float, rows: int) -> Path:
    """Write a Parquet table of one value, many times."""
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([value]))
    table = pa.table({"system_id": column, "formula": column, "energy_per_atom": column})
    pyarrow.parquet.write_table(table, path, compression="zstd", store_schema=False)
    return path


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("rows.csv.gz", lambda path: packed_csv(path, b"x,NaCl,1\n" * 116_000)),
        ("cells.csv.gz", lambda path: packed_csv(path, b"," * (1 << 20))),
        ("text.parquet", lambda path: constant(path, "x" * 100_000, 20_000)),
        ("number.parquet", lambda path: constant(path, 1.0, 10_000_000)),
    ],
)
def test_tables_that_take_gigabytes_are_refused_in_one_line(
    name: str, make: Callable[[Path], Path], tmp_path: Path
) -> None:
    bomb = make(tmp_path / name)
    assert bomb.stat().st_size < 10_000_000
    write_frame(tmp_path / "mine.csv", pd.DataFrame({"system_id": ["a"], "formula": ["NaCl"], "energy_per_atom": [1]}))
    (tmp_path / "run.yaml").write_text("limits: {file_bytes: 100000000, archive_bytes: 200000000}\n")
    paths = [bomb, *(tmp_path / name for name in ("out.csv", "mine.csv", "run.yaml"))]
    words = [sys.executable, "-c", FRAME, *map(str, paths)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    code, size = map(int, done.stdout.split())
    assert code == 3, done.stderr
    assert 1024 * size < 600_000_000
    assert done.stderr.count("\n") == 1
    assert "error: " in done.stderr
    assert "bytes unpacked" in done.stderr
    assert not (tmp_path / "out.csv").exists()


def test_the_limits_of_a_command_are_those_of_its_configuration(tmp_path: Path) -> None:
    frame = pd.DataFrame({"system_id": [f"s{n}" for n in range(1000)], "text": ["x" * 100] * 1000, "n": range(1000)})
    for name in ("t.csv", "t.parquet"):
        write_frame(tmp_path / name, frame)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress((tmp_path / "t.csv").read_bytes()))
    write_json(tmp_path / "t.json", ["x" * 1000])
    for name in ("t.csv", "t.parquet", "t.csv.gz"):
        pd.testing.assert_frame_equal(read_frame(tmp_path / name), frame, check_dtype=False)
        with limited(LimitsConfig(archive_bytes=10_000)), pytest.raises(LimitError, match=r"limits\.archive_bytes"):
            read_frame(tmp_path / name)
    for name, read in (("t.csv.gz", read_frame), ("t.json", read_json)):
        with limited(LimitsConfig(file_bytes=500)), pytest.raises(LimitError, match=r"limits\.file_bytes"):
            read(tmp_path / name)


@pytest.mark.parametrize("cells", [1, 200])
def test_a_text_table_of_many_cells_takes_the_memory_of_its_cells(tmp_path: Path, cells: int) -> None:
    (tmp_path / "t.csv").write_text("a\n" + "," * cells + "\n")
    with limited(LimitsConfig(archive_bytes=1000)):
        if cells == 1:
            read_frame(tmp_path / "t.csv")
        else:
            with pytest.raises(LimitError, match="about 202 cells"):
                read_frame(tmp_path / "t.csv")


@pytest.mark.parametrize("name", ["t.csv.gz", "t.parquet"])
def test_damaged_tables_are_one_error(tmp_path: Path, name: str) -> None:
    frame = pd.DataFrame({"system_id": [str(np.random.default_rng(n).random()) for n in range(1000)]})
    write_frame(tmp_path / "t.parquet", frame)
    write_frame(tmp_path / "t.csv", frame)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress((tmp_path / "t.csv").read_bytes()))
    data = bytearray((tmp_path / name).read_bytes())
    for cut in (10, len(data) // 2, len(data) - 5):
        (tmp_path / name).write_bytes(data[:cut])
        with pytest.raises(DataError, match="not readable"):
            read_frame(tmp_path / name)
    data[len(data) // 2] ^= 255
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match="not readable"):
        read_frame(tmp_path / name)
