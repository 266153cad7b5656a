"""How far two potentials are from the Materials Project, and how far their errors go together.

    python benchmarks/judge.py --data results/datasets/mp20.arrow --energies mp20_formation_energies.parquet \
        --elements mp_elemental_reference_entries.json --n 300 --workers 2 --potential chgnet sevennet

Static energies of MP20 test crystals as they stand, less the Materials Project's elements, against its formation
energies. ``--weights FILE`` takes other weights of the last potential, e.g. SevenNet-0's, to weigh precision and cost.
"""

from __future__ import annotations

import argparse
import itertools
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from adit import store
from adit.config import RelaxConfig
from adit.elements import composition
from adit.hull.materials_project import elemental_energies
from adit.relax.potentials.batch import relax_all
from adit.relax.potentials.chosen import Chosen
from adit.relax.prerelax import limits_of
from adit.systems import AtomicSystem


def crystals(data: Path, energies: Path, n: int, seed: int) -> list[tuple[AtomicSystem, float]]:
    """Return test crystals with the Materials Project's formation energy, eV/atom."""
    frame = store.read_frame(energies)
    formation_energies = dict(zip(frame["material_id"].astype(str), frame["formation_energy_per_atom"], strict=True))
    table = store.read_systems(data)
    test = [
        row
        for row, split in zip(table, table.splits, strict=True)
        if split == "test" and row.system_id in formation_energies
    ]
    chosen = np.random.default_rng(seed).permutation(len(test))[:n]
    return [
        (row, float(formation_energies[row.system_id]))
        for row in (test[i] for i in chosen)
        if isinstance(row, AtomicSystem)
    ]


def errors(
    chosen: Chosen, rows: list[tuple[AtomicSystem, float]], elements: dict[str, float], workers: int
) -> tuple[np.ndarray, float]:
    """Return the errors of formation energies (eV/atom; NaN where there is none), and core-seconds a crystal."""
    limits = replace(limits_of(RelaxConfig()), max_steps=0)
    started = time.perf_counter()
    results = relax_all([s for s, _ in rows], limits, wall_limit_s=600.0, workers=workers, chosen=chosen)
    spent = time.perf_counter() - started
    deviations = []
    for (system, published), result in zip(rows, results, strict=True):
        counts = composition(system.numbers)
        of_elements = sum(n * elements[name] for name, n in counts.items()) / len(system)
        deviations.append(result.energy_per_atom - of_elements - published)
    return np.array(deviations), spent * workers / max(1, len(rows))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("data", "energies", "elements"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--potential", nargs="+", default=["chgnet", "sevennet"])
    parser.add_argument("--weights")
    args = parser.parse_args()
    rows = crystals(args.data, args.energies, args.n, args.seed)
    elements = elemental_energies(args.elements)
    measured = {}
    for name in args.potential:
        chosen = Chosen(name, args.weights if name == args.potential[-1] else None)
        measured[chosen.energy_tag], cost = errors(chosen, rows, elements, args.workers)
        good = measured[chosen.energy_tag][np.isfinite(measured[chosen.energy_tag])]
        print(
            f"{chosen.energy_tag}: {len(good)} of {len(rows)} crystals, bias {good.mean():+.4f}, "
            f"MAE {np.abs(good).mean():.4f}, RMSE {np.sqrt((good**2).mean()):.4f} eV/atom, {cost:.2f} core s a crystal"
        )
    for one, other in itertools.combinations(measured, 2):
        both = np.isfinite(measured[one]) & np.isfinite(measured[other])
        first, second = measured[one][both], measured[other][both]
        print(
            f"{one} and {other}: errors correlate with {np.corrcoef(first, second)[0, 1]:.2f}, "
            f"they differ by {np.abs(first - second).mean():.4f} eV/atom on average"
        )


if __name__ == "__main__":
    main()
