"""Peak memory of ``adit score`` on large inputs: 20,000 crystals, one structure of 10⁶ atoms, a zip of gigabytes.

python benchmarks/large_inputs.py --out results/large_inputs --case crystals
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import psutil

from adit.store import write_extxyz
from adit.systems import AtomicSystem, Kind

BLOCK = b"0" * (1 << 20)
ELEMENTS = [*range(3, 10), *range(11, 18), *range(19, 36), *range(37, 54), *range(55, 84)]


def crystals(folder: Path, count: int) -> Path:
    """Write random crystals of 2 to 8 atoms at the density of solids."""
    random = np.random.default_rng(0)
    systems = []
    for number in range(count):
        atoms = int(random.integers(2, 9))
        cell = np.eye(3) * (15.0 * atoms) ** (1 / 3) + random.normal(0, 0.1, (3, 3))
        numbers = random.choice(ELEMENTS, atoms)
        systems.append(AtomicSystem(f"c{number}", Kind.CRYSTAL, numbers, random.uniform(0, 1, (atoms, 3)) @ cell, cell))
    write_extxyz(folder / "crystals.extxyz", systems)
    return folder / "crystals.extxyz"


def atoms(folder: Path, count: int) -> Path:
    """Write one molecule of many atoms."""
    random = np.random.default_rng(0)
    places = random.uniform(0, (12.0 * count) ** (1 / 3), (count, 3))
    system = AtomicSystem("large", Kind.MOLECULE, random.choice([1, 6, 8], count), places)
    write_extxyz(folder / "large.xyz", [system])
    return folder / "large.xyz"


def bomb(folder: Path, count: int) -> Path:
    """Write a zip archive of so many members of 1.4 GB that packs to megabytes, and one crystal."""
    path = folder / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(crystals(folder, 1), "0.extxyz")
        for number in range(count):
            with archive.open(f"{number + 1}.cif", "w", force_zip64=True) as member:
                for _ in range(1400):
                    member.write(BLOCK)
    return path


CASES = {"crystals": (crystals, 20_000), "atoms": (atoms, 1_000_000), "bomb": (bomb, 6)}


def main() -> None:
    """Make the input, score it in its own process, and print time and the largest process's memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=CASES, required=True)
    parser.add_argument("--count", type=int, help="crystals, atoms, or members")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--config", help="configuration with other limits")
    args = parser.parse_args()
    make, count = CASES[args.case]
    args.out.mkdir(parents=True, exist_ok=True)
    given = make(args.out, args.count or count)
    line = [sys.executable, "-m", "adit", "score", str(given), "--out", str(args.out / f"scores-{args.case}")]
    line += ["--workers", "2", *(["--config", args.config] if args.config else [])]
    started = time.monotonic()
    code, peak = watched(line)
    page = args.out / f"scores-{args.case}/report/index.html"
    size = page.stat().st_size / 1e6 if page.is_file() else 0.0
    took = time.monotonic() - started
    print(f"{args.case}: exit {code}, {took:.0f} s, peak {peak / 1e9:.2f} GB, page {size:.1f} MB")


def watched(line: list[str], environment: Mapping[str, str] | None = None) -> tuple[int, int]:
    """Run a command; return its exit code and the most memory (bytes) that it and its workers had together."""
    process, peak = psutil.Popen(line, env=environment), 0
    while process.poll() is None:
        with contextlib.suppress(psutil.Error):
            family = [process, *process.children(recursive=True)]
            peak = max(peak, sum(memory(each) for each in family))
        time.sleep(0.2)
    return int(process.returncode), peak


def memory(process: psutil.Process) -> int:
    """Return the memory of a process, bytes: what it shares with others counts in part (PSS)."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


if __name__ == "__main__":
    main()
