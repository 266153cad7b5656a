"""Common parts of scoring each kind: populations, checks in worker processes, and the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from adit.columns import Population
from adit.config import ScoreConfig, ScoreStage
from adit.isolate import Outcome, map_isolated
from adit.progress import Progress, log
from adit.score.common.aggregate import RateRecord
from adit.score.common.controls import controls
from adit.score.common.inputs import Reference, Row
from adit.score.common.measures import Measure
from adit.systems import AtomicSystem, Failure

Records = list[dict[str, Any]]
"""Rows of a table, each by column."""

Populations = Mapping[Population, Sequence[Row]]
"""Systems and failures by population."""

Name = TypeVar("Name", bound=str)

NOTHING = Failure("", "", "")
"""A failure row that gives the columns of an empty table."""


@dataclass(frozen=True)
class Scored:
    """The scores of one kind.

    Attributes:
        columns: columns of the table, even if it has no row.
        table: one row per requested sample.
        records: rates of all populations.
        funnel: steps of the samples.
        measures: scores of all populations that are not rates.
        properties: values of properties by population and property; empty where none were computed.
    """

    columns: list[str]
    table: Records
    records: list[RateRecord]
    funnel: Records
    measures: list[Measure] = field(default_factory=list)
    properties: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)


def populations_of(stage: ScoreStage, rows: Sequence[Row], reference: Reference) -> Populations:
    """Return the samples and the control rows made from the reference."""
    others = controls(reference.systems, reference.splits, stage.score.controls, stage.seed)
    sizes = ", ".join(f"{len(systems)} {name}" for name, systems in others.items() if systems)
    log.info("%d samples to score; %s", len(rows), f"controls: {sizes}" if sizes else "no controls without a reference")
    return {Population.SAMPLES: rows, **others}


def systems_of(rows: Sequence[Row]) -> list[AtomicSystem]:
    """Return the rows that are systems."""
    return [row for row in rows if isinstance(row, AtomicSystem)]


def check_populations(
    function: Callable[[AtomicSystem], Any],
    populations: Mapping[Name, Sequence[Row]],
    config: ScoreConfig,
    workers: int,
    what: str,
) -> dict[Name, dict[str, Outcome]]:
    """Apply a check to every system of every population; return the outcomes by population and id.

    Args:
        function: importable function of one system.
        populations: samples and control rows.
        config: section ``score``; its ``wall_limit_s`` bounds the wall time of one system, s.
        workers: largest number of processes.
        what: noun for the progress lines.
    """
    work = [(name, system) for name, rows in populations.items() for system in systems_of(rows)]
    progress = Progress(what, len(work))
    outcomes = map_isolated(
        function,
        [system for _, system in work],
        workers=workers,
        wall_limit_s=config.wall_limit_s,
        on_result=lambda _, __: progress.update(),
    )
    results: dict[Name, dict[str, Outcome]] = {name: {} for name in populations}
    for (name, system), outcome in zip(work, outcomes, strict=True):
        results[name][system.system_id] = outcome
    return results
