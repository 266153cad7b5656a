"""How far two potentials are from the Materials Project, and how far their errors go together.

    python benchmarks/judge.py --data results/datasets/mp20.arrow --energies mp20_formation_energies.parquet \
        --elements mp_elemental_reference_entries.json --n 300 --potential chgnet sevennet

Static energies of MP20 test crystals as they stand, less the Materials Project's elements, against its formation
energies. ``--weights FILE`` takes other weights of the last potential, e.g. SevenNet-0's, to weigh precision and cost.
Where the data know the published energy above the hull, the error is added to it: who calls stable what is, alone and
together. ``--generated results/demo/relaxed/crystal/*.arrow`` compares the potentials on relaxed samples.
"""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path

import numpy as np
from static_energies import energies_per_atom

from adit import store
from adit.elements import composition
from adit.hull.materials_project import elemental_energies
from adit.relax.potentials.chosen import Chosen
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
    chosen: Chosen, rows: list[tuple[AtomicSystem, float]], elements: dict[str, float]
) -> tuple[np.ndarray, float]:
    """Return the errors of formation energies (eV/atom; NaN where there is none), and core-seconds a crystal.

    The time is that of one thread, without loading the potential.
    """
    energies_per_atom(chosen, [system for system, _ in rows[:2]])
    started = time.process_time()
    energies = energies_per_atom(chosen, [system for system, _ in rows])
    spent = time.process_time() - started
    deviations = []
    for (system, published), energy in zip(rows, energies, strict=True):
        counts = composition(system.numbers)
        of_elements = sum(n * elements[name] for name, n in counts.items()) / len(system)
        deviations.append(energy - of_elements - published)
    return np.array(deviations), spent / max(1, len(rows))


def ranks(deviations: np.ndarray, rows: list[tuple[AtomicSystem, float]]) -> float:
    """Return the rank correlation of formation energies with the published ones."""
    from scipy.stats import spearmanr

    published = np.array([each for _, each in rows])
    good = np.isfinite(deviations)
    return float(spearmanr(published[good] + deviations[good], published[good])[0])


def precision(measured: dict[str, np.ndarray], published: np.ndarray, threshold: float) -> list[str]:
    """Return how often "stable" is right by each potential and by all of them.

    Args:
        measured: errors of formation energies by potential, eV/atom.
        published: energies above the hull of the Materials Project, eV/atom; NaN where it is not known.
        threshold: eV/atom, up to which a crystal counts as stable.
    """
    good = np.isfinite(published) & np.logical_and.reduce([np.isfinite(each) for each in measured.values()])
    truly = published[good] <= threshold
    votes = {name: published[good] + each[good] <= threshold for name, each in measured.items()}
    votes["all of them"] = np.logical_and.reduce(list(votes.values()))
    return [
        f"within {threshold:g} eV/atom of the hull by {name}: {int(vote.sum())} of {len(vote)}, "
        f"{int((vote & truly).sum())} rightly (of {int(truly.sum())})"
        for name, vote in votes.items()
    ]


def compare_samples(paths: list[Path], potentials: list[Chosen], elements: dict[str, float]) -> None:
    """Print how far two potentials are apart on samples, and how alike they rank them."""
    from scipy.stats import spearmanr

    samples = [(row, 0.0) for path in paths for row in store.read_systems(path) if isinstance(row, AtomicSystem)]
    energies = {chosen.energy_tag: errors(chosen, samples, elements)[0] for chosen in potentials}
    for one, other in itertools.combinations(energies, 2):
        both = np.isfinite(energies[one]) & np.isfinite(energies[other])
        first, second = energies[one][both], energies[other][both]
        print(
            f"{both.sum()} of {len(samples)} samples, {one} and {other}: formation energies differ by "
            f"{np.abs(first - second).mean():.4f} eV/atom on average, "
            f"rank correlation {spearmanr(first, second)[0]:.3f}"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("data", "energies", "elements"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--potential", nargs="+", default=["chgnet", "sevennet"])
    parser.add_argument("--weights")
    parser.add_argument("--generated", type=Path, nargs="*", default=[])
    args = parser.parse_args()
    rows = crystals(args.data, args.energies, args.n, args.seed)
    elements = elemental_energies(args.elements)
    measured = {}
    potentials = [Chosen(name, args.weights if name == args.potential[-1] else None) for name in args.potential]
    for chosen in potentials:
        measured[chosen.energy_tag], cost = errors(chosen, rows, elements)
        good = measured[chosen.energy_tag][np.isfinite(measured[chosen.energy_tag])]
        print(
            f"{chosen.energy_tag}: {len(good)} of {len(rows)} crystals, bias {good.mean():+.4f}, "
            f"MAE {np.abs(good).mean():.4f}, RMSE {np.sqrt((good**2).mean()):.4f} eV/atom, {cost:.3f} core s a crystal"
        )
        correlation = ranks(measured[chosen.energy_tag], rows)
        print(f"{chosen.energy_tag}: rank correlation with the published energies {correlation:.3f}")
    for one, other in itertools.combinations(measured, 2):
        both = np.isfinite(measured[one]) & np.isfinite(measured[other])
        first, second = measured[one][both], measured[other][both]
        print(
            f"{one} and {other}: errors correlate with {np.corrcoef(first, second)[0, 1]:.2f}, "
            f"they differ by {np.abs(first - second).mean():.4f} eV/atom on average"
        )
    published = np.array([float(system.info.get("e_above_hull", np.nan)) for system, _ in rows])
    if np.isfinite(published).any():
        for threshold in (0.0, 0.025, 0.1):
            print(*precision(measured, published, threshold), sep="\n")
    if args.generated:
        compare_samples(args.generated, potentials, elements)


if __name__ == "__main__":
    main()
