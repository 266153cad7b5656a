"""Relaxation of QM9 test molecules with GFN2-xTB: time, memory, bonds that stay or come back, cost of more properties.

    python benchmarks/molecules.py results/datasets/qm9.arrow --n 1000 --workers 2
    python benchmarks/molecules.py results/datasets/qm9.arrow --n 200 --noise 0.1 --workers 2
    python benchmarks/molecules.py results/datasets/qm9.arrow --n 100 --ions --conformers 5 --workers 2

Prints one line of JSON. ``bonding_of_data`` counts molecules whose relaxed bonds are those of the data's own geometry.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from dataclasses import replace
from pathlib import Path

from adit import seeds, store
from adit.columns import Col
from adit.config import MoleculeRelaxConfig
from adit.convert import perceive
from adit.relax.molecules.rows import relax_molecules
from adit.systems import AtomicSystem


def chosen(path: Path, n: int, seed: int) -> list[AtomicSystem]:
    """Return ``n`` test molecules; a larger ``n`` of the same seed has the same first ones."""
    table = store.read_systems(path)
    places = [place for place, split in enumerate(table.splits) if split == "test"]
    order = seeds.generator("benchmark-molecules", seed).permutation(len(places))
    rows = (table[places[place]] for place in order)
    systems: list[AtomicSystem] = []
    for row in rows:
        if len(systems) == n:
            break
        if isinstance(row, AtomicSystem) and perceive(row).valid:
            systems.append(row)
    return systems


def noisy(system: AtomicSystem, std: float, seed: int) -> AtomicSystem:
    """Return a molecule with Gaussian noise (Å) on every coordinate."""
    draw = seeds.generator("benchmark-noise", seed, system.system_id).normal(0.0, std, system.positions.shape)
    return replace(system, positions=system.positions + draw)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--ions", action="store_true")
    parser.add_argument("--conformers", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    systems = chosen(arguments.data, arguments.n, arguments.seed)
    names = [perceive(system).smiles for system in systems]
    starts = [noisy(system, arguments.noise, arguments.seed) for system in systems] if arguments.noise else systems
    config = MoleculeRelaxConfig(ions=arguments.ions, conformers=arguments.conformers)
    started = time.perf_counter()
    results = relax_molecules(config, starts, arguments.workers)
    wall = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = [(name, r) for name, r in zip(names, results, strict=True) if r.status == "converged"]
    print(
        json.dumps(
            {
                "molecules": len(results),
                "noise": arguments.noise,
                "ions": arguments.ions,
                "conformers": arguments.conformers,
                "wall_s": round(wall, 1),
                "processor_s_per_molecule": round((used.ru_utime + used.ru_stime) / len(results), 3),
                "largest_worker_mb": round(used.ru_maxrss / 1024),
                "converged": len(done),
                "with_gap_and_dipole": sum(Col.GAP in r.details and Col.DIPOLE in r.details for r in results),
                "median_steps": statistics.median(r.steps for _, r in done),
                "median_rmsd": round(statistics.median(r.rmsd_moved for _, r in done), 3),
                "bonding_of_data": sum(r.details.get(Col.RELAXED_SMILES) == name for name, r in done),
                "stereo_kept": sum(bool(r.details.get(Col.STEREO_KEPT)) for _, r in done),
            }
        )
    )


if __name__ == "__main__":
    main()
