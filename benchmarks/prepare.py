"""How fast MP20 is prepared on one and on more cores, and what opening the prepared QM9 costs.

python benchmarks/prepare.py --mirror ../shared/data [--json out.json]
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--mirror", required=True, help="folder or URL with copies of MP20 and QM9")
    options.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    options.add_argument("--json", type=Path)
    args = options.parse_args()
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


def opening(path: Path) -> tuple[float, float, float]:
    """Open a prepared file in a fresh process; return rows, seconds and megabytes of memory."""
    out = subprocess.run([sys.executable, "-c", OPEN, str(path)], check=True, capture_output=True, text=True).stdout
    rows, seconds, megabytes = (float(field) for field in out.split())
    return rows, seconds, megabytes


if __name__ == "__main__":
    main()
