"""Whether two runs have equal results: what a move of the code, or any change that must change no number, has to keep.

    python benchmarks/compare_runs.py before/results/tiny after/results/tiny

Compares every table and file of data, latents, weights, samples, relaxed, hull, DFT, scores and the report's tables:
values bit for bit, columns, rows and their order. Left out: columns and keys of time, machine, version and path
(``--ignore`` adds some), the scratch folders of DFT jobs, logs and resume state. Prints each difference; exit code 1
if there is one, 2 where a folder holds no run.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from adit.store import read_tensors

FOLDERS = ("data", "latents", "vae", "dit", "samples", "checks", "relaxed", "hull", "dft", "scores", "report/tables")
IGNORED = frozenset(
    {"wall_s", "seconds", "minutes", "made", "hardware", "libraries", "adit_version", "path", "folder", "atoms_per_s"}
)
"""Columns and keys of time, machine, version and path."""

SCRATCH = "run"
"""The folder of a DFT job's own files, below ``dft/<id>``."""

Difference = Iterator[str]


def compare(before: Path, after: Path, ignored: frozenset[str] = IGNORED) -> list[str]:
    """Return the differences between two runs, one line each.

    Args:
        before: folder of a run, ``results/<name>``.
        after: folder of another.
        ignored: columns and keys that may differ.
    """
    files_before, files_after = result_files(before), result_files(after)
    lines = [f"{name}: only in {before}" for name in sorted(files_before - files_after)]
    lines += [f"{name}: only in {after}" for name in sorted(files_after - files_before)]
    for name in sorted(files_before & files_after):
        check = CHECKS.get(Path(name).suffix, compare_bytes)
        lines += [f"{name}: {line}" for line in check(before / name, after / name, ignored)]
    return lines


def result_files(run: Path) -> set[str]:
    """Return the paths of a run's results, relative to it; hidden files and scratch are none."""
    paths = set()
    for folder in FOLDERS:
        for path in (run / folder).rglob("*"):
            parts = path.relative_to(run).parts
            scratch = parts[0] == "dft" and SCRATCH in parts
            if path.is_file() and not scratch and not any(part.startswith(".") for part in parts):
                paths.add("/".join(parts))
    return paths


def compare_bytes(before: Path, after: Path, ignored: frozenset[str]) -> Difference:
    """Yield a line where two files are not equal byte for byte."""
    if before.read_bytes() != after.read_bytes():
        yield "other bytes"


def compare_json(before: Path, after: Path, ignored: frozenset[str]) -> Difference:
    """Yield a line for each value that differs in two JSON files."""
    yield from compare_values(json.loads(before.read_text()), json.loads(after.read_text()), ignored)


def compare_values(one: Any, two: Any, ignored: frozenset[str], where: str = "") -> Difference:
    """Yield a line for each value that differs, with its place."""
    if isinstance(one, dict) and isinstance(two, dict):
        for key in sorted(one.keys() | two.keys()):
            if key in ignored:
                continue
            if key not in one or key not in two:
                yield f"{where}/{key}: only in one of them"
            else:
                yield from compare_values(one[key], two[key], ignored, f"{where}/{key}")
    elif isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        for index, (first, second) in enumerate(zip(one, two, strict=True)):
            yield from compare_values(first, second, ignored, f"{where}[{index}]")
    elif type(one) is not type(two) or (one != two and not (one != one and two != two)):
        yield f"{where}: {str(one)[:60]} is {str(two)[:60]}"


def compare_csv(before: Path, after: Path, ignored: frozenset[str]) -> Difference:
    """Yield a line for each column that differs in two CSV files, compared as text."""
    one, two = (pa.Table.from_pandas(pd.read_csv(path, dtype=str, keep_default_na=False)) for path in (before, after))
    yield from compare_columns(one, two, ignored)


def compare_parquet(before: Path, after: Path, ignored: frozenset[str]) -> Difference:
    """Yield a line for each column or piece of provenance that differs in two Parquet files."""
    yield from compare_tables(pa.parquet.read_table(before), pa.parquet.read_table(after), ignored)


def compare_arrow(before: Path, after: Path, ignored: frozenset[str]) -> Difference:
    """Yield a line for each column or piece of provenance that differs in two Arrow files."""
    one, two = (pa.ipc.open_file(pa.memory_map(str(path), "r")).read_all() for path in (before, after))
    yield from compare_tables(one, two, ignored)


def compare_tables(one: pa.Table, two: pa.Table, ignored: frozenset[str]) -> Difference:
    """Yield a line for each column or piece of provenance that differs."""
    metadata = [json.loads((table.schema.metadata or {}).get(b"adit", b"{}")) for table in (one, two)]
    yield from compare_values(*metadata, ignored, "provenance")
    yield from compare_columns(one, two, ignored)


def compare_columns(one: pa.Table, two: pa.Table, ignored: frozenset[str]) -> Difference:
    """Yield a line where columns or their order, types, the number of rows or values differ."""
    if one.column_names != two.column_names:
        yield f"columns {one.column_names} are {two.column_names}"
    if one.num_rows != two.num_rows:
        yield f"{one.num_rows} rows are {two.num_rows}"
        return
    for name in one.column_names:
        if name in ignored or name not in two.column_names:
            continue
        if one.schema.field(name).type != two.schema.field(name).type:
            yield f"column {name}: type {one.schema.field(name).type} is {two.schema.field(name).type}"
            continue
        pairs = zip(one.column(name).to_pylist(), two.column(name).to_pylist(), strict=True)
        rows = [row for row, values in enumerate(pairs) if differ(*values, ignored)]
        if rows:
            first = [str(table.column(name)[rows[0]].as_py())[:60] for table in (one, two)]
            yield f"column {name}: {len(rows)} of {one.num_rows} rows differ; row {rows[0]}: {first[0]} is {first[1]}"


def differ(one: Any, two: Any, ignored: frozenset[str]) -> bool:
    """Return whether two cells differ; a text of JSON is compared by its keys."""
    if isinstance(one, str) and isinstance(two, str) and one.startswith("{") and one != two:
        try:
            one, two = json.loads(one), json.loads(two)
        except ValueError:
            return True
    return next(compare_values(one, two, ignored), None) is not None


def compare_tensors(before: Path, after: Path, ignored: frozenset[str]) -> Difference:
    """Yield a line for each tensor that differs in two files of weights."""
    one, two = read_tensors(before), read_tensors(after)
    for name in sorted(one.keys() | two.keys()):
        if name not in one or name not in two:
            yield f"tensor {name}: only in one of them"
        elif not np.array_equal(one[name].numpy(), two[name].numpy(), equal_nan=True):
            yield f"tensor {name} differs"


CHECKS: dict[str, Callable[[Path, Path, frozenset[str]], Difference]] = {
    ".json": compare_json,
    ".csv": compare_csv,
    ".parquet": compare_parquet,
    ".arrow": compare_arrow,
    ".safetensors": compare_tensors,
}


def main() -> int:
    """Print the differences of two runs; return the exit code."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("before", type=Path, help="folder of a run")
    options.add_argument("after", type=Path, help="folder of another run of the same configuration")
    options.add_argument("--ignore", nargs="*", default=[], help="further columns and keys that may differ")
    args = options.parse_args()
    for run in (args.before, args.after):
        if not result_files(run):
            print(f"error: {run}: holds no results of a run; give a folder results/<name>", file=sys.stderr)
            return 2
    lines = compare(args.before, args.after, IGNORED | frozenset(args.ignore))
    print("\n".join(lines) if lines else f"equal: {len(result_files(args.before))} files")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
