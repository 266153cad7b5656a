"""Pre-relaxation and DFT, measured.

Parts (`python benchmarks/relax.py PART --data results/data/mp20.arrow`): `perturbed`, 200 crystals moved by 0.1 Å, do
they relax back; `throughput`, one core against two; `poisoned`, 20 bad structures among 200; `batch`, together on a GPU
against one at a time; `forms`, on one CPU thread: together, one at a time, ASE's BFGS and CHGNet's own optimiser
(--data may be samples); `optimizers`, each of `relax.optimizer` (the same); `constants`, GPAW's lattice constants from
strained cells (no --data).
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe

from adit import convert, seeds, store
from adit.config import RelaxConfig
from adit.relax.dft.engines.presets import read_preset
from adit.relax.dft.engines.registry import Engine, available
from adit.relax.dft.run import run_tasks
from adit.relax.dft.task import DftTask
from adit.relax.potentials import batch, chgnet
from adit.relax.potentials.chgnet import unknown_to_chgnet
from adit.relax.potentials.chgnet_calculator import WEIGHTS, network
from adit.relax.potentials.evaluators import quiet
from adit.relax.potentials.lockstep import relax_together
from adit.relax.potentials.outcome import Limits, Relaxed, Status
from adit.relax.potentials.screen import refuse
from adit.relax.potentials.together import CPU_BATCH_ATOMS, resolve_device
from adit.relax.prerelax import limits_of
from adit.systems import AtomicSystem, Kind

CONFIG = RelaxConfig()
PBE = {"si": 5.469, "nacl": 5.70, "mgo": 4.26, "al": 4.04, "fe": 2.83}
"""Å; Haas, Tran, Blaha, Phys. Rev. B 79, 085104 (2009)."""


def crystals(path: Path, n: int, split: str = "test") -> list[AtomicSystem]:
    """Return ``n`` random crystals of a split, the same ones every time."""
    systems = store.read_systems(path).systems(split)
    order = seeds.generator("benchmark relax").permutation(len(systems))
    return [systems[i] for i in order[:n]]


def moved(system: AtomicSystem, noise: float) -> AtomicSystem:
    """Return the system with every atom moved by ``noise`` (Å) in a random direction."""
    random = seeds.generator("benchmark relax", system.system_id)
    shifts = random.normal(size=system.positions.shape)
    shifts *= noise / np.linalg.norm(shifts, axis=1, keepdims=True)
    return replace(system, positions=system.positions + shifts)


def relax(systems: Sequence[AtomicSystem], workers: int, **options: Any) -> tuple[list[Relaxed], float]:
    """Relax with the default settings; return the results and the wall time in s."""
    started = time.perf_counter()
    limit = {"wall_limit_s": CONFIG.wall_limit_s, "workers": workers}
    results = batch.relax_all(systems, limits_of(CONFIG), **limit, **options)
    return results, time.perf_counter() - started


def perturbed(args: argparse.Namespace) -> dict[str, Any]:
    """Relax crystals that were moved, and match each with what it was."""
    from pymatgen.analysis.structure_matcher import StructureMatcher

    systems = crystals(args.data, args.n)
    results, wall = relax([moved(system, args.noise) for system in systems], args.workers, cache=args.cache)
    matcher = StructureMatcher()
    back = [
        result.system is not None
        and bool(matcher.fit(convert.to_structure(system), convert.to_structure(result.system)))
        for system, result in zip(systems, results, strict=True)
    ]
    lost = [system.system_id for system, same in zip(systems, back, strict=True) if not same]
    return {
        "crystals": len(systems),
        "noise": args.noise,
        "relaxed_back": sum(back),
        "share": round(float(np.mean(back)), 4),
        "lost": lost[:20],
        "status": dict(Counter(result.status for result in results)),
        "median_steps": float(np.median([result.steps for result in results])),
        "core_s_a_structure": round(float(np.mean([result.wall_s for result in results])), 2),
        "wall_s": round(wall, 1),
    }


def throughput(args: argparse.Namespace) -> dict[str, Any]:
    """Relax the same moved crystals with one worker and with several, twice each, in turn."""
    systems = [moved(system, args.noise) for system in crystals(args.data, args.n)]
    times: dict[int, list[float]] = {1: [], args.workers: []}
    for _ in range(2):
        for workers, seconds in times.items():
            seconds.append(relax(systems, workers)[1])
    one, many = min(times[1]), min(times[args.workers])
    return {"crystals": len(systems), "workers": args.workers, "one_s": one, "many_s": many, "speedup": one / many}


def poison(n: int) -> list[AtomicSystem]:
    """Return structures that go wrong, each in its own way."""
    cell = np.eye(3) * 4.0
    kinds = [
        AtomicSystem("overlap", Kind.CRYSTAL, np.array([11, 17]), np.array([[0, 0, 0], [0.05, 0, 0]]), cell),
        AtomicSystem("unknown", Kind.CRYSTAL, np.array([84]), np.zeros((1, 3)), cell),
        AtomicSystem("lone", Kind.CRYSTAL, np.array([18]), np.zeros((1, 3)), np.eye(3) * 6.29),
        AtomicSystem("empty", Kind.CRYSTAL, np.array([11]), np.zeros((1, 3)), np.eye(3) * 30),
        AtomicSystem("flat", Kind.CRYSTAL, np.array([11]), np.zeros((1, 3)), np.diag([0.4, 9.0, 9.0])),
        AtomicSystem("molecule", Kind.MOLECULE, np.array([1, 1]), np.array([[0, 0, 0], [0, 0, 0.74]])),
    ]
    return [replace(kinds[i % len(kinds)], system_id=f"{kinds[i % len(kinds)].system_id}-{i}") for i in range(n)]


def poisoned(args: argparse.Namespace) -> dict[str, Any]:
    """Relax good crystals alone and among bad ones, which changes the batches; compare energies, to 1 meV/atom."""
    bad = args.n // 10
    good = [moved(system, args.noise) for system in crystals(args.data, args.n - bad)]
    mixed: list[AtomicSystem] = list(good)
    for place, system in enumerate(poison(bad)):
        mixed.insert(place * 10, system)
    names = {system.system_id for system in good}
    alone, _ = relax(good, args.workers)
    among, _ = relax(mixed, args.workers)
    among_good = [r for s, r in zip(mixed, among, strict=True) if s.system_id in names]
    same = [_same(a, b) for a, b in zip(alone, among_good, strict=True)]
    rest = Counter(r.status for s, r in zip(mixed, among, strict=True) if s.system_id not in names)
    return {"good": len(good), "bad": bad, "unchanged": sum(same), "bad_status": dict(rest)}


def _same(a: Relaxed, b: Relaxed) -> bool:
    if a.status != b.status or a.system is None or b.system is None:
        return a.status == b.status
    return abs(a.energy_per_atom - b.energy_per_atom) < 1e-3


def together(args: argparse.Namespace) -> dict[str, Any]:
    """Relax the same moved crystals in batches on a device and one at a time in processes."""
    systems = [moved(system, args.noise) for system in crystals(args.data, args.n)]
    device = resolve_device(args.device)
    device = "cpu:0" if device == "cpu" else device  # in batches, also if there is no GPU
    alone, alone_s = relax(systems, args.workers)
    batched, batched_s = relax(systems, 1, device=device, batch_atoms=args.batch_atoms)
    pairs = [(a, b) for a, b in zip(alone, batched, strict=True) if a.system is not None and b.system is not None]
    differences = [abs(a.energy_per_atom - b.energy_per_atom) for a, b in pairs]
    return {
        "crystals": len(systems),
        "device": device,
        "one_by_one_s": alone_s,
        "workers": args.workers,
        "together_s": batched_s,
        "same_status": sum(a.status == b.status for a, b in zip(alone, batched, strict=True)),
        "largest_difference_ev_per_atom": max(differences, default=0.0),
    }


def forms(args: argparse.Namespace) -> dict[str, Any]:
    """Relax the same crystals in several forms, one after the other, on one thread of this process."""
    import torch

    torch.set_num_threads(1)
    limits = replace(limits_of(CONFIG), fmax=args.fmax)
    systems = relaxable(args, limits)
    potential = network("cpu")
    potential.evaluate([convert.to_atoms(systems[0])])
    runs = {
        "together": lambda: relax_together(systems, limits, potential, unknown_to_chgnet, batch_atoms=CPU_BATCH_ATOMS),
        "one at a time": lambda: [chgnet.relax((system, limits)) for system in systems],
        "ASE's BFGS, CHGNet's calculator": lambda: [_by_ase(system, limits) for system in systems],
        "CHGNet's StructOptimizer": lambda: [_by_chgnet(system, limits) for system in systems],
    }
    results: dict[str, tuple[float, list[Relaxed]]] = {}
    for name, run in runs.items():
        started = time.process_time()
        rows = run()
        results[name] = (time.process_time() - started, rows)
        print(f"{name}: {results[name][0]:.1f} s of processor time", flush=True)
    shown: dict[str, Any] = {"crystals": len(systems), "fmax": limits.fmax, "batch_atoms": CPU_BATCH_ATOMS}
    shown |= against(results, "together")
    shown["peak_memory_gb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)
    return shown


def optimizers(args: argparse.Namespace) -> dict[str, Any]:
    """Relax the same crystals together with each optimiser, one after the other, on one thread of this process."""
    import torch

    torch.set_num_threads(1)
    limits = replace(limits_of(CONFIG), fmax=args.fmax)
    systems = relaxable(args, limits)
    potential = network("cpu")
    potential.evaluate([convert.to_atoms(systems[0])])
    results: dict[str, tuple[float, list[Relaxed]]] = {}
    for name in ("bfgs", "lbfgs", "fire"):
        own = replace(limits, optimizer=name)
        started = time.process_time()
        rows = relax_together(systems, own, potential, unknown_to_chgnet, batch_atoms=CPU_BATCH_ATOMS)
        results[name] = (time.process_time() - started, rows)
        print(f"{name}: {results[name][0]:.1f} s of processor time", flush=True)
    return {"crystals": len(systems), "fmax": limits.fmax, **against(results, "bfgs")}


def relaxable(args: argparse.Namespace, limits: Limits) -> list[AtomicSystem]:
    """Return the first crystals of a file that are not refused."""
    systems = [
        system
        for system in store.read_systems(args.data)
        if isinstance(system, AtomicSystem)
        and not refuse(system, limits.min_distance, limits.max_volume_per_atom)
        and unknown_to_chgnet(system) is None
    ]
    return systems[: args.n]


def against(results: dict[str, tuple[float, list[Relaxed]]], reference: str) -> dict[str, Any]:
    """Return time, convergence and energies of each form, compared with one of them."""
    first_s, first = results[reference]
    shown: dict[str, Any] = {}
    for name, (seconds, rows) in results.items():
        pairs = [(a, b) for a, b in zip(first, rows, strict=True) if a.status == b.status == "converged"]
        lower = np.array([b.energy_per_atom - a.energy_per_atom for a, b in pairs])
        shown[name] = {
            "cpu_s": round(seconds, 1),
            f"times_{reference}": round(seconds / first_s, 2),
            "converged": sum(row.status == "converged" for row in rows),
            "median_steps": float(np.median([row.steps for row in rows])),
            "converged_in_both": len(pairs),
            "within_1_mev_per_atom": int((abs(lower) <= 1e-3).sum()),
            "mean_difference_mev_per_atom": round(1e3 * float(lower.mean()), 2),
        }
    return shown


def _by_ase(system: AtomicSystem, limits: Limits) -> Relaxed:
    from ase.filters import FrechetCellFilter
    from ase.optimize import BFGS
    from chgnet.model.dynamics import CHGNetCalculator

    atoms = convert.to_atoms(system)
    with quiet():
        atoms.calc = CHGNetCalculator(_chgnet(), use_device="cpu")
        try:
            filtered = FrechetCellFilter(atoms)
            optimizer = BFGS(filtered, logfile=None)
            converged = bool(optimizer.run(fmax=limits.fmax, steps=limits.max_steps))
        except Exception as error:  # noqa: BLE001 - graphs of runaway structures raise many kinds
            return Relaxed("failed", str(error)[:100])
        status: Status = "converged" if converged else "unconverged"
        return Relaxed(status, "", system, float(atoms.get_potential_energy()), steps=optimizer.nsteps)


def _by_chgnet(system: AtomicSystem, limits: Limits) -> Relaxed:
    from chgnet.model import StructOptimizer

    with quiet():
        try:
            optimizer = StructOptimizer(_chgnet(), use_device="cpu")
            answer = optimizer.relax(
                convert.to_structure(system), fmax=limits.fmax, steps=limits.max_steps, verbose=False
            )
        except Exception as error:  # noqa: BLE001 - graphs of runaway structures raise many kinds
            return Relaxed("failed", str(error)[:100])
    steps = len(answer["trajectory"].energies) - 1
    status: Status = "converged" if steps < limits.max_steps else "unconverged"
    return Relaxed(status, "", system, float(answer["trajectory"].energies[-1]), steps=steps)


@cache
def _chgnet() -> Any:
    from chgnet.model.model import CHGNet

    return CHGNet.load(model_name=WEIGHTS, use_device="cpu", verbose=False)


def cubic(name: str, a: float) -> AtomicSystem:
    """Return a primitive cell of the given constant of its conventional cell, Å."""
    if name == "fe":
        cell = a / 2 * np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
        return AtomicSystem(name, Kind.CRYSTAL, np.array([26]), np.zeros((1, 3)), cell)
    numbers, second = {"si": ([14, 14], 0.25), "nacl": ([11, 17], 0.5), "mgo": ([12, 8], 0.5), "al": ([13], 0.0)}[name]
    cell = a / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    fractional = np.array([[0.0] * 3, [second] * 3])[: len(numbers)]
    return AtomicSystem(name, Kind.CRYSTAL, np.array(numbers), fractional @ cell, cell)


def constants(args: argparse.Namespace) -> dict[str, Any]:
    """Relax five crystals with GPAW from cells strained by 3 %."""
    engine = Engine("gpaw", available("gpaw") or "?", args.preset, read_preset("gpaw", args.preset))
    constants_by_name: dict[str, Any] = {"preset": args.preset}
    with tempfile.TemporaryDirectory() as folder:
        root = args.cache or Path(folder)
        tasks = [DftTask(cubic(n, PBE[n] * 1.03), engine, (root / n).absolute()) for n in args.names or PBE]
        results = run_tasks(tasks, wall_limit_s=args.wall_limit, workers=args.workers, restarts=3)
        for task in tasks:
            name, result = task.system.system_id, results[task.system.system_id]
            constants_by_name[name] = {
                key: result[key] for key in ("status", "reason", "n_steps", "attempts", "wall_s", "warnings")
            }
            if result["structure"] is not None:
                volume = abs(np.linalg.det(np.array(result["structure"]["cell"])))
                a = float(((2 if name == "fe" else 4) * volume) ** (1 / 3))
                constants_by_name[name] |= {
                    "a": round(a, 4),
                    "pbe": PBE[name],
                    "percent": round(100 * (a / PBE[name] - 1), 2),
                }
    return constants_by_name


PARTS = {
    "perturbed": perturbed,
    "throughput": throughput,
    "poisoned": poisoned,
    "batch": together,
    "forms": forms,
    "optimizers": optimizers,
    "constants": constants,
}


def main() -> None:
    """Run one part and print what was measured as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--data", type=Path, help="prepared crystals (Arrow)")
    parser.add_argument("--n", type=int, default=200, help="crystals")
    parser.add_argument("--noise", type=float, default=0.1, help="Å")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--fmax", type=float, default=CONFIG.fmax, help="eV/Å, of `forms` and `optimizers`")
    parser.add_argument("--batch-atoms", type=int, default=4096)
    parser.add_argument("--preset", default="standard")
    parser.add_argument("--names", nargs="*", help="crystals of `constants`")
    parser.add_argument("--wall-limit", type=float, default=1800.0, help="s for one attempt of `constants`")
    parser.add_argument("--cache", type=Path, help="folder of finished results, to go on from")
    args = parser.parse_args()
    if args.part != "constants" and args.data is None:
        parser.error("--data is needed")
    print(json.dumps({"part": args.part, **PARTS[args.part](args), "machine": describe()}, indent=1))


if __name__ == "__main__":
    main()
