"""The only place that reads and writes data files (Arrow, Parquet, JSON, safetensors, extxyz), atomically."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.ipc
import pyarrow.parquet

from adit.errors import DataError, from_os_error
from adit.outputs.cells import escaped, unescaped
from adit.outputs.manifest import is_made_here
from adit.outputs.parts import link_into_place, temporary_beside
from adit.systems import AtomicSystem, Failure, Kind, SystemArrays

if TYPE_CHECKING:
    import pandas as pd
    import torch

Row = AtomicSystem | Failure

SYSTEM_SCHEMA = pa.schema(
    [
        pa.field("system_id", pa.string(), nullable=False),
        pa.field("kind", pa.string()),
        pa.field("split", pa.string()),
        pa.field("numbers", pa.list_(pa.uint8())),
        pa.field("positions", pa.list_(pa.float64())),
        pa.field("cell", pa.list_(pa.float64(), 9)),
        pa.field("info", pa.string()),
        pa.field("failed_stage", pa.string()),
        pa.field("failed_reason", pa.string()),
    ]
)


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; move it into place when the block ends well, remove it otherwise.

    The file gets the permissions that the umask allows.

    Raises:
        DataError: the file cannot be written (no space, no permission), or is no plain file (a folder, a device).
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise DataError(f"writing {path}: is there and no plain file; give another name")
    try:
        with temporary_beside(path) as temporary:
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
    except OSError as error:
        raise from_os_error(error, f"writing {path}") from error


def _need(path: Path | str) -> Path:
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file; run the stage that makes it, or check the path")
    return path


def _broken(path: Path, error: Exception) -> DataError:
    way = (
        "delete it and run the stage that makes it again"
        if is_made_here(path)
        else "give another file, or make it again"
    )
    return DataError(f"{path}: not readable ({error}); {way}")


# --- text and JSON ----------------------------------------------------------------------------------------------------


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` as UTF-8."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write JSON with sorted keys; NaN is refused, so that every reader can read it."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file."""
    path = _need(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise _broken(path, error) from error


# --- systems ----------------------------------------------------------------------------------------------------------


def _record(row: Row, split: str | None) -> dict[str, Any]:
    if isinstance(row, Failure):
        kind = None if row.kind is None else str(row.kind)
        return {
            "system_id": row.system_id,
            "kind": kind,
            "split": split,
            "failed_stage": row.stage,
            "failed_reason": row.reason,
        }
    return {
        "system_id": row.system_id,
        "kind": str(row.kind),
        "split": split,
        "numbers": row.numbers.astype(np.uint8),
        "positions": row.positions.ravel(),
        "cell": None if row.cell is None else row.cell.ravel(),
        "info": json.dumps(dict(row.info), sort_keys=True),
    }


def write_systems(
    path: Path | str,
    rows: Iterable[Row],
    *,
    splits: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write systems and failures as an Arrow file.

    Args:
        path: the file.
        rows: systems and failures, one row each.
        splits: the split of each row, as many as rows.
        metadata: provenance, kept as JSON in the schema.
    """
    rows = list(rows)
    if splits is not None and len(splits) != len(rows):
        raise DataError(f"{path}: {len(rows)} rows but {len(splits)} splits")
    write_arrow(path, systems_table(rows, splits).replace_schema_metadata(provenance_metadata(metadata or {})))


def systems_table(rows: Sequence[Row], splits: Sequence[str] | None = None) -> pa.Table:
    """Return systems and failures as a table of ``SYSTEM_SCHEMA``."""
    labels: Sequence[str | None] = splits if splits is not None else [None] * len(rows)
    records = [_record(row, label) for row, label in zip(rows, labels, strict=True)]
    return pa.Table.from_pylist(records, schema=SYSTEM_SCHEMA)


def provenance_metadata(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return provenance as the metadata of a schema."""
    return {"adit": json.dumps(dict(metadata), sort_keys=True)}


class SystemTable(Sequence[Row]):
    """A memory-mapped file of systems and failures; a row is made only when it is asked for."""

    def __init__(self, table: pa.Table, path: Path) -> None:
        self._table = table
        self.path = path

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._row(i) for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self._row(index % len(self))

    def _row(self, index: int) -> Row:
        record = {name: self._table.column(name)[index] for name in self._table.column_names}
        kind = record["kind"].as_py()
        if not record["numbers"].is_valid:
            return Failure(
                record["system_id"].as_py(),
                record["failed_stage"].as_py() or "unknown",
                record["failed_reason"].as_py() or "unknown",
                None if kind is None else Kind(kind),
            )
        cell = record["cell"]
        return AtomicSystem(
            system_id=record["system_id"].as_py(),
            kind=Kind(kind),
            numbers=record["numbers"].values.to_numpy(zero_copy_only=False),
            positions=record["positions"].values.to_numpy(zero_copy_only=False).reshape(-1, 3),
            cell=cell.values.to_numpy(zero_copy_only=False).reshape(3, 3) if cell.is_valid else None,
            info=json.loads(record["info"].as_py() or "{}"),
        )

    @property
    def metadata(self) -> dict[str, Any]:
        """Return the provenance written with the file."""
        raw = (self._table.schema.metadata or {}).get(b"adit", b"{}")
        loaded: dict[str, Any] = json.loads(raw)
        return loaded

    @property
    def splits(self) -> list[str | None]:
        """Return the split of each row."""
        return list(self._table.column("split").to_pylist())

    @property
    def ids(self) -> list[str]:
        """Return the id of each row."""
        return list(self._table.column("system_id").to_pylist())

    @property
    def n_atoms(self) -> np.ndarray:
        """Return the number of atoms of each row (0 for failures)."""
        lengths = pa.compute.list_value_length(self._table.column("numbers")).to_pylist()
        return np.array([length or 0 for length in lengths], dtype=np.int64)

    def systems(self, split: str | None = None) -> list[AtomicSystem]:
        """Return the systems (not the failures), of one split where named."""
        labels = self.splits
        rows = (self._row(i) for i in range(len(self)) if split is None or labels[i] == split)
        return [row for row in rows if isinstance(row, AtomicSystem)]

    def arrays(self, split: str) -> SystemArrays:
        """Return the systems of a split as flat arrays, in their order, without making each."""
        table = self._table.filter(self._wanted(split)).combine_chunks()
        numbers, positions = (_flat_list(table, name) for name in ("numbers", "positions"))
        sizes = np.asarray(pa.compute.list_value_length(table.column("numbers")), dtype=np.int64)
        cells = np.zeros((table.num_rows, 9), dtype=np.float32)
        periodic = np.asarray(table.column("cell").is_valid(), dtype=bool)
        cells[periodic] = _flat_list(table.filter(pa.array(periodic)), "cell").reshape(-1, 9)
        kinds = pa.compute.index_in(table.column("kind"), pa.array([str(kind) for kind in Kind]))
        return SystemArrays(
            numbers=numbers.astype(np.uint8),
            positions=positions.reshape(-1, 3).astype(np.float32),
            cell=cells.reshape(-1, 3, 3),
            offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            kind=np.asarray(kinds, dtype=np.int64),
        )

    def _wanted(self, split: str) -> pa.ChunkedArray:
        """Return which rows are systems (not failures) of a split."""
        return pa.compute.and_(
            pa.compute.equal(self._table.column("split"), split), self._table.column("numbers").is_valid()
        )

    def infos(self, split: str) -> list[dict[str, Any]]:
        """Return the annotations of the systems of a split, in the order of ``arrays``."""
        return [json.loads(text or "{}") for text in self._table.column("info").filter(self._wanted(split)).to_pylist()]

    def split_ids(self, split: str) -> list[str]:
        """Return the ids of the systems of a split, in the order of ``arrays``."""
        return list(self._table.column("system_id").filter(self._wanted(split)).to_pylist())

    def failures(self) -> list[Failure]:
        """Return the failures."""
        return [row for row in self if isinstance(row, Failure)]


def _flat_list(table: pa.Table, name: str) -> np.ndarray:
    """Return the values of a list column, one after the other."""
    values = pa.compute.list_flatten(table.column(name))
    return np.asarray(values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values)


def read_systems(path: Path | str) -> SystemTable:
    """Open a file of systems (memory-mapped).

    Raises:
        DataError: the file is missing, broken or no file of systems.
    """
    path = _need(path)
    table = read_arrow(path)
    missing = [name for name in SYSTEM_SCHEMA.names if name not in table.column_names]
    if missing:
        raise DataError(f"{path}: is no file of systems (lacks {', '.join(missing)})")
    return SystemTable(table, path)


# --- tables -----------------------------------------------------------------------------------------------------------


def write_arrow(path: Path | str, table: pa.Table) -> None:
    """Write a table as an uncompressed Arrow file, so that it can be memory-mapped."""
    with arrow_writer(path, table.schema) as write:
        write(table)


@contextmanager
def arrow_writer(path: Path | str, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Yield a function that appends tables to an Arrow file, which appears when the block ends well."""
    with (
        atomic_path(path) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, schema) as out,
    ):
        yield out.write_table


@contextmanager
def parquet_writer(path: Path | str, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Yield a function that appends tables to a Parquet file, which appears when the block ends well."""
    with atomic_path(path) as temporary, pa.parquet.ParquetWriter(temporary, schema) as out:
        yield out.write_table


def read_arrow(path: Path | str) -> pa.Table:
    """Open an Arrow file, memory-mapped."""
    path = _need(path)
    try:
        return pa.ipc.open_file(pa.memory_map(str(path), "r")).read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise _broken(path, error) from error


def write_frame(path: Path | str, frame: pd.DataFrame, metadata: Mapping[str, Any] | None = None) -> None:
    """Write a pandas frame as Parquet (or CSV by the file's suffix, without cells that a spreadsheet would compute)."""
    with atomic_path(path) as temporary:
        if Path(path).suffix == ".csv":
            escaped(frame).to_csv(temporary, index=False)
            return
        table = pa.Table.from_pandas(frame, preserve_index=False)
        extra = {"adit": json.dumps(dict(metadata or {}), sort_keys=True)}
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), **extra})
        pa.parquet.write_table(table, temporary)


