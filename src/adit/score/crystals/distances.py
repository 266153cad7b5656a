"""Crystals: distances of their distributions to the reference's, and distances between samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from adit.elements import composition
from adit.isolate import Outcome
from adit.score.common.inputs import Row
from adit.score.common.measures import Measure, Measurer
from adit.score.crystals.validity import density
from adit.score.matching.amd import AMD, NEIGHBOURS, nearest_distances
from adit.systems import AtomicSystem


class Spread(StrEnum):
    """Names of the measures."""

    DENSITY_DISTANCE = "density_distance"
    VOLUME_DISTANCE = "volume_per_atom_distance"
    SIZE_DISTANCE = "size_distance"
    N_ARY_DISTANCE = "n_ary_distance"
    ELEMENT_DISTANCE = "element_distance"
    NEAREST_DISTANCE = "nearest_sample_distance"


@dataclass(frozen=True)
class CrystalProperties:
    """Properties of crystals, one entry per crystal.

    Attributes:
        densities: densities, g/cm³.
        volumes: volumes per atom, Å³.
        sizes: numbers of atoms in the cell.
        n_elements: numbers of different elements.
        elements: numbers of atoms in the cell by element symbol.
    """

    densities: Sequence[float]
    volumes: Sequence[float]
    sizes: Sequence[int]
    n_elements: Sequence[int]
    elements: Sequence[Mapping[str, int]]


def crystal_properties(rows: Iterable[Row]) -> CrystalProperties:
    """Return the properties of the crystals among rows; failures are skipped."""
    systems = [row for row in rows if isinstance(row, AtomicSystem)]
    counts = [composition(system.numbers) for system in systems]
    return CrystalProperties(
        [density(system) for system in systems],
        [system.volume / len(system) for system in systems],
        [len(system) for system in systems],
        [len(count) for count in counts],
        counts,
    )


def crystal_distances(
    sample_set: CrystalProperties, reference: CrystalProperties, measurer: Measurer, name: str
) -> list[Measure]:
    """Return the distances of distributions from the reference's; 0 if they are equal.

    Args:
        sample_set: the crystals of a population.
        reference: the reference crystals.
        measurer: makes the measures.
        name: name of the reference, for display.
    """
    basis = f"crystals that decoded; against {len(reference.sizes)} of {name}"
    earth_mover, variation = f"Wasserstein distance, {basis}", f"total variation distance, {basis}"
    lengths: tuple[tuple[Spread, Sequence[float], Sequence[float], str], ...] = (
        (Spread.DENSITY_DISTANCE, sample_set.densities, reference.densities, "g/cm³"),
        (Spread.VOLUME_DISTANCE, sample_set.volumes, reference.volumes, "Å³"),
        (Spread.SIZE_DISTANCE, sample_set.sizes, reference.sizes, "atoms"),
        (Spread.N_ARY_DISTANCE, sample_set.n_elements, reference.n_elements, "elements"),
    )
    measures = [
        measurer.measure(metric, measurer.wasserstein([[value] for value in values], target), unit, earth_mover)
        for metric, values, target, unit in lengths
    ]
    total: Counter[str] = Counter()
    for counts in reference.elements:
        total.update(counts)
    estimate = measurer.total_variation(sample_set.elements, total)
    return [*measures, measurer.measure(Spread.ELEMENT_DISTANCE, estimate, "", f"shares of atoms; {variation}")]


def spread_measure(checks: Mapping[str, Outcome], measurer: Measurer) -> Measure:
    """Return the median distance (Å) of a crystal to the nearest other one; near 0 if samples repeat each other.

    This is a continuous form of uniqueness, without a tolerance and independent of the order of samples. The distance
    is that of ``nearest_distances``.

    Args:
        checks: outcomes of ``check_crystal`` by id, which hold the fingerprints.
        measurer: makes the measure.
    """
    values: list[Any] = [outcome.value.get(AMD) for outcome in checks.values() if outcome.status == "ok"]
    nearest = nearest_distances([value for value in values if value is not None])
    basis = f"median distance to the nearest other one; average minimum distances of {NEIGHBOURS} neighbours"
    return measurer.measure(Spread.NEAREST_DISTANCE, measurer.median(nearest), "Å", basis)
