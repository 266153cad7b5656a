"""Scores other than rates: distances between distributions, and medians, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

import numpy as np

from adit import seeds

RESAMPLES: Final = 200
"""Bootstrap resamples of an interval."""


@dataclass(frozen=True)
class Estimate:
    """A number with a bootstrap interval over systems, all in the unit of the measured values.

    Attributes:
        value: the number without resampling; ``None`` if there is nothing to measure.
        low: lower end of the interval, not below 0 if the value is not negative.
        high: upper end.
        count: number of measured systems.
    """

    value: float | None
    low: float | None
    high: float | None
    count: int


NO_ESTIMATE: Final = Estimate(None, None, None, 0)
"""Estimate of nothing."""

_KEYS: Final = {"requested": "asked"}
"""Field of a measure → its key in ``measures.json``, where they differ."""


@dataclass(frozen=True)
class Measure:
    """One number of ``measures.json``.

    Attributes:
        kind: crystal, molecule or mof.
        population: samples or a control.
        metric: name of the measure.
        value: the number in ``unit``; ``None`` if there is nothing to measure.
        low: lower end of the interval.
        high: upper end.
        unit: unit of value and interval; empty for a number without one.
        count: number of measured systems.
        requested: number of requested systems.
        basis: measured systems and reference, for display.
    """

    kind: str
    population: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    count: int
    requested: int
    basis: str

    def to_json(self) -> dict[str, Any]:
        """Return the record as written to ``measures.json``."""
        return {_KEYS.get(name, name): value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Return a measure from its record."""
        names = {key: name for name, key in _KEYS.items()}
        return cls(**{names.get(key, key): value for key, value in record.items()})


@dataclass(frozen=True)
class Measurer:
    """Measures one population.

    Attributes:
        kind: crystal, molecule or mof.
        population: samples or a control.
        requested: number of requested systems.
        confidence: level of the intervals, e.g. 0.95.
    """

    kind: str
    population: str
    requested: int
    confidence: float

    def measure(self, metric: str, estimate: Estimate, unit: str, basis: str) -> Measure:
        """Return a measure from an estimate."""
        value, low, high = estimate.value, estimate.low, estimate.high
        return Measure(
            self.kind, self.population, metric, value, low, high, unit, estimate.count, self.requested, basis
        )

    def wasserstein(self, groups: Sequence[Sequence[float]], reference: Sequence[float]) -> Estimate:
        """Return the distance of one-dimensional distributions, in the unit of the values.

        Args:
            groups: the values of each system; systems are resampled as a whole.
            reference: values of the reference.

        Source: first Wasserstein distance, ∫ |F(x) − G(x)| dx.
        """
        groups = sorted(sorted(group) for group in groups)  # resampling must not depend on the order of systems
        values = np.array([value for group in groups for value in group], dtype=float)
        if not len(values) or not len(reference):
            return NO_ESTIMATE
        grid = np.sort(np.concatenate([values, np.asarray(reference, dtype=float)]))
        places, steps = np.searchsorted(grid, values), np.diff(grid)
        target = np.searchsorted(np.sort(np.asarray(reference, dtype=float)), grid[:-1], side="right") / len(reference)
        owners = np.repeat(np.arange(len(groups)), [len(group) for group in groups])

        def distance(weights: np.ndarray) -> float | None:
            mass = np.bincount(places, weights[owners], len(grid))
            total = float(mass.sum())
            return float(np.abs(np.cumsum(mass)[:-1] / total - target) @ steps) if total else None

        return self._bootstrap(distance, len(groups), len([group for group in groups if len(group)]))

    def total_variation(self, groups: Sequence[Mapping[Any, int]], reference: Mapping[Any, int]) -> Estimate:
        """Return half the summed absolute difference of two histograms' shares: 0 if equal, 1 if disjoint.

        Args:
            groups: the counts of each system; systems are resampled as a whole.
            reference: counts of the reference.
        """
        all_names = {*reference, *(name for group in groups for name in group)}
        names = {name: index for index, name in enumerate(sorted(all_names, key=str))}
        counts = np.zeros((len(groups), len(names)))
        for row, group in enumerate(groups):
            for name, count in group.items():
                counts[row, names[name]] = count
        target = np.array([float(reference.get(name, 0)) for name in names])
        if not counts.sum() or not target.sum():
            return NO_ESTIMATE
        target /= target.sum()
        counts = counts[np.lexsort(counts.T[::-1])]  # resampling must not depend on the order of systems

        def distance(weights: np.ndarray) -> float | None:
            mass = weights @ counts
            return float(np.abs(mass / mass.sum() - target).sum() / 2) if mass.sum() else None

        return self._bootstrap(distance, len(groups), int((counts.sum(axis=1) > 0).sum()))

    def median(self, values: Sequence[float]) -> Estimate:
        """Return the median of values, one per system, in their unit."""
        if not values:
            return NO_ESTIMATE
        ordered = np.sort(np.asarray(values, dtype=float))

        def middle(weights: np.ndarray) -> float | None:
            return float(np.median(np.repeat(ordered, weights.astype(int))))

        return self._bootstrap(middle, len(ordered), len(ordered))

    def _bootstrap(self, of: Callable[[np.ndarray], float | None], n: int, count: int) -> Estimate:
        """Return the score without resampling, with an interval from the spread of the resamples around their mean.

        Resampling increases a distance, so the interval is centred on the score and only its width is resampled.
        """
        value = of(np.ones(n))
        if value is None:
            return NO_ESTIMATE
        generator = seeds.generator("bootstrap", n)
        draws = (np.bincount(generator.integers(0, n, n), minlength=n).astype(float) for _ in range(RESAMPLES))
        samples = np.array([each for each in map(of, draws) if each is not None])
        tail = (1 - self.confidence) / 2
        low, high = value + np.quantile(samples, [tail, 1 - tail]) - samples.mean()
        return Estimate(value, min(value, max(0.0, float(low))), max(value, float(high)), count)
