"""Scores every sample beside control rows, with intervals and reasons.

Reads:  samples/<kind>/<shard>.arrow, data/<dataset>.arrow, relaxed/<kind>/<shard>.parquet, hull/hull.parquet,
        dft/<shard>.parquet
Writes: scores/<kind>.parquet and .csv, scores/summary.json, scores/funnel.json,
        scores/measures.json, scores/separation.json
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from adit import store
from adit.config import ScoreStage
from adit.progress import log
from adit.score.aggregate import Rater, Record
from adit.score.crystal_summary import crystal_funnel, crystal_records, energy_records
from adit.score.crystals import RELAXED, add_energies, check_crystal, crystal_rows
from adit.score.inputs import Energies, Reference, Row, read_energies, read_reference, read_rows
from adit.score.matching import index_references, match_all
from adit.score.measures import Measure
from adit.score.molecule_run import score_molecules
from adit.score.names import Population
from adit.score.scored import NOTHING, Records, Scored, check_populations, populations_of, systems_of
from adit.score.separation import separations
from adit.score.terminal import log_table
from adit.systems import AtomicSystem, Kind


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
        Kind.MOLECULE: lambda rows, known: score_molecules(stage, rows, known, workers),
    }
    records: list[Record] = []
    funnels: Records = []
    measures: list[Measure] = []
    for kind, paths in asked.items():
        if kind not in scorers:
            log.warning("%s samples have no scores: only crystals and molecules are scored", kind)
            continue
        scored = scorers[kind](read_rows(paths), read_reference(data, Kind(kind)))
        _write_table(out, kind, scored)
        records += scored.records
        funnels += scored.funnel
        measures += scored.measures
    store.write_json(out / "summary.json", [record.to_json() for record in records])
    store.write_json(out / "funnel.json", funnels)
    store.write_json(out / "measures.json", [measure.to_json() for measure in measures])
    verdicts = separations(records, measures)
    store.write_json(out / "separation.json", [verdict.to_json() for verdict in verdicts])
    log_table(records, funnels, verdicts)


def _write_table(out: Path, kind: str, scored: Scored) -> None:
    import pandas as pd

    names = [str(column) for column in scored.columns]
    frame = pd.DataFrame([[row[column] for column in scored.columns] for row in scored.table], columns=names)
    metadata = {"kind": kind, "rows": len(frame)}
    store.write_frame(out / f"{kind}.parquet", frame, metadata)
    store.write_frame(out / f"{kind}.csv", frame)


def _crystals(stage: ScoreStage, rows: list[Row], known: Reference, energies: Energies, workers: int) -> Scored:
    config = stage.score
    populations = populations_of(stage, rows, known)
    checks = check_populations(check_crystal, populations, config, workers, "crystals checked")
    ids = {row.system_id for row in rows}
    to_match: dict[str, list[AtomicSystem]] = {name: systems_of(members) for name, members in populations.items()}
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