NAMES_IN_TABLES = ("system_id", "formula", "smiles", "material_id")
"""Columns of CSV files that are text, whatever they look like."""


def _typed(values: pd.Series[Any]) -> Any:
    """Return a column of a CSV file as numbers or truth values where all it holds are such; "" is missing."""
    import pandas as pd

    if values.dtype != object and not pd.api.types.is_string_dtype(values.dtype):
        return values
    missing = values.isin(["", "nan", "NaN", "None", "NA", "null"])
    if missing.all():
        return pd.to_numeric(values.where(~missing), errors="coerce")
    numbers = pd.to_numeric(values.where(~missing), errors="coerce")
    return numbers if numbers[~missing].notna().all() else values.where(values != "")


def read_frame(path: Path | str) -> pd.DataFrame:
    """Read a Parquet (or CSV) file as a pandas frame."""
    import pandas as pd

    path = _need(path)
    try:
        if path.suffix != ".csv":
            return pd.read_parquet(path)
        # Names are text as it stands: "nan" may be the name of a structure, "NaN" the formula of one of Na and N.
        names = dict.fromkeys(NAMES_IN_TABLES, str)
        frame = unescaped(pd.read_csv(path, dtype=names, keep_default_na=False, na_values={}))
        for column in frame.columns.difference(list(names)):
            frame[column] = _typed(frame[column])
        return frame
    except (pa.ArrowInvalid, OSError, ValueError) as error:
        raise _broken(path, error) from error


