"""Scores of molecules: checks, PoseBusters, GFN2-xTB and comparisons, for the samples and the control rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path
from typing import Any

from adit import seeds
from adit.columns import CONTROLS, Col, Population
from adit.config import ScoreStage
from adit.isolate import Outcome
from adit.score.common.aggregate import Rater
from adit.score.common.control_cache import Controls, cached_controls
from adit.score.common.inputs import Energies, Reference, Row
from adit.score.common.measures import Measurer
from adit.score.common.scored import (
    NOTHING,
    Populations,
    Records,
    Scored,
    check_populations,
    populations_of,
    systems_of,
)
from adit.score.molecules.distances import molecule_distances, molecule_properties
from adit.score.molecules.novelty import Composition, KnownNames, TrainNames, composition_key
from adit.score.molecules.relaxed import Relaxation, property_values, relaxations
from adit.score.molecules.summary import molecule_funnel, molecule_records, property_measures, xtb_measures
from adit.score.molecules.table import NO_BONDING, Evidence, has_bonding, molecule_rows
from adit.score.molecules.validity import check_molecule
from adit.score.tools.answers import POSEBUSTERS, Answers
from adit.score.tools.posebusters import bust, version
from adit.systems import AtomicSystem, Kind

Checks = Mapping[str, Mapping[str, Outcome]]
"""Outcomes of ``check_molecule`` by population and id."""

REFERENCE = "reference"
"""Name of the reference molecules of the distributions, used like that of a population."""


def score_molecules(
    stage: ScoreStage,
    rows: list[Row],
    reference: Reference,
    workers: int,
    cache: Path | None = None,
    answers: Answers | None = None,
    energies: Energies | None = None,
) -> Scored:
    """Score molecules and their control rows.

    Args:
        stage: slice of the configuration.
        rows: the samples, failures included.
        reference: the reference molecules.
        workers: largest number of processes.
        cache: folder for the control rows and the names of the reference, or ``None``.
        answers: existing answers of the slow tools; ``None``: none.
        energies: relaxations and DFT of the samples; without a relaxation up to ``score.xtb`` are relaxed here.
    """
    scorer = _Scorer(stage, reference, workers, cache, answers or Answers(), energies or Energies())
    controls = cached_controls(stage, reference, Kind.MOLECULE, cache, scorer.controls)
    tables, mine = scorer.score({Population.SAMPLES: rows})
    table = tables[Population.SAMPLES]
    columns = list(molecule_rows([NOTHING], Evidence(), KnownNames())[0])
    funnel = molecule_funnel(table, bool(len(scorer.names)))
    measurer = Measurer(Kind.MOLECULE, Population.SAMPLES, len(rows), stage.score.confidence)
    properties = {**controls.properties, **mine.properties}
    measures = [*mine.measures, *property_measures(properties, measurer), *controls.measures]
    return Scored(columns, table, [*mine.records, *controls.records], funnel, measures, properties)


class _Scorer:
    """Scores populations of molecules against one reference."""

    def __init__(
        self,
        stage: ScoreStage,
        reference: Reference,
        workers: int,
        cache: Path | None,
        answers: Answers,
        energies: Energies,
    ) -> None:
        self.stage, self.workers, self.answers, self.energies = stage, workers, answers, energies
        train, limit = reference.split("train"), stage.score.wall_limit_s
        self.names = TrainNames(train, workers=workers, wall_limit_s=limit, cache=cache)
        self.others = populations_of(stage, [], reference)
        self.reference = reference_rows(train, self.others, stage.score.controls, stage.seed)

    def controls(self) -> Controls:
        """Score the control rows."""
        return self.score({name: self.others[name] for name in CONTROLS})[1]

    def score(self, populations: Populations) -> tuple[dict[Population, Records], Controls]:
        """Return the table of each population, and the rates and measures of all."""
        config = self.stage.score
        rows: dict[str, Sequence[Row]] = {str(name): members for name, members in populations.items()}
        checks = check_populations(
            check_molecule, {**rows, REFERENCE: self.reference}, config, self.workers, "molecules checked"
        )
        names = self.names.of(_compositions(populations, checks))
        busted = self._send(POSEBUSTERS, bust, populations, checks, config.posebusters)
        relaxed = {name: self._relaxed(name, members, checks[name]) for name, members in populations.items()}
        against = molecule_properties(self.reference, checks[REFERENCE])
        tables, results = {}, Controls()
        for name, members in populations.items():
            dft = self.energies.dft if name is Population.SAMPLES else {}
            table = molecule_rows(members, Evidence(checks[name], busted[name], relaxed[name], dft), names)
            results.properties[name] = property_values(table)
            rater = Rater(Kind.MOLECULE, name, config.confidence)
            measurer = Measurer(Kind.MOLECULE, name, len(members), config.confidence)
            tables[name] = table
            results.records.extend(molecule_records(table, rater, len(self.names), version()))
            results.measures.extend(xtb_measures(table, measurer))
            if against.systems:
                results.measures.extend(
                    molecule_distances(molecule_properties(members, checks[name]), against, measurer)
                )
        return tables, results

    def _relaxed(
        self, name: Population, rows: Sequence[Row], checks: Mapping[str, Outcome]
    ) -> dict[str, Relaxation | str]:
        """Return the relaxation of each row by id: the stage's where there is one, else of the chosen rows."""
        config = self.stage.score
        done = self.energies.relaxed if name is Population.SAMPLES else {}
        relaxed: dict[str, Relaxation | str] = {
            row.system_id: done[row.system_id]
            for row in rows
            if row.system_id in done and Col.GAP in done[row.system_id]
        }
        ids = drawn_ids(rows, config.xtb, self.stage.seed) - relaxed.keys() if not relaxed else set()
        relaxed |= dict.fromkeys(sorted(ids), NO_BONDING)
        work = [s for s in systems_of(rows) if s.system_id in ids and has_bonding(checks[s.system_id])]
        fresh = relaxations(work, workers=self.workers, wall_limit_s=config.wall_limit_s) if work else []
        return relaxed | {system.system_id: each for system, each in zip(work, fresh, strict=True)}

    def _send(
        self,
        tool: str,
        ask: Callable[..., Sequence[Any]],
        populations: Populations,
        checks: Checks,
        count: int | None,
    ) -> dict[str, dict[str, Any]]:
        """Return a tool's answers for the selected rows of each population; rows without bonds get a reason instead."""
        sent = {name: drawn_ids(rows, count, self.stage.seed) for name, rows in populations.items()}
        outcomes: dict[str, dict[str, Any]] = {
            name: dict.fromkeys(sorted(ids), NO_BONDING) for name, ids in sent.items()
        }
        work = [
            (name, system)
            for name, rows in populations.items()
            for system in systems_of(rows)
            if system.system_id in sent[name] and has_bonding(checks[name][system.system_id])
        ]
        given = partial(ask, workers=self.workers, wall_limit_s=self.stage.score.wall_limit_s)
        said = self.answers.complete(tool, [system for _, system in work], given)
        for (name, system), answer in zip(work, said, strict=True):
            outcomes[name][system.system_id] = answer
        return outcomes


