"""How fast MP20 and QM9 are prepared, and what opening the prepared QM9 costs.

python benchmarks/prepare.py --mirror ../shared/data [--against CHECKOUT] [--json out.json]

With another checkout of this repository, both prepare MP20 and QM9 in turn; medians are printed, every row that differs
is counted, and keys of the cards that differ are named.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
from machine import describe

from adit.config import ChosenDataset, Config, PrepareStage
from adit.data.prepare.stage import prepare

OPEN = """
import time, sys
from adit.store import read_systems
def megabytes():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
before, start = megabytes(), time.perf_counter()
table = read_systems(sys.argv[1])
rows = len(table)
print(rows, time.perf_counter() - start, megabytes() - before)
"""


PREPARE = """
import json, logging, resource, sys, time
from pathlib import Path
from adit.config import ChosenDataset, Config, PrepareStage
try:
    from adit.data.prepare.stage import prepare
except ImportError:
    from adit.data.prepare import prepare
name, folder, mirror, workers = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
limit = int(sys.argv[5]) or None
logging.disable(logging.CRITICAL)
if __name__ == "__main__":
    stage = Config().stage(PrepareStage, dataset=ChosenDataset(name=name, limit=limit), custom=None)
    start = time.perf_counter()
    prepare(stage, folder / f"{name}.arrow", folder / f"{name}.stats.json", mirror=mirror, workers=workers)
    seconds = time.perf_counter() - start
    used = [resource.getrusage(each) for each in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps([seconds, sum(each.ru_utime + each.ru_stime for each in used)]))
"""
"""Prepares a dataset, whatever the checkout's function for that is."""


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--mirror", required=True, help="folder or URL with copies of MP20 and QM9")
    options.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    options.add_argument("--against", type=Path, help="another checkout of this repository")
    options.add_argument("--rounds", type=int, default=3, help="with --against: how often each checkout prepares")
    options.add_argument("--datasets", nargs="+", default=["mp20", "qm9"], help="with --against")
    options.add_argument("--limit", type=int, default=0, help="with --against: rows of each dataset; 0: all")
    options.add_argument("--json", type=Path)
    args = options.parse_args()
    if args.against:
        compare(args)
        return
    logging.getLogger("adit").setLevel(logging.ERROR)
    results: dict[str, object] = {"machine": describe()}
    config = Config()
    with tempfile.TemporaryDirectory() as folder:
        for workers in args.workers:
            rows, seconds = prepared(config, "mp20", Path(folder), args.mirror, workers)
            results[f"mp20 on {workers} cores, systems/s"] = round(rows / seconds, 1)
        prepared(config, "qm9", Path(folder), args.mirror, max(args.workers))
        opened = [opening(Path(folder) / "qm9.arrow") for _ in range(5)]
    rows, seconds, megabytes = min(opened, key=lambda o: o[1])
    results |= {"qm9, rows": int(rows), "open, ms": round(1e3 * seconds, 2), "open, MB": round(megabytes, 2)}
    for name, value in results.items():
        print(f"{name}: {value}")
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def prepared(config: Config, name: str, folder: Path, mirror: str, workers: int) -> tuple[int, float]:
    """Prepare a dataset; return its rows and the seconds it took, reading the raw files included."""
    stage = config.stage(PrepareStage, dataset=ChosenDataset(name=name), custom=None)
    stats = folder / f"{name}.stats.json"
    start = time.perf_counter()
    prepare(stage, folder / f"{name}.arrow", stats, mirror=mirror, workers=workers)
    seconds = time.perf_counter() - start
    return int(json.loads(stats.read_text(encoding="utf-8"))["n_rows"]), seconds


def compare(args: argparse.Namespace) -> None:
    """Prepare with both checkouts in turn; print their rates and the rows that differ."""
    sources = {"this": Path(__file__).parents[1], "other": args.against}
    each = " rows/s | processor s |"
    print(f"| dataset | cores |{each} the other:{each} times as fast | rows that differ |")
    print(f"|{'---|' * 8}")
    with tempfile.TemporaryDirectory() as scratch:
        for name in args.datasets:
            for workers in args.workers:
                runs: dict[str, list[tuple[float, float]]] = {each: [] for each in sources}
                folders = {each: Path(scratch) / each / str(workers) for each in sources}
                for _ in range(args.rounds):
                    for each, source in sources.items():
                        folders[each].mkdir(parents=True, exist_ok=True)
                        runs[each].append(prepared_by(source, name, folders[each], workers, args))
                files = [folder / f"{name}.arrow" for folder in folders.values()]
                rows, differing = differences(*files)
                seconds, cpu = ([statistics.median(run[n] for run in runs[each]) for each in sources] for n in (0, 1))
                cells = [name, workers, *(f"{rows / s:,.0f} | {c:.1f}" for s, c in zip(seconds, cpu, strict=True))]
                print(
                    "|",
                    " | ".join(map(str, [*cells, f"{seconds[1] / seconds[0]:.2f}", len(differing)])),
                    "|",
                    flush=True,
                )
                for row in differing[:40]:
                    print("  ", row)
                cards = [json.loads(file.with_suffix(".stats.json").read_text(encoding="utf-8")) for file in files]
                unlike = [key for key in {**cards[0], **cards[1]} if cards[0].get(key) != cards[1].get(key)]
                print(f"   keys of the cards that differ: {', '.join(unlike) or 'none'}", flush=True)


def prepared_by(source: Path, name: str, folder: Path, workers: int, args: argparse.Namespace) -> tuple[float, float]:
    """Prepare a dataset with a checkout in a process of its own; return seconds and processor seconds."""
    line = [sys.executable, "-c", PREPARE, name, str(folder), args.mirror, str(workers), str(args.limit)]
    environment = {**os.environ, "PYTHONPATH": str((source / "src").resolve()), "OMP_NUM_THREADS": "1"}
    out = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    seconds, cpu = json.loads(out.splitlines()[-1])
    return seconds, cpu


def differences(this: Path, other: Path) -> tuple[int, list[str]]:
    """Return the number of rows of a prepared file, and which are not the other's bit for bit, with what differs."""
    tables = [pa.ipc.open_file(pa.memory_map(str(path))).read_all().combine_chunks() for path in (this, other)]
    if tables[0].column_names != tables[1].column_names or len(tables[0]) != len(tables[1]):
        return len(tables[0]), [f"other columns or number of rows: {[(t.column_names, len(t)) for t in tables]}"]
    unlike: dict[int, list[str]] = {}
    for name in tables[0].column_names:
        columns = [table.column(name) for table in tables]
        if serialized(columns[0]) == serialized(columns[1]):
            continue
        for number, (mine, theirs) in enumerate(zip(*columns, strict=True)):
            if repr(mine.as_py()) != repr(theirs.as_py()):
                unlike.setdefault(number, []).append(f"{name}: {str(theirs)[:300]} -> {str(mine)[:300]}")
    ids = tables[0].column("system_id")
    return len(tables[0]), [f"{ids[number]}: {'; '.join(what)}" for number, what in sorted(unlike.items())]


def serialized(column: pa.ChunkedArray) -> bytes:
    """Return the bytes of a column."""
    return bytes(pa.record_batch([pa.concat_arrays(column.chunks)], ["column"]).serialize())


def opening(path: Path) -> tuple[float, float, float]:
    """Open a prepared file in a fresh process; return rows, seconds and megabytes of memory."""
    out = subprocess.run([sys.executable, "-c", OPEN, str(path)], check=True, capture_output=True, text=True).stdout
    rows, seconds, megabytes = (float(field) for field in out.split())
    return rows, seconds, megabytes


if __name__ == "__main__":
    main()
