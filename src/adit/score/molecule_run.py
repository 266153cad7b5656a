"""Scores of molecules: checks, PoseBusters and comparisons, for the samples and the control rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adit.config import ScoreConfig, ScoreStage
from adit.elements import composition
from adit.isolate import Outcome
from adit.score.aggregate import Rater, Record
from adit.score.inputs import Reference, Row
from adit.score.molecule_names import KnownNames, known_names
from adit.score.molecule_summary import molecule_funnel, molecule_records
from adit.score.molecule_table import molecule_rows
from adit.score.molecules import MoleculeChecks, check_molecule
from adit.score.names import Population
from adit.score.posebusters import bust, version
from adit.score.scored import NOTHING, Populations, Scored, check_populations, populations_of, systems_of
from adit.systems import AtomicSystem, Kind


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
    checks = check_populations(check_molecule, populations, config, workers, "molecules checked")
    train = known.split("train")
    names = _known_names(train, populations, checks, config, workers)
    sent = {name: {row.system_id for row in members[: config.posebusters]} for name, members in populations.items()}
    busted = _bust(populations, checks, sent, config, workers)
    tables = {
        name: molecule_rows(members, checks[name], busted[name], sent[name], names)
        for name, members in populations.items()
    }
    records: list[Record] = []
    for name, table in tables.items():
        records += molecule_records(table, Rater(Kind.MOLECULE, name, config.confidence), len(train), version())
    table = tables[Population.SAMPLES]
    columns = list(molecule_rows([NOTHING], {}, {}, set(), KnownNames())[0])
    return Scored(columns, table, records, molecule_funnel(table, bool(train)))


def _bonded(outcome: Outcome) -> bool:
    """Return whether some bonding fits: without one there is no molecule to send to PoseBusters."""
    return outcome.status == "ok" and isinstance(outcome.value, MoleculeChecks) and outcome.value.bonded


def _bust(
    populations: Populations,
    checks: Mapping[Population, Mapping[str, Outcome]],
    sent: Mapping[Population, set[str]],
    config: ScoreConfig,
    workers: int,
) -> dict[Population, dict[str, dict[str, bool | None] | str]]:
    work = [
        (name, system)
        for name, rows in populations.items()
        for system in systems_of(rows)
        if system.system_id in sent[name] and _bonded(checks[name][system.system_id])
    ]
    answers = bust([system for _, system in work], workers=workers, wall_limit_s=config.wall_limit_s)
    found: dict[Population, dict[str, dict[str, bool | None] | str]] = {name: {} for name in populations}
    for (name, system), answer in zip(work, answers, strict=True):
        found[name][system.system_id] = answer
    return found


def _known_names(
    train: Sequence[AtomicSystem],
    populations: Populations,
    checks: Mapping[Population, Mapping[str, Outcome]],
    config: ScoreConfig,
    workers: int,
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
