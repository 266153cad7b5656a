"""Scores of molecules: checks, PoseBusters, GFN2-xTB and comparisons, for the samples and the control rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from adit import seeds
from adit.config import ScoreConfig, ScoreStage
from adit.elements import composition
from adit.isolate import Outcome
from adit.score.aggregate import Rater, Record
from adit.score.inputs import Reference, Row
from adit.score.measures import Measure, Measurer
from adit.score.molecule_distances import described, distance_measures
from adit.score.molecule_names import KnownNames, known_names
from adit.score.molecule_summary import molecule_funnel, molecule_records, xtb_measures
from adit.score.molecule_table import NO_BONDING, Evidence, molecule_rows
from adit.score.molecule_xtb import relax_all
from adit.score.molecules import MoleculeChecks, check_molecule
from adit.score.names import Population
from adit.score.posebusters import bust, version
from adit.score.scored import NOTHING, Populations, Scored, check_populations, populations_of, systems_of
from adit.systems import AtomicSystem, Kind

Checks = Mapping[str, Mapping[str, Outcome]]

REFERENCE = "reference"
"""Training molecules that the distributions are measured against; as a name beside those of the populations."""


def score_molecules(stage: ScoreStage, rows: list[Row], known: Reference, workers: int) -> Scored:
    """Score molecules and their control rows.

    Args:
        stage: slice of the configuration.
        rows: the samples, failures included.
        known: the reference molecules.
        workers: processes at most.
    """
    config = stage.score
    populations = populations_of(stage, rows, known)
    train = known.split("train")
    all_rows = {str(name): members for name, members in populations.items()}
    all_rows[REFERENCE] = reference_rows(train, populations, config.controls, stage.seed)
    checks = check_populations(check_molecule, all_rows, config, workers, "molecules checked")
    names = _known_names(train, populations, checks, config, workers)
    busted = _send(bust, populations, checks, config.posebusters, stage, workers)
    relaxed = _send(relax_all, populations, checks, config.xtb, stage, workers)
    records: list[Record] = []
    measures: list[Measure] = []
    tables = {}
    against = described(all_rows[REFERENCE], checks[REFERENCE])
    for name, members in populations.items():
        tables[name] = molecule_rows(members, Evidence(checks[name], busted[name], relaxed[name]), names)
        measurer = Measurer(Kind.MOLECULE, name, len(members), config.confidence)
        records += molecule_records(tables[name], Rater(Kind.MOLECULE, name, config.confidence), len(train), version())
        measures += xtb_measures(tables[name], measurer)
        if against.systems:
            measures += distance_measures(described(members, checks[name]), against, measurer)
    table = tables[Population.SAMPLES]
    columns = list(molecule_rows([NOTHING], Evidence(), KnownNames())[0])
    return Scored(columns, table, records, molecule_funnel(table, bool(train)), measures)


def reference_rows(train: Sequence[AtomicSystem], populations: Populations, count: int, seed: int) -> list[Row]:
    """Return training molecules that are not in the control row of the training set, while there are any.

    So the distances of that row show what sampling alone makes of them.
    """
    control = {row.system_id for row in populations[Population.TRAIN]}
    others = [system for system in train if system.system_id not in control] or list(train)
    wanted = chosen(others, count, seed)
    return [system for system in others if system.system_id in wanted]


def chosen(rows: Sequence[Row], count: int | None, seed: int) -> AbstractSet[str]:
    """Return the ids of so many rows, all for ``None``; the choice depends on seed and ids alone, not on the order."""
    ids = sorted((row.system_id for row in rows), key=lambda system_id: seeds.derive_seed("chosen", seed, system_id))
    return set(ids[:count])


def _send(
    tool: Callable[..., Sequence[Any]],
    populations: Populations,
    checks: Checks,
    count: int | None,
    stage: ScoreStage,
    workers: int,
) -> dict[str, dict[str, Any]]:
    """Return what a tool finds of the chosen rows of each population; a row without bonds has that as its reason."""
    sent = {name: chosen(rows, count, stage.seed) for name, rows in populations.items()}
    found: dict[str, dict[str, Any]] = {name: dict.fromkeys(sorted(ids), NO_BONDING) for name, ids in sent.items()}
    work = [
        (name, system)
        for name, rows in populations.items()
        for system in systems_of(rows)
        if system.system_id in sent[name] and _bonded(checks[name][system.system_id])
    ]
    answers = tool([system for _, system in work], workers=workers, wall_limit_s=stage.score.wall_limit_s)
    for (name, system), answer in zip(work, answers, strict=True):
        found[name][system.system_id] = answer
    return found


def _bonded(outcome: Outcome) -> bool:
    """Return whether some bonding fits: without one there is no molecule to send anywhere."""
    return outcome.status == "ok" and isinstance(outcome.value, MoleculeChecks) and outcome.value.bonded


def _known_names(
    train: Sequence[AtomicSystem], populations: Populations, checks: Checks, config: ScoreConfig, workers: int
) -> KnownNames:
    """Return the names of the training molecules that could equal a valid one: those of its composition."""
    wanted = {
        _key(system)
        for name, rows in populations.items()
        for system in systems_of(rows)
        if checks[name][system.system_id].status == "ok" and checks[name][system.system_id].value.strict
    }
    candidates = [system for system in train if _key(system) in wanted]
    return known_names(candidates, workers=workers, wall_limit_s=config.wall_limit_s)


def _key(system: AtomicSystem) -> tuple[tuple[str, int], ...]:
    return tuple(composition(system.numbers).items())
