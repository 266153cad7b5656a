"""Scores every sample beside control rows, with intervals and reasons.

Reads:  samples/<kind>/<shard>.arrow, data/<dataset>.arrow, relaxed/<kind>/<shard>.parquet, hull/hull.parquet,
        dft/<shard>.parquet
Writes: scores/<kind>.parquet and .csv, scores/summary.json, scores/funnel.json
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adit import store
from adit.config import ScoreConfig, ScoreStage
from adit.elements import composition
from adit.isolate import Outcome, map_isolated
from adit.progress import Progress, log
from adit.score.aggregate import Rater, Record
from adit.score.controls import controls
from adit.score.crystal_summary import crystal_funnel, crystal_records, energy_records
from adit.score.crystals import RELAXED, add_energies, check_crystal, crystal_rows
from adit.score.inputs import Energies, Reference, Row, read_energies, read_reference, read_rows
from adit.score.matching import index_references, match_all
from adit.score.molecule_table import molecule_funnel, molecule_records, molecule_rows
from adit.score.molecules import MoleculeChecks, check_molecule, strict_smiles
from adit.score.names import Population
from adit.score.posebusters import bust
from adit.score.terminal import log_table
from adit.systems import AtomicSystem, Failure, Kind

Records = list[dict[str, Any]]
Populations = Mapping[Population, Sequence[Row]]

NOTHING = Failure("", "", "")
"""A row that names the columns of an empty table."""


@dataclass(frozen=True)
class Scored:
    """The scores of one kind.

    Attributes:
        columns: columns of the table, also where it has no row.
        table: one row a sample asked for.
        records: rates of all populations.
        funnel: steps of the samples.
    """

    columns: list[str]
    table: Records
    records: list[Record]
    funnel: Records


def score(
    stage: ScoreStage,
    samples: dict[str, list[Path]],
    data: list[Path],
    relaxed: list[Path],
    hull: Path | None,
    dft: list[Path],
    out: Path,
    workers: int,
) -> None:
    """Score the samples of each kind and the control rows, and write tables, summary and funnel.

    Args:
        stage: slice of the configuration.
        samples: shards by kind.
        data: ``data/<dataset>.arrow`` of all datasets; gives the controls and what novelty is measured against.
        relaxed: ``relaxed/<kind>/<shard>.parquet``; the ``.arrow`` beside each holds the structures.
        hull: ``hull/hull.parquet``, or ``None`` where there is none.
        dft: ``dft/<shard>.parquet``.
        out: the folder of the scores.
        workers: processes at most.

    Raises:
        DataError: a file is missing or broken, or the hull mixes energies of different meaning.
    """
    asked = {kind: paths for kind, paths in samples.items() if paths}
    scorers: dict[str, Callable[[list[Row], Reference], Scored]] = {
        Kind.CRYSTAL: lambda rows, known: _crystals(stage, rows, known, read_energies(relaxed, hull, dft), workers),
        Kind.MOLECULE: lambda rows, known: _molecules(stage, rows, known, workers),
    }
    records: list[Record] = []
    funnels: Records = []
    for kind, paths in asked.items():
        if kind not in scorers:
            log.warning("%s samples have no scores: only crystals and molecules are scored", kind)
            continue
        scored = scorers[kind](read_rows(paths), read_reference(data, Kind(kind)))
        _write_table(out, kind, scored)
        records += scored.records
        funnels += scored.funnel
    store.write_json(out / "summary.json", [record.to_json() for record in records])
    store.write_json(out / "funnel.json", funnels)
    log_table(records, funnels)


def _write_table(out: Path, kind: str, scored: Scored) -> None:
    import pandas as pd

    names = [str(column) for column in scored.columns]
    frame = pd.DataFrame([[row[column] for column in scored.columns] for row in scored.table], columns=names)
    metadata = {"kind": kind, "rows": len(frame)}
    store.write_frame(out / f"{kind}.parquet", frame, metadata)
    store.write_frame(out / f"{kind}.csv", frame)


def _populations(stage: ScoreStage, rows: list[Row], known: Reference) -> Populations:
    others = controls(known.systems, known.splits, stage.score.controls, stage.seed)
    sizes = ", ".join(f"{len(systems)} {name}" for name, systems in others.items())
    log.info("%d samples; controls: %s", len(rows), sizes)
    return {Population.SAMPLES: rows, **others}


def _systems(rows: Sequence[Row]) -> list[AtomicSystem]:
    return [row for row in rows if isinstance(row, AtomicSystem)]


def _check(
    function: Callable[[AtomicSystem], Any], populations: Populations, config: ScoreConfig, workers: int, what: str
) -> dict[Population, dict[str, Outcome]]:
    """Apply a check to every system of every population; the outcomes by population and id."""
    work = [(name, system) for name, rows in populations.items() for system in _systems(rows)]
    progress = Progress(what, len(work))
    outcomes = map_isolated(
        function,
        [system for _, system in work],
        workers=workers,
        wall_limit_s=config.wall_limit_s,
        on_result=lambda _, __: progress.update(),
    )
    found: dict[Population, dict[str, Outcome]] = {name: {} for name in populations}
    for (name, system), outcome in zip(work, outcomes, strict=True):
        found[name][system.system_id] = outcome
    return found


def _crystals(stage: ScoreStage, rows: list[Row], known: Reference, energies: Energies, workers: int) -> Scored:
    config = stage.score
    populations = _populations(stage, rows, known)
    checks = _check(check_crystal, populations, config, workers, "crystals checked")
    ids = {row.system_id for row in rows}
    to_match: dict[str, list[AtomicSystem]] = {name: _systems(members) for name, members in populations.items()}
    to_match[RELAXED] = [system for system_id, system in energies.structures.items() if system_id in ids]
    matches = match_all(
        to_match,
        index_references(known.systems, known.splits),
        workers=workers,
        wall_limit_s=config.wall_limit_s,
    )
    records: list[Record] = []
    tables = {name: crystal_rows(rows, checks[name], matches, name) for name, rows in populations.items()}
    table = tables[Population.SAMPLES]
    blank = crystal_rows([NOTHING], {}, matches, Population.SAMPLES)
    if energies.asked:
        add_energies(table, energies, matches)
        add_energies(blank, energies, matches)
    for name, members in tables.items():
        rater = Rater(Kind.CRYSTAL, name, config.confidence)
        records += crystal_records(members, matches, rater, len(known.systems))
        if name is Population.SAMPLES and energies.asked:
            records += energy_records(table, energies, rater)
    return Scored(list(blank[0]), table, records, crystal_funnel(table, energies, matches))


def _molecules(stage: ScoreStage, rows: list[Row], known: Reference, workers: int) -> Scored:
    config = stage.score
    populations = _populations(stage, rows, known)
    checks = _check(check_molecule, populations, config, workers, "molecules checked")
    train = known.split("train")
    smiles = _train_smiles(train, populations, checks, config, workers)
    sent = {name: {row.system_id for row in members[: config.posebusters]} for name, members in populations.items()}
    busted = _bust(populations, checks, sent, config, workers)
    tables = {
        name: molecule_rows(members, checks[name], busted[name], sent[name], smiles)
        for name, members in populations.items()
    }
    records: list[Record] = []
    for name, table in tables.items():
        records += molecule_records(table, Rater(Kind.MOLECULE, name, config.confidence), len(train))
    table = tables[Population.SAMPLES]
    return Scored(list(molecule_rows([NOTHING], {}, {}, set(), set())[0]), table, records, molecule_funnel(table))


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
        for system in _systems(rows)
        if system.system_id in sent[name] and _bonded(checks[name][system.system_id])
    ]
    answers = bust([system for _, system in work], workers=workers, wall_limit_s=config.wall_limit_s)
    found: dict[Population, dict[str, dict[str, bool | None] | str]] = {name: {} for name in populations}
    for (name, system), answer in zip(work, answers, strict=True):
        found[name][system.system_id] = answer
    return found


def _train_smiles(
    train: Sequence[AtomicSystem],
    populations: Populations,
    checks: Mapping[Population, Mapping[str, Outcome]],
    config: ScoreConfig,
    workers: int,
) -> set[str]:
    """Return the canonical SMILES of the training molecules that could equal a valid one: those of its composition."""
    wanted = {
        _key(system)
        for name, rows in populations.items()
        for system in _systems(rows)
        if checks[name][system.system_id].status == "ok" and checks[name][system.system_id].value.strict
    }
    candidates = [system for system in train if _key(system) in wanted]
    progress = Progress("training molecules compared", len(candidates))
    outcomes = map_isolated(
        strict_smiles,
        candidates,
        workers=workers,
        wall_limit_s=config.wall_limit_s,
        on_result=lambda _, __: progress.update(),
    )
    return {outcome.value for outcome in outcomes if outcome.status == "ok" and outcome.value}


def _key(system: AtomicSystem) -> tuple[tuple[str, int], ...]:
    return tuple(composition(system.numbers).items())