def reference_rows(train: Sequence[AtomicSystem], populations: Populations, count: int, seed: int) -> list[Row]:
    """Return training molecules for the reference, preferably not those of the control row of the training set.

    So the distances of that row show the effect of finite sampling only.

    Args:
        train: molecules of the training split.
        populations: samples and control rows.
        count: largest number of molecules.
        seed: seed of the run.
    """
    control = {row.system_id for row in populations[Population.TRAIN]}
    others = [system for system in train if system.system_id not in control] or list(train)
    wanted = drawn_ids(others, count, seed)
    return [system for system in others if system.system_id in wanted]


def drawn_ids(rows: Sequence[Row], count: int | None, seed: int) -> AbstractSet[str]:
    """Return the ids of ``count`` rows (``None``: all); the selection depends on seed and ids, not on the order."""
    ids = sorted((row.system_id for row in rows), key=lambda system_id: seeds.derive_seed("chosen", seed, system_id))
    return set(ids[:count])


def _compositions(populations: Populations, checks: Checks) -> set[Composition]:
    """Return the compositions of the strictly valid molecules; only training molecules with these can be equal."""
    return {
        composition_key(system)
        for name, rows in populations.items()
        for system in systems_of(rows)
        if checks[name][system.system_id].status == "ok" and checks[name][system.system_id].value.strict
    }
