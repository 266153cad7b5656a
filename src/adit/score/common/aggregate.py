"""Rates with intervals, and the funnel from requested to stable, unique and novel systems."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from adit.intervals import wilson

MAX_REASONS: Final = 12
"""Largest number of reasons per step; rarer ones are counted together."""

OTHER: Final = "other reasons"
"""Name of the rarer reasons together."""


@dataclass(frozen=True)
class RateRecord:
    """One rate with numerator and denominator; with a denominator of 0 it has no value.

    Attributes:
        kind: crystal, molecule or mof.
        population: samples or a control.
        protocol: protocol of the definition.
        metric: name of the metric.
        value: numerator / denominator, in 0..1; ``None`` where the denominator is 0.
        low: lower end of the interval, in 0..1; ``None`` as for ``value``.
        high: upper end, likewise.
        numerator: number of passing rows.
        denominator: number of counted rows.
        basis: what the denominator counts, and everything else that decides the number, for display.
    """

    kind: str
    population: str
    protocol: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    numerator: int
    denominator: int
    basis: str

    def to_json(self) -> dict[str, Any]:
        """Return the record as written to ``summary.json``."""
        return asdict(self)


@dataclass(frozen=True)
class Rater:
    """Makes records of one population.

    Attributes:
        kind: crystal, molecule or mof.
        population: samples or a control.
        confidence: level of the intervals, e.g. 0.95.
    """

    kind: str
    population: str
    confidence: float

    def rate(self, protocol: str, metric: str, flags: Iterable[bool], basis: str) -> RateRecord:
        """Return the share of true flags; each row of the denominator has one flag."""
        values = [bool(flag) for flag in flags]
        return self.ratio(protocol, metric, sum(values), len(values), basis)

    def ratio(self, protocol: str, metric: str, numerator: int, denominator: int, basis: str) -> RateRecord:
        """Return a rate from counts."""
        value, low, high = None, None, None
        if denominator:
            value = numerator / denominator
            low, high = wilson(numerator, denominator, self.confidence)
        return RateRecord(self.kind, self.population, protocol, metric, value, low, high, numerator, denominator, basis)


@dataclass(frozen=True)
class FunnelStep:
    """One step of the funnel.

    Attributes:
        name: name of the step.
        reasons: for each requested row, why it does not pass this step; empty if it passes.
    """

    name: str
    reasons: Sequence[str]


def funnel(kind: str, total: int, steps: Sequence[FunnelStep]) -> list[dict[str, Any]]:
    """Return the number of rows that pass each step and all before it, and the reasons of those that fail at it.

    The first record is the step ``asked``: all requested rows.

    Args:
        kind: crystal, molecule or mof.
        total: number of requested rows.
        steps: the steps in order, each with a reason (or an empty text) for every requested row.
    """
    records: list[dict[str, Any]] = [{"kind": kind, "step": "asked", "count": total, "reasons": {}}]
    alive = list(range(total))
    for step in steps:
        lost = Counter(step.reasons[row] for row in alive if step.reasons[row])
        alive = [row for row in alive if not step.reasons[row]]
        records.append({"kind": kind, "step": step.name, "count": len(alive), "reasons": _most(lost)})
    return records


def plain_reason(reason: str) -> str:
    """Return a reason without its numbers and pairs of elements, so that equal causes count together."""
    alike = re.sub(r"\b[A-Z][a-z]?[–-][A-Z][a-z]?\b(?= \d)", "two atoms", reason)
    return re.sub(r"(?<![\w.])[-+]?\d+(\.\d+)?(e[-+]?\d+)?", "#", alike)[:160]


def _most(reasons: Counter[str]) -> dict[str, int]:
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    if len(ordered) <= MAX_REASONS:
        return dict(ordered)
    return {**dict(ordered[: MAX_REASONS - 1]), OTHER: sum(count for _, count in ordered[MAX_REASONS - 1 :])}


def representatives(candidates: Sequence[tuple[str, str]]) -> set[str]:
    """Return one id of each group.

    Args:
        candidates: (id, group) of rows; the smallest id represents its group.
    """
    first: dict[str, str] = {}
    for system_id, group in sorted(candidates):
        first.setdefault(group, system_id)
    return set(first.values())
