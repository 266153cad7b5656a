"""Scores every sample and control rows, with intervals and reasons.

Reads:  samples/<kind>/<shard>.arrow, data/<dataset>.arrow, relaxed/<kind>/<shard>.parquet, hull/hull.parquet,
        dft/<shard>.parquet
Writes: scores/<kind>.parquet and .csv, scores/summary.json, scores/funnel.json,
        scores/measures.json, scores/separation.json, scores/sensitivity-crystal.csv,
        scores/card.json, scores/properties-molecule.csv
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

from adit import store
from adit.columns import REQUESTED_PROTOCOLS, Col
from adit.config import ScoreStage
from adit.isolate import kept_workers
from adit.outputs.replace import check_folder, replaced_folder
from adit.readers import CONTRADICTION
from adit.score.card import card
from adit.score.common.aggregate import RateRecord
from adit.score.common.inputs import Energies, Reference, Row, read_energies, read_known_systems, read_rows
from adit.score.common.measures import Measure
from adit.score.common.scored import Records, Scored
from adit.score.common.separation import separations
from adit.score.crystals.run import score_crystals
from adit.score.crystals.sensitivity import crystal_rates, sensitivity
from adit.score.given import NOTES, SOURCE, Origins
from adit.score.mofs.run import score_mofs
from adit.score.molecules.run import score_molecules
from adit.score.terminal import log_table
from adit.score.terminal_measures import log_measures, log_sensitivity
from adit.score.tools.answers import Answers
from adit.systems import Kind

if TYPE_CHECKING:
    import pandas as pd

NAMED: Final = REQUESTED_PROTOCOLS
"""Protocols that can be requested by name; scores of the others are always written."""

OUTPUTS: Final = (
    "summary.json",
    "funnel.json",
    "measures.json",
    "separation.json",
    "card.json",
    "sensitivity-crystal.csv",
    "properties-molecule.csv",
)
"""Files in addition to the tables of the kinds."""


def score(
    stage: ScoreStage,
    samples: dict[str, list[Path]],
    data: list[Path],
    relaxed: list[Path],
    hull: Path | None,
    dft: list[Path],
    out: Path,
    workers: int,
    cache: Path | None = None,
    checks: Sequence[Path] = (),
    judge: Path | None = None,
) -> None:
    """Score the samples of each kind and the control rows, and write tables, summary and funnel.

    Args:
        stage: slice of the configuration.
        samples: shards by kind.
        data: ``data/<dataset>.arrow`` of all datasets, for control rows and as reference of novelty.
        relaxed: ``relaxed/<kind>/<shard>.parquet``; the ``.arrow`` beside each holds the structures.
        hull: ``hull/hull.parquet``, or ``None`` if there is none.
        dft: ``dft/<shard>.parquet``.
        out: the folder of the scores.
        workers: largest number of processes.
        cache: folder for results that depend only on the data (control rows, reduced references), or ``None``.
        checks: ``checks/<kind>/<shard>.json``: slow checks.
        judge: ``hull/judge.parquet``, or ``None`` if there is none.

    Raises:
        ConfigError: a file to write is an input or was not written by this verb, or an id occurs twice in a table.
        DataError: a file is missing or broken, or the hull mixes energies of different methods.
    """
    structures = [table.with_suffix(".arrow") for table in relaxed]
    inputs = [*chain(*samples.values()), *data, *relaxed, *structures, *filter(None, (hull, judge)), *dft, *checks]
    check_folder(out, "score", inputs=inputs, names=OUTPUTS)
    requested = {Kind(kind): read_rows(paths) for kind, paths in samples.items() if paths}
    energies = read_energies(relaxed, hull, dft, judge)
    score_rows(
        stage,
        requested,
        lambda kind: read_known_systems(data, kind),
        energies,
        out,
        workers,
        cache,
        answers=Answers.read(checks),
        inputs=inputs,
    )


@kept_workers()
def score_rows(
    stage: ScoreStage,
    requested: Mapping[Kind, list[Row]],
    reference: Callable[[Kind], Reference],
    energies: Energies,
    out: Path,
    workers: int,
    cache: Path | None = None,
    protocols: Collection[str] = NAMED,
    answers: Answers | None = None,
    origins: Mapping[Kind, Origins] | None = None,
    inputs: Sequence[Path] = (),
) -> None:
    """Score rows of each kind and the control rows, and write tables, summary, measures and funnel.

    Args:
        stage: slice of the configuration.
        requested: systems and failures by kind.
        reference: returns the reference of a kind.
        energies: relaxations, hull and DFT of the samples.
        out: the folder of the scores.
        workers: largest number of processes.
        cache: folder for results that depend only on the reference, or ``None``.
        protocols: named protocols to report.
        answers: existing answers of the slow tools; ``None``: none.
        origins: sources and notes of a user's samples by kind, written as columns.
        inputs: files that were read, which must not be overwritten.

    Raises:
        ConfigError: a file to write is an input, or was not written by this verb.
    """
    scorers: dict[Kind, Scorer] = {
        Kind.CRYSTAL: lambda rows, reference_rows: score_crystals(
            stage, rows, reference_rows, energies, workers, cache
        ),
        Kind.MOLECULE: lambda rows, reference_rows: score_molecules(
            stage, rows, reference_rows, workers, cache, answers, energies
        ),
        Kind.MOF: lambda rows, reference_rows: score_mofs(stage, rows, reference_rows, workers, cache, answers),
    }
    with replaced_folder(
        out, "score", inputs=inputs, names=[*OUTPUTS[:5], *(f"{kind}.csv" for kind in requested)]
    ) as new:
        _write_scores(stage, requested, scorers, reference, energies, new, protocols, origins)


Scorer = Callable[[list[Row], Reference], Scored]
"""Scores the samples of one kind against a reference."""


def _write_scores(
    stage: ScoreStage,
    requested: Mapping[Kind, list[Row]],
    scorers: Mapping[Kind, Scorer],
    reference: Callable[[Kind], Reference],
    energies: Energies,
    out: Path,
    protocols: Collection[str],
    origins: Mapping[Kind, Origins] | None,
) -> None:
    """Score the rows of every kind and write all files."""
    records: list[RateRecord] = []
    funnels: Records = []
    measures: list[Measure] = []
    references: dict[str, Counter[str]] = {}
    followed = None
    for kind, rows in requested.items():
        reference_of_kind = reference(kind)
        references[kind] = Counter(str(split) for split in reference_of_kind.splits)
        scored = chosen(scorers[kind](rows, reference_of_kind), protocols)
        if origins is not None:
            scored = with_origins(scored, origins.get(kind, {}))
        _write_table(out, kind, scored)
        if kind is Kind.CRYSTAL:
            followed = sensitivity(scored.table, crystal_rates([str(name) for name in scored.columns]), stage.seed)
            store.write_frame(out / "sensitivity-crystal.csv", followed)
        if any(values for population in scored.properties.values() for values in population.values()):
            store.write_frame(out / f"properties-{kind}.csv", _properties(scored))
        records += scored.records
        funnels += scored.funnel
        measures += scored.measures
    store.write_json(out / "summary.json", [record.to_json() for record in records])
    store.write_json(out / "funnel.json", funnels)
    store.write_json(out / "measures.json", [measure.to_json() for measure in measures])
    verdicts = separations(records, measures)
    store.write_json(out / "card.json", card(stage, references, energies))
    store.write_json(out / "separation.json", [verdict.to_json() for verdict in verdicts])
    log_table(records, funnels, verdicts)
    log_measures(measures, verdicts)
    if followed is not None:
        log_sensitivity(followed)


def chosen(scored: Scored, protocols: Collection[str]) -> Scored:
    """Return the scores without rates and columns of named protocols that were not requested."""
    left = tuple(f"_{name}" for name in NAMED if name not in protocols)
    columns = [column for column in scored.columns if not left or not str(column).endswith(left)]
    records = [record for record in scored.records if record.protocol in protocols or record.protocol not in NAMED]
    return replace(scored, columns=columns, records=records)


def with_origins(scored: Scored, origins: Origins) -> Scored:
    """Return the scores of a user's samples with their files and notes; contradictions are added to the reasons."""
    for record in scored.table:
        origin = origins.get(record[Col.SYSTEM_ID], {})
        record |= {SOURCE: origin.get(SOURCE, ""), NOTES: origin.get(NOTES, "")}
        reasons = [str(record[Col.REASON] or ""), origin.get(CONTRADICTION, "")]
        record[Col.REASON] = "; ".join(reason for reason in reasons if reason)
    return replace(scored, columns=[*scored.columns, SOURCE, NOTES])


def _properties(scored: Scored) -> pd.DataFrame:
    """Return the values of properties: one row a value, with population and property."""
    import pandas as pd

    rows = [
        (population, name, value)
        for population, properties in scored.properties.items()
        for name, values in properties.items()
        for value in values
    ]
    return pd.DataFrame(rows, columns=["population", "property", "value"])


def _write_table(out: Path, kind: str, scored: Scored) -> None:
    import pandas as pd

    names = [str(column) for column in scored.columns]
    frame = pd.DataFrame([[row[column] for column in scored.columns] for row in scored.table], columns=names)
    metadata = {"kind": kind, "rows": len(frame)}
    store.write_frame(out / f"{kind}.parquet", frame, metadata)
    store.write_frame(out / f"{kind}.csv", frame)
