"""Times of a ledger: a query over many candidates, and adding a run to them.

    python benchmarks/ledger.py --candidates 100000 --new 1000

The ledger is filled with made-up crystals and 60 columns of scores, written straight into its tables. The run that is
added has relaxed crystals: half of them are strained copies of candidates that are there, half have formulas of such.
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adit import store
from adit.elements import reduced_formula
from adit.ledger import candidates
from adit.ledger.add import add
from adit.ledger.database import opened, writing
from adit.ledger.query import query
from adit.ledger.texts import to_text
from adit.score.common.content import content_key
from adit.score.matching.fingerprints import reduce_crystal
from adit.systems import AtomicSystem, Kind

QUERIES = (
    "e_above_hull < 0.05 and novel",
    "e_above_hull < 0.05 and novel and state = 'new' and formula in ('ClNa', 'O3SrTi')",
    "value_30 > 3",
)
SCORES = 60
"""Columns of numbers and flags that each candidate has."""


def main() -> None:
    """Fill a ledger, query it, add a run to it, and print the times."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--candidates", type=int, default=100_000)
    options.add_argument("--new", type=int, default=1_000)
    options.add_argument("--workers", type=int, default=2)
    args = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the folder below is removed
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        pool = [_crystal(random, f"known-{n}") for n in range(args.new // 2)]
        fill_s, _ = _timed(lambda: _fill(path, pool, args.candidates, random))
        size = path.stat().st_size / 1e6
        print(f"{args.candidates} candidates, {size:.0f} MB, written in {fill_s:.1f} s")
        for text in QUERIES:
            cpu = time.process_time()
            wall, answer = _timed(lambda text=text: query(path, text))
            cpu = time.process_time() - cpu
            print(f"{wall:.2f} s ({cpu:.2f} s of CPU time): {text}: {answer.total}", flush=True)
        run = _run(Path(folder) / "run", pool, args.new, random)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall, _ = _timed(lambda: add(path, [run], args.workers))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        with opened(path) as base:
            merged = base.execute("SELECT count(*) FROM candidates WHERE members > 1").fetchone()[0]
        print(f"{wall:.1f} s ({cpu:.1f} s of CPU time of the workers): {args.new} added with {args.workers} workers")
        print(f"{merged} candidates of several members")


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def _crystal(random: np.random.Generator, name: str) -> AtomicSystem:
    """Return a crystal of 4 to 20 atoms of 2 to 4 elements, at 15 Å³ per atom, atoms on a jittered grid."""
    n = int(random.integers(4, 21))
    elements = random.choice(np.arange(3, 84), size=int(random.integers(2, 5)), replace=False)
    edge = (15.0 * n) ** (1 / 3)
    side = int(np.ceil(n ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)[:n] / side
    positions = (grid + random.uniform(-0.02, 0.02, (n, 3))) * edge
    return AtomicSystem(name, Kind.CRYSTAL, random.choice(elements, n), positions, np.eye(3) * edge)


def _fill(path: Path, pool: list[AtomicSystem], rows: int, random: np.random.Generator) -> None:
    with opened(path, create=True) as base, writing(base):
        base.execute("INSERT INTO runs VALUES (1, '/made-up', '2026-01-01')")
        names = [f"value_{n}" for n in range(SCORES)]
        for name in ("formula", "e_above_hull", "novel", *names):
            base.execute(f"ALTER TABLE candidates ADD COLUMN {name}")
        members: Iterator[tuple[Any, ...]] = _members(pool, rows, random)
        for number, member in enumerate(members, 1):
            _insert(base, number, member, names, random)


def _members(pool: list[AtomicSystem], rows: int, random: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    reduced = [reduce_crystal(system) for system in pool]
    for number in range(rows):
        system = pool[number] if number < len(pool) else _crystal(random, "x")
        other = reduced[number] if number < len(pool) else system
        yield content_key(system), reduced_formula(system.numbers), to_text(system), to_text(other)


def _insert(
    base: sqlite3.Connection, number: int, member: tuple[Any, ...], names: list[str], random: np.random.Generator
) -> None:
    content, formula, text, reduced = member
    values = dict(zip(names, random.normal(size=len(names)).tolist(), strict=True))
    record = {"formula": formula, "e_above_hull": abs(float(random.normal())), "novel": bool(random.random() < 0.5)}
    energy = record["e_above_hull"]
    base.execute(
        "INSERT INTO members VALUES (?, 1, ?, ?, 'crystal', ?, '', ?, ?, ?, ?, ?, ?)",
        [
            number,
            f"c-{number}",
            content,
            formula,
            number,
            energy,
            json.dumps({**record, **values}),
            text,
            text,
            reduced,
        ],
    )
    fixed = [number, content[: candidates.ID_LENGTH], "crystal", "new", None, None, 1, 1, "/made-up"]
    row = [*fixed, *record.values(), *values.values()]
    base.execute(f"INSERT INTO candidates VALUES ({', '.join('?' * len(row))})", row)


def _run(folder: Path, pool: list[AtomicSystem], rows: int, random: np.random.Generator) -> Path:
    """Write a run: strained copies of known crystals, and other crystals of their formulas."""
    systems = []
    for number in range(rows):
        original = pool[number % len(pool)]
        name = f"crystal-0-{number}"
        if number < len(pool):
            cell = np.asarray(original.cell) * 1.01
            systems.append(AtomicSystem(name, Kind.CRYSTAL, original.numbers, original.positions * 1.01, cell))
        else:
            positions = random.permutation(original.positions) + random.uniform(-0.5, 0.5, original.positions.shape)
            systems.append(AtomicSystem(name, Kind.CRYSTAL, original.numbers, positions, original.cell))
    store.write_systems(folder / "samples/crystal/0.arrow", systems)
    store.write_systems(folder / "relaxed/crystal/0.arrow", systems)
    table = {"system_id": [system.system_id for system in systems], "formula": "", "e_above_hull": 0.1}
    table |= {"novelty_adit": True, **{f"value_{n}": random.normal(size=rows) for n in range(SCORES)}}
    store.write_frame(folder / "scores/crystal.parquet", pd.DataFrame(table))
    return folder


if __name__ == "__main__":
    main()
