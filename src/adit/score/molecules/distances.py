"""Distances of distributions of molecules to the reference's: size, elements, rings, groups, bond lengths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from adit.elements import composition
from adit.isolate import Outcome
from adit.score.common.inputs import Row
from adit.score.common.measures import NO_ESTIMATE, Estimate, Measure, Measurer
from adit.score.common.scored import systems_of
from adit.score.molecules.features import MoleculeFeatures
from adit.systems import AtomicSystem

MIN_BONDS: Final = 100
"""Smallest number of bonds of a kind in the reference for a separate distance."""


class Distance(StrEnum):
    """Names of the distances in ``measures.json``."""

    SIZE = "size_distance"
    ELEMENTS = "element_distance"
    RINGS = "ring_count_distance"
    RING_SIZES = "ring_size_distance"
    GROUPS = "functional_group_distance"
    BOND_KINDS = "bond_kind_distance"
    BOND_LENGTHS = "bond_length_distance"


@dataclass(frozen=True)
class MoleculeProperties:
    """Molecules and their features, in the order of their ids.

    Attributes:
        systems: all molecules.
        features: features of the strictly valid molecules.
    """

    systems: Sequence[AtomicSystem]
    features: Sequence[MoleculeFeatures]


def molecule_properties(rows: Sequence[Row], checks: Mapping[str, Outcome]) -> MoleculeProperties:
    """Return the systems and features among rows.

    Args:
        rows: systems and failures.
        checks: outcome of ``check_molecule`` by id.
    """
    systems = sorted(systems_of(rows), key=lambda system: system.system_id)
    outcomes = (checks.get(system.system_id) for system in systems)
    values = (outcome.value for outcome in outcomes if outcome is not None and outcome.status == "ok")
    return MoleculeProperties(systems, [checks.features for checks in values if checks.features is not None])


_SPREADS: Final[tuple[tuple[Distance, str, Callable[[MoleculeProperties], list[list[float]]]], ...]] = (
    (Distance.SIZE, "atoms", lambda description: [[len(system)] for system in description.systems]),
    (Distance.RINGS, "rings", lambda description: [[each.n_rings] for each in description.features]),
)
"""Distributions of one number per molecule."""

_SHARES: Final[tuple[tuple[Distance, Callable[[MoleculeProperties], list[Mapping[Any, int]]]], ...]] = (
    (Distance.ELEMENTS, lambda description: [composition(system.numbers) for system in description.systems]),
    (Distance.RING_SIZES, lambda description: [each.ring_sizes for each in description.features]),
    (Distance.GROUPS, lambda description: [each.functional_groups for each in description.features]),
    (
        Distance.BOND_KINDS,
        lambda description: [
            {kind: len(lengths) for kind, lengths in each.bond_lengths.items()} for each in description.features
        ],
    ),
)
"""Histograms."""

_OF_ALL: Final = (Distance.SIZE, Distance.ELEMENTS)
"""Distances that need no bonds and count every molecule; the others count strictly valid molecules only."""


def molecule_distances(mine: MoleculeProperties, reference: MoleculeProperties, measurer: Measurer) -> list[Measure]:
    """Return the distances of a population's distributions to those of the reference, each with its unit.

    Args:
        mine: the population.
        reference: molecules of the training split.
        measurer: makes the measures.
    """
    measures = []
    for name, unit, of in _SPREADS:
        estimate = measurer.wasserstein(of(mine), _flat(of(reference)))
        measures.append(measurer.measure(name, estimate, unit, f"{_basis(name, reference)}; Wasserstein distance"))
    for name, counts_of in _SHARES:
        total: Counter[Any] = Counter()
        for counts in counts_of(reference):
            total.update(counts)
        estimate = measurer.total_variation(counts_of(mine), total)
        measures.append(measurer.measure(name, estimate, "", f"{_basis(name, reference)}; total variation of shares"))
    return measures + _bond_lengths(mine, reference, measurer)


def _basis(name: Distance, reference: MoleculeProperties) -> str:
    if name in _OF_ALL:
        return f"molecules that decoded, against {len(reference.systems)} training molecules"
    return f"strictly valid molecules, against {len(reference.features)} such training molecules"


def _flat(groups: Sequence[Sequence[float]]) -> list[float]:
    return [value for group in groups for value in group]


def _bond_lengths(mine: MoleculeProperties, reference: MoleculeProperties, measurer: Measurer) -> list[Measure]:
    """Return the mean distance of the kinds of bonds, weighted by their number in the reference, then each distance."""
    totals: Counter[str] = Counter()
    for each in reference.features:
        totals.update({kind: len(lengths) for kind, lengths in each.bond_lengths.items()})
    kinds = sorted(kind for kind, count in totals.items() if count >= MIN_BONDS)
    lengths_by_bond = {
        kind: measurer.wasserstein(
            [each.bond_lengths.get(kind, ()) for each in mine.features],
            _flat([each.bond_lengths.get(kind, ()) for each in reference.features]),
        )
        for kind in kinds
    }
    basis = f"{_basis(Distance.BOND_LENGTHS, reference)}; Wasserstein distance"
    mean = _mean([(totals[kind], estimate) for kind, estimate in lengths_by_bond.items() if estimate.count])
    of = f"{basis}, mean of the kinds of bonds with at least {MIN_BONDS} in the reference, by their numbers there"
    return [
        measurer.measure(Distance.BOND_LENGTHS, mean, "Å", of),
        *(
            measurer.measure(f"{Distance.BOND_LENGTHS}_{kind}", each, "Å", basis)
            for kind, each in lengths_by_bond.items()
        ),
    ]


def _mean(weighted: Sequence[tuple[int, Estimate]]) -> Estimate:
    total = sum(weight for weight, _ in weighted)
    if not total:
        return NO_ESTIMATE

    def mean(values: Sequence[float | None]) -> float:
        return sum(weight * (value or 0.0) for (weight, _), value in zip(weighted, values, strict=True)) / total

    estimates = [estimate for _, estimate in weighted]
    return Estimate(
        mean([each.value for each in estimates]),
        mean([each.low for each in estimates]),
        mean([each.high for each in estimates]),
        max(each.count for each in estimates),
    )
