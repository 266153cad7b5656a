"""What prototypes do to the hull of the built-in references: false "stable", bias and error against a fuller hull.

    python benchmarks/competing.py --data results/data/mp20.arrow --n 100 --cache CACHE --core-hours 2 --workers 2

Test crystals of MP20 with a pair of elements of which the built-in references have no compound, static energies by
CHGNet. The fuller hull has the same elements and every MP20 crystal of the chemical system but the crystal itself, by
CHGNet as well. CACHE is a folder; the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe
from static_energies import energies_per_atom

from adit import config, seeds, store
from adit.api.references import builtin_data
from adit.elements import composition
from adit.hull.competing import Search, missing_pairs, missing_triples, with_finished, with_prototypes
from adit.hull.convex_hull import Hull, ReferenceEntry
from adit.hull.hull import read_reference
from adit.hull.reference import reference
from adit.hull.verdicts import TIE
from adit.relax.potentials.chosen import CHGNET
from adit.systems import AtomicSystem

RELAX = config.RelaxConfig()


def elements_of(system: AtomicSystem) -> frozenset[str]:
    """Return the symbols of a crystal's elements."""
    return frozenset(composition(system.numbers))


def static(systems: Sequence[AtomicSystem]) -> dict[str, float]:
    """Return CHGNet's energies of crystals as they stand, eV/atom, by id; those without one are left out."""
    energies = energies_per_atom(CHGNET, systems)
    return {
        system.system_id: float(energy) for system, energy in zip(systems, energies, strict=True) if np.isfinite(energy)
    }


def builtin_hull(args: argparse.Namespace) -> Hull:
    """Return the hull of the built-in references by CHGNet; their energies come with the package."""
    whole = config.Config(hull=config.HullConfig(reference="builtin"))
    crystals = builtin_data(args.cache, whole, args.workers)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "reference.parquet"
        reference(whole.stage(config.ReferenceStage), [crystals], out, args.cache / "state", args.workers)
        return read_reference(out)


def above(hull: Hull, system: AtomicSystem, energy: float) -> float:
    """Return an energy above a hull, eV/atom."""
    return energy - hull.energy_at({name: float(n) for name, n in composition(system.numbers).items()})


def summary(energies: Sequence[float], fuller: Sequence[float]) -> dict[str, Any]:
    """Return how energies above one hull compare with those above the fuller one, eV/atom."""
    ours, theirs = np.array(energies), np.array(fuller)
    stable, false = ours < -TIE, (ours < -TIE) & (theirs >= -TIE)
    return {
        "crystals": len(ours),
        "bias": round(float((ours - theirs).mean()), 4),
        "mae": round(float(np.abs(ours - theirs).mean()), 4),
        "stable": int(stable.sum()),
        "false_stable": int(false.sum()),
        "share_false_stable": round(float(false.mean()), 4),
        "lowest": round(float(ours.min()), 4),
        "below_-0.3": int((ours < -0.3).sum()),
    }


def main() -> None:
    """Measure and print as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="prepared MP20 (Arrow)")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--core-hours", type=float, default=2.0, help="of the search of prototypes")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--ternaries", action="store_true", help="search sets of three elements after the pairs")
    args = parser.parse_args()

    table = store.read_systems(args.data)
    crystals = table.systems()
    plain = builtin_hull(args)
    test = [system for system in table.systems("test") if elements_of(system) <= set(plain.elements)]
    gaps = [system for system in test if plain.gaps(elements_of(system))]
    order = seeds.generator("benchmark competing").permutation(len(gaps))
    chosen = [gaps[i] for i in order[: args.n]]
    wanted = {elements_of(system) for system in chosen}
    pairs = missing_pairs(plain, wanted)
    neighbours = [system for system in crystals if any(elements_of(system) <= each for each in wanted)]
    energies = static(neighbours)

    search = Search(RELAX, args.cache / "prototypes.parquet", args.core_hours, args.workers, ternaries=args.ternaries)
    deep = with_prototypes(plain, wanted, search)
    binary = with_finished(plain, wanted, CHGNET, RELAX.fmax, search.cache)
    columns: dict[str, list[float]] = {
        name: [] for name in ("plain", "binary", "deep", "fuller", "covered", "searched")
    }
    for system in chosen:
        if system.system_id not in energies:
            continue
        energy, elements = energies[system.system_id], elements_of(system)
        others = [
            ReferenceEntry(composition(each.numbers), energies[each.system_id])
            for each in neighbours
            if each.system_id in energies and each is not system and elements_of(each) <= elements
        ]
        references = [ReferenceEntry({name: 1.0}, plain.elements[name]) for name in elements]
        for name, hull in (
            ("plain", plain),
            ("binary", binary),
            ("deep", deep),
            ("fuller", Hull.from_entries(plain.tag, [*references, *others])),
        ):
            columns[name].append(above(hull, system, energy))
        covered = not binary.gaps(elements)
        columns["covered"].append(covered)
        columns["searched"].append(covered and not set(missing_triples(binary, [elements])) - deep.completed)
    completed = len(deep.completed & set(pairs))
    sizes = {"missing": len(gaps), "of": len(test), "pairs": len(pairs), "pairs_completed": completed}
    print(
        json.dumps(
            {**sizes, "crystals_of_fuller_hulls": len(neighbours), **parts(columns), "machine": describe()}, indent=1
        )
    )


def parts(columns: dict[str, list[float]]) -> dict[str, Any]:
    """Return each hull's summary: of all crystals, of those with completed pairs, of those with sets of three."""
    values = {name: np.array(column) for name, column in columns.items()}
    rows = {"all": np.ones(len(values["plain"]), dtype=bool), "covered": values["covered"].astype(bool)}
    rows["covered_and_ternaries"] = values["searched"].astype(bool)
    return {
        part: {
            name: summary(values[name][chosen].tolist(), values["fuller"][chosen].tolist())
            for name in ("plain", "binary", "deep")
        }
        if chosen.any()
        else None
        for part, chosen in rows.items()
    }


if __name__ == "__main__":
    main()