def frame_metadata(path: Path | str) -> dict[str, Any]:
    """Return the provenance of a Parquet file."""
    raw = (pa.parquet.read_schema(_need(path)).metadata or {}).get(b"adit", b"{}")
    loaded: dict[str, Any] = json.loads(raw)
    return loaded


# --- weights ----------------------------------------------------------------------------------------------------------


def write_tensors(
    path: Path | str, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named tensors as safetensors."""
    from safetensors.torch import save

    with atomic_path(path) as temporary:
        temporary.write_bytes(
            save({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, dict(metadata or {}))
        )


def read_tensors(path: Path | str) -> dict[str, torch.Tensor]:
    """Read named tensors from safetensors."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = _need(path)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise _broken(path, error) from error


def weight_files(folder: Path | str) -> list[Path]:
    """Return the file of a model's weights, or its shards in order.

    Raises:
        DataError: there is none.
    """
    folder = Path(folder)
    whole = folder / "model.safetensors"
    shards = sorted(folder.glob("model-*.safetensors"))
    return [whole] if whole.is_file() or not shards else shards


def read_weights(folder: Path | str) -> dict[str, torch.Tensor]:
    """Read the weights in a model's folder, one file or shards, as 32-bit numbers."""
    tensors = {name: tensor for path in weight_files(folder) for name, tensor in read_tensors(path).items()}
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def weights_sha256(folder: Path | str) -> str:
    """Return the SHA-256 of the weights in a model's folder; of shards: that of their hashes, in order."""
    import hashlib

    hashes = [sha256(path) for path in weight_files(folder)]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def write_torch(path: Path | str, state: Mapping[str, Any]) -> None:
    """Write the resume state of a training (written and read by this package alone)."""
    import io

    import torch

    buffer = io.BytesIO()  # torch turns a full disk into an error of its own; plain writing says what it is
    torch.save(dict(state), buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def read_torch(path: Path | str) -> dict[str, Any] | None:
    """Read a resume state; ``None`` when there is none or it was cut short."""
    import pickle
    import zipfile

    import torch

    if not Path(path).is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile):
        return None
    return state


# --- hashes and cached results ----------------------------------------------------------------------------------------


def sha256(path: Path | str) -> str:
    """Return the SHA-256 of a file."""
    import hashlib

    digest = hashlib.sha256()
    with _need(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def cached_json(path: Path | str, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the JSON at ``path`` if its ``key`` field equals ``key``; else make, write and return it.

    Work that a killed process had finished is found again in this way, and work of other settings is not.
    """
    path = Path(path)
    if path.is_file():
        try:
            found = read_json(path)
        except DataError:
            found = None
        if isinstance(found, dict) and found.get("key") == key:
            return found
    made = {**make(), "key": key}
    write_json(path, made)
    return made


def link(source: Path | str, path: Path | str) -> None:
    """Give a whole file a second name, without a second copy where the file system can; what was there is replaced."""
    source, path = _need(source), Path(path)
    if link_into_place(source, path):
        return
    with atomic_path(path) as part:
        shutil.copyfile(source, part)


def write_extxyz(path: Path | str, systems: Iterable[AtomicSystem]) -> None:
    """Write systems as extended XYZ (ids and scalar ``info`` in the comment line)."""
    from adit.elements import symbol

    lines: list[str] = []
    for system in systems:
        scalars = {k: v for k, v in system.info.items() if isinstance(v, (int, float, str, bool))}
        comment = [f'Lattice="{" ".join(f"{x:.10f}" for x in system.cell.ravel())}"'] if system.cell is not None else []
        comment.append("Properties=species:S:1:pos:R:3")
        comment.append(f'pbc="{"T T T" if system.cell is not None else "F F F"}"')
        comment.append(f"system_id={system.system_id}")
        comment += [f"{key}={json.dumps(value)}" for key, value in scalars.items()]
        lines += [str(len(system)), " ".join(comment)]
        lines += [
            f"{symbol(int(z)):<2s} {x:16.10f} {y:16.10f} {w:16.10f}"
            for z, (x, y, w) in zip(system.numbers, system.positions, strict=True)
        ]
    write_text(path, "\n".join(lines) + ("\n" if lines else ""))
