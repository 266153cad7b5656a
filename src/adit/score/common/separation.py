"""Which scores separate real systems from noise, according to the control rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol

from adit.columns import Metric, Population
from adit.score.common.aggregate import RateRecord
from adit.score.common.measures import Measure

FAKES: Final = (Population.NOISE, Population.RANDOM)
"""Control rows that a score must rank below real systems."""

LOWER_IS_BETTER: Final = (Metric.SPACEGROUP_P1, Metric.RELAXED_SPACEGROUP_P1)
"""Rates that are lower for real systems."""

MARK: Final = "*"
"""Mark of a score that does not separate real systems from one of the controls."""


class _Interval(Protocol):
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


@dataclass(frozen=True)
class Separation:
    """Verdict on one number.

    Attributes:
        kind: crystal, molecule or mof.
        protocol: protocol of the definition; empty for measures.
        metric: name of the rate or measure.
        noise: whether the interval of real systems is on the better side of that of noisy ones, without overlap;
            ``None`` if one of them has no number.
        random: the same for random atoms.
        real: the control row of real systems: ``test``, or ``train`` where the reference has no test split.
    """

    kind: str
    protocol: str
    metric: str
    noise: bool | None
    random: bool | None
    real: str = Population.TEST

    @property
    def fails(self) -> bool:
        """Return whether the number does not separate real systems from one of the fakes."""
        return self.noise is False or self.random is False

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as written to ``separation.json``."""
        return asdict(self)


def separations(records: Sequence[RateRecord], measures: Sequence[Measure] = ()) -> list[Separation]:
    """Return the verdict on every number that has control rows.

    Real systems are those of the test split, or of the training split if there is no test split.
    Higher rates are better (except ``LOWER_IS_BETTER``); lower measures (distances, energies) are better.
    """
    rates: dict[tuple[str, str, str], dict[str, RateRecord]] = {}
    for record in records:
        rates.setdefault((record.kind, record.protocol, record.metric), {})[record.population] = record
    sizes: dict[tuple[str, str, str], dict[str, Measure]] = {}
    for measure in measures:
        sizes.setdefault((measure.kind, "", measure.metric), {})[measure.population] = measure
    verdicts = [_verdict(key, interval, higher=key[2] not in LOWER_IS_BETTER) for key, interval in rates.items()]
    verdicts += [_verdict(key, interval, higher=False) for key, interval in sizes.items()]
    return [each for each in verdicts if each is not None]


def _verdict(key: tuple[str, str, str], intervals: Mapping[str, _Interval], *, higher: bool) -> Separation | None:
    name = next(
        (n for n in (Population.TEST, Population.TRAIN) if n in intervals and intervals[n].low is not None), None
    )
    if name is None or not any(fake in intervals for fake in FAKES):
        return None
    noise, random = (_better(intervals[name], intervals.get(fake), higher) for fake in FAKES)
    return Separation(*key, noise=noise, random=random, real=str(name))


def _better(real: _Interval, fake: _Interval | None, higher: bool) -> bool | None:
    if fake is None or real.low is None or real.high is None or fake.low is None or fake.high is None:
        return None
    return real.low > fake.high if higher else real.high < fake.low
