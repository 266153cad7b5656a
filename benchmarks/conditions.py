"""Shares of samples that are what was requested, on trained weights.

For each condition: the share that fulfils it, the share among samples of which nothing was asked, the share that is
valid. A composition is always fulfilled in the end, because the most likely types that have it are taken; "model alone"
is the share where no type had to change. A motif is always written as given; "model alone" is the share where the
decoder had put its atoms within 0.3 Å with the right types (and the cell's lengths within 5 %).

    python benchmarks/conditions.py --weights weights --data results/datasets/mp20.arrow results/datasets/qm9.arrow
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe
from sampling import is_valid

from adit import convert
from adit.config import SampleConfig, SampleStage
from adit.elements import symbol
from adit.sample.composition import Composition, parse_composition
from adit.sample.engine import Sampler
from adit.sample.generate import write_samples
from adit.score.common.aggregate import wilson
from adit.store import Row, read_systems, write_extxyz
from adit.systems import AtomicSystem, Kind

Test = Callable[[AtomicSystem], bool]

SPACEGROUPS = (225, 221, 139, 194, 62, 123)
FORMULAS = ("NaCl", "LiFeO2", "BaTiO3", "Mg2Si")
SYSTEMS = ("Li-O", "Ca-Al-O")
MOLECULES = ("C6H6O", "C4H8N2O", "C7H12O")


def fits(composition: Composition, numbers: np.ndarray) -> bool:
    """Return whether a system of these atomic numbers (n,) has a composition."""
    counts = Counter(int(z) for z in numbers)
    if composition.unit is None:
        return tuple(sorted(counts)) == composition.elements
    return counts == composition.counts(len(numbers))


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--weights", type=Path, required=True, help="folder with vae/ and dit/")
    options.add_argument("--data", type=Path, nargs="+", required=True, help="prepared datasets: motifs of their tests")
    options.add_argument("--n", type=int, default=64, help="samples of each condition")
    options.add_argument("--solver", default="ab2")
    options.add_argument("--steps", type=int, default=50)
    options.add_argument("--guidance", type=float, default=2.0)
    options.add_argument("--motifs", type=int, default=3, help="motifs of each kind: the heavier half of a test system")
    options.add_argument("--json", type=Path)
    args = options.parse_args()
    settings = {"solver": args.solver, "steps": args.steps, "guidance": args.guidance}
    bench = Bench(Sampler(args.weights / "vae", args.weights / "dit"), settings, args.n)
    table = bench.crystals() + bench.molecules()
    for path in args.data:
        table += bench.motifs(path, args.motifs)
    results = {"machine": describe(), "settings": settings, "samples": args.n, "conditions": table}
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


class Bench:
    """Samples with conditions and counts."""

    def __init__(self, sampler: Sampler, settings: dict[str, Any], n: int) -> None:
        self.sampler, self.settings, self.n = sampler, settings, n

    def sample(self, kind: Kind, **conditions: Any) -> list[Row]:
        """Return samples of a kind with a condition."""
        values = {**self.settings, "conditions": {str(kind): conditions}}
        stage = SampleStage(seed=11, sample=SampleConfig.model_validate(values))
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "samples.arrow"
            write_samples(self.sampler, stage, kind, range(self.n), out)
            return list(read_systems(out))

    def crystals(self) -> list[dict[str, Any]]:
        """Return the lines of spacegroups, formulas and chemical systems."""
        free = self.sample(Kind.CRYSTAL)
        lines = []
        for number in SPACEGROUPS:
            rows = self.sample(Kind.CRYSTAL, spacegroup=number)
            lines.append(line(f"spacegroup {number}", rows, _in_group(number), free))
        for text in (*FORMULAS, *SYSTEMS):
            composition = parse_composition(text)
            rows = self.sample(Kind.CRYSTAL, composition=text)
            met: Test = lambda s, c=composition: fits(c, s.numbers)  # type: ignore[misc]  # noqa: E731
            lines.append(line(f"composition {text}", rows, met, free, alone=_types_kept))
        return lines

    def molecules(self) -> list[dict[str, Any]]:
        """Return the lines of molecular formulas."""
        free = self.sample(Kind.MOLECULE)
        lines = []
        for text in MOLECULES:
            composition = parse_composition(text)
            rows = self.sample(Kind.MOLECULE, composition=text)
            met: Test = lambda s, c=composition: fits(c, s.numbers)  # type: ignore[misc]  # noqa: E731
            lines.append(line(f"formula {text}", rows, met, free, alone=_types_kept))
        return lines

    def motifs(self, data: Path, count: int) -> list[dict[str, Any]]:
        """Return the lines of motifs: the heavier half of the atoms of test systems, the rest is sampled."""
        lines = []
        for system in self._scaffolds(data, count):
            held = len(system) // 2
            motif = AtomicSystem(
                system.system_id, system.kind, system.numbers[-held:], system.positions[-held:], system.cell
            )
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "motif.extxyz"
                write_extxyz(path, [motif])
                rows = self.sample(system.kind, motif=str(path), atoms=len(system))
            name = f"motif of {formula(system)}, {held} of {len(system)} atoms"
            lines.append(line(name, rows, lambda _: True, [], alone=_held))
        return lines

    def _scaffolds(self, data: Path, count: int) -> list[AtomicSystem]:
        table = read_systems(data)
        arrays = table.arrays("test")
        sizes = arrays.n_atoms
        fit = np.flatnonzero((sizes >= 8) & (sizes <= 14))
        ids = {table.split_ids("test")[i] for i in np.random.default_rng(0).choice(fit, count, replace=False)}
        return [row for row in table if isinstance(row, AtomicSystem) and row.system_id in ids]


def _in_group(number: int) -> Test:
    def test(system: AtomicSystem) -> bool:
        return convert.spacegroup_number(system) == number

    return test


def formula(system: AtomicSystem) -> str:
    """Return element and count, in the order of symbols."""
    counts = Counter(symbol(int(z)) for z in system.numbers)
    return "".join(f"{name}{count if count > 1 else ''}" for name, count in sorted(counts.items()))


def _types_kept(system: AtomicSystem) -> bool:
    return system.info["types_assigned"] == 0


def _held(system: AtomicSystem) -> bool:
    info = system.info
    return bool(
        info["motif_types_wrong"] == 0 and info["motif_rmsd"] <= 0.3 and info.get("motif_cell_error", 0.0) <= 0.05
    )


def line(
    name: str, rows: Sequence[Row], met: Test, free: Sequence[Row], *, alone: Test | None = None
) -> dict[str, Any]:
    """Return and print one line of the table."""
    counted: Counter[str] = Counter()
    for row in rows:
        if isinstance(row, AtomicSystem):
            counted["met"] += met(row)
            counted["alone"] += (alone or met)(row)
            counted["valid"] += is_valid(row)
    interval = wilson(counted["alone"], len(rows), 0.95)
    measurements = {
        "condition": name,
        "fulfilled, %": round(100 * counted["met"] / len(rows), 1),
        "model alone, %": round(100 * counted["alone"] / len(rows), 1),
        "interval, %": [round(100 * value, 1) for value in interval],
        "valid, %": round(100 * counted["valid"] / len(rows), 1),
    }
    if free:
        by_chance = sum(isinstance(row, AtomicSystem) and met(row) for row in free)
        measurements["unasked, %"] = round(100 * by_chance / len(free), 1)
    print(json.dumps(measurements, ensure_ascii=False), flush=True)
    return measurements


if __name__ == "__main__":
    main()
