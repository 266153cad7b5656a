"""Scores of crystals: checks, matching, energies and distributions, for the samples and the control rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adit.columns import CONTROLS, Col, Population
from adit.config import ScoreStage
from adit.elements import reduced_formula
from adit.score.common.aggregate import Rater, RateRecord
from adit.score.common.control_cache import Controls, cached_controls
from adit.score.common.inputs import Energies, Reference, Row
from adit.score.common.measures import Measure, Measurer
from adit.score.common.scored import NOTHING, Records, Scored, check_populations, populations_of, systems_of
from adit.score.crystals.distances import CrystalProperties, crystal_distances, crystal_properties, spread_measure
from adit.score.crystals.summary import Against, crystal_funnel, crystal_records, energy_records
from adit.score.crystals.table import RELAXED, add_energies, check_crystal, crystal_rows
from adit.score.matching.matcher import Matches, index_references, match_all
from adit.score.matching.nearest import nearest_known
from adit.systems import AtomicSystem, Kind


def score_crystals(
    stage: ScoreStage,
    rows: list[Row],
    reference: Reference,
    energies: Energies,
    workers: int,
    cache: Path | None = None,
) -> Scored:
    """Score crystals and their control rows.

    Args:
        stage: slice of the configuration.
        rows: the samples, failures included.
        reference: the reference crystals.
        energies: relaxations, hull and DFT of the samples, energies in eV/atom.
        workers: largest number of processes.
        cache: folder for the control rows and the reduced references, or ``None``.
    """
    scorer = _Scorer(stage, reference, workers, cache)
    controls = cached_controls(stage, reference, Kind.CRYSTAL, cache, scorer.controls)
    table, records, measures, matches = scorer.samples(rows, energies)
    blank = crystal_rows([NOTHING], {}, matches, Population.SAMPLES)
    add_nearest(blank, [], [], [])
    if energies.with_relaxations:
        add_energies(blank, energies, matches)
    funnel = crystal_funnel(table, energies, matches)
    return Scored(list(blank[0]), table, [*records, *controls.records], funnel, [*measures, *controls.measures])


def add_nearest(
    table: Records, rows: Sequence[Row], relaxed: Sequence[AtomicSystem], references: Sequence[AtomicSystem]
) -> None:
    """Add the nearest known crystal and its distance (Å), by ``nearest_known``, to the samples' table.

    Args:
        table: the samples; changed in place.
        rows: the samples as generated, failures included.
        relaxed: their relaxed structures, which are used in place of the generated ones.
        references: the known crystals.
    """
    latest = {row.system_id: row for row in [*systems_of(rows), *relaxed]}
    nearest = nearest_known(list(latest.values()), references)
    for row in table:
        one = nearest.get(row[Col.SYSTEM_ID])
        row[Col.NEAREST_KNOWN] = one.system_id if one else ""
        row[Col.NEAREST_FORMULA] = one.formula if one else ""
        row[Col.NEAREST_DISTANCE] = one.distance if one else math.nan


class _Scorer:
    """Scores populations of crystals against one reference."""

    def __init__(self, stage: ScoreStage, reference: Reference, workers: int, cache: Path | None) -> None:
        self.stage, self.reference, self.workers, self.cache = stage, reference, workers, cache
        self.index = index_references(reference.systems, reference.splits)
        self.against = Against(
            len(reference.systems), {reduced_formula(system.numbers) for system in reference.systems}
        )
        train = reference.split("train")
        self.target: CrystalProperties = crystal_properties(train or reference.systems)
        self.target_name = "the training split" if train else "the reference"

    def controls(self) -> Controls:
        """Score the control rows."""
        populations = populations_of(self.stage, [], self.reference)
        others = {name: populations[name] for name in CONTROLS}
        tables, matches, measures = self._tables(others, {})
        records = [record for name in CONTROLS for record in self._records(tables[name], matches, name)]
        return Controls(records, measures)

    def samples(
        self, rows: Sequence[Row], energies: Energies
    ) -> tuple[Records, list[RateRecord], list[Measure], Matches]:
        """Score the samples."""
        ids = {row.system_id for row in rows}
        relaxed = [system for system_id, system in energies.structures.items() if system_id in ids]
        tables, matches, measures = self._tables({Population.SAMPLES: rows}, {RELAXED: relaxed})
        table = tables[Population.SAMPLES]
        add_nearest(table, rows, relaxed, self.reference.systems)
        if energies.with_relaxations:
            add_energies(table, energies, matches)
        records = self._records(table, matches, Population.SAMPLES)
        if energies.with_relaxations:
            rater = Rater(Kind.CRYSTAL, Population.SAMPLES, self.stage.score.confidence)
            records += energy_records(table, energies, rater)
        return table, records, measures, matches

    def _records(self, table: Records, matches: Matches, name: Population) -> list[RateRecord]:
        return crystal_records(table, matches, Rater(Kind.CRYSTAL, name, self.stage.score.confidence), self.against)

    def _tables(
        self, populations: Mapping[Population, Sequence[Row]], more: Mapping[str, Sequence[AtomicSystem]]
    ) -> tuple[dict[Population, Records], Matches, list[Measure]]:
        config = self.stage.score
        checks = check_populations(check_crystal, populations, config, self.workers, "crystals checked")
        to_match: dict[str, Any] = {name: systems_of(members) for name, members in populations.items()}
        matches = match_all(
            {**to_match, **more},
            self.index,
            workers=self.workers,
            wall_limit_s=config.wall_limit_s,
            cache=self.cache,
        )
        tables = {name: crystal_rows(rows, checks[name], matches, name) for name, rows in populations.items()}
        measures: list[Measure] = []
        for name, rows in populations.items():
            measurer = Measurer(Kind.CRYSTAL, name, len(rows), config.confidence)
            measures.append(spread_measure(checks[name], measurer))
            if self.target.sizes:
                measures += crystal_distances(crystal_properties(rows), self.target, measurer, self.target_name)
        return tables, matches, measures
