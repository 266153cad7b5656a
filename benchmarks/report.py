"""The report of a large run, measured: time to write it, its size, and time until a browser can work with it.

`python benchmarks/report.py --crystals results/data/mp20.arrow --molecules results/data/qm9.arrow --rows 10000`: real
structures in place of samples, all of them valid, so that every bond is searched for.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from machine import describe
from playwright.sync_api import sync_playwright

from adit import store
from adit.config import Config, ReportStage
from adit.report.page import build
from adit.systems import AtomicSystem

ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


def systems(path: Path, rows: int, kind: str) -> list[AtomicSystem]:
    """Return that many training systems under the ids of samples; from the start again where there are fewer."""
    table = store.read_systems(path)
    sizes = table.n_atoms
    wanted = (row for row, split in enumerate(table.splits) if split == "train" and sizes[row])
    held = [table[row] for row in islice(wanted, rows)]
    return [replace(held[k % len(held)], system_id=f"{kind}-0-{k}", info={}) for k in range(rows)]


def large_run(folder: Path, rows: int, files: dict[str, Path]) -> Path:
    """Write samples, relaxed structures and scores."""
    random = np.random.default_rng(0)
    for kind, path in files.items():
        crystals = systems(path, rows, kind)
        store.write_systems(folder / f"samples/{kind}/0.arrow", crystals)
        if kind == "crystal":
            store.write_systems(folder / f"relaxed/{kind}/0.arrow", crystals)
        flags = {f"flag_{k}_adit": random.random(rows) < 0.5 for k in range(20)}
        numbers = {f"number_{k}": random.normal(size=rows) for k in range(8)}
        columns = {
            "system_id": [s.system_id for s in crystals],
            "formula": "ClNa",
            "n_atoms": [len(s) for s in crystals],
        }
        columns |= (
            {"e_above_hull": random.normal(size=rows)} if kind == "crystal" else {"validity": True, "smiles": "CCO"}
        )
        store.write_frame(folder / f"scores/{kind}.parquet", pd.DataFrame({**columns, **numbers, **flags}))
    return folder


def interactive(page_file: Path) -> dict[str, float]:
    """Return the seconds until rows are listed, until a sort is done, and until a structure is drawn."""
    seconds: dict[str, float] = {}
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_context(offline=True).new_page()
        page.goto("about:blank")
        start = time.perf_counter()
        page.goto(page_file.as_uri(), wait_until="commit")
        page.locator("#rows-crystal tbody tr").first.wait_for(state="attached")
        page.locator("#rows-molecule tbody tr").first.wait_for(state="attached")
        seconds["rows listed, s"] = time.perf_counter() - start
        start = time.perf_counter()
        page.locator('#rows-crystal th[data-column="number_0"] button, #rows-crystal thead button').first.click()
        page.locator("#rows-crystal th[aria-sort]").wait_for(state="attached")
        seconds["sorted, s"] = time.perf_counter() - start
        start = time.perf_counter()
        page.locator("#rows-crystal tbody tr:not(.spacer)").first.click()
        page.locator("#rows-crystal .view[data-shown]").wait_for(state="attached")
        seconds["structure drawn, s"] = time.perf_counter() - start
        browser.close()
    return seconds


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crystals", type=Path, required=True)
    parser.add_argument("--molecules", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=10_000)
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        run = large_run(Path(folder), args.rows, {"crystal": args.crystals, "molecule": args.molecules})
        start = time.perf_counter()
        build.report(Config().stage(ReportStage), run, run / "report", Config().model_dump_json())
        seconds = {"rows of each kind": args.rows, "written, s": time.perf_counter() - start}
        files = [path for path in (run / "report").rglob("*") if path.is_file()]
        seconds["folder, MB"] = sum(path.stat().st_size for path in files) / 1e6
        seconds |= interactive(run / "report/index.html")
    print(json.dumps({**seconds, **describe()}, indent=1))


if __name__ == "__main__":
    main()
